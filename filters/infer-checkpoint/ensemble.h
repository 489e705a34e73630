/* ensemble: the checkpoints of one run, all of one plan, with their weights in a backend. */
#ifndef ENSEMBLE_H
#define ENSEMBLE_H
#include "common/frame.h"
#include "common/head.h"
#include "filters/infer-checkpoint/backend.h"

struct ensemble_options {
	const char *model;       /* folder with plans.json and dataset.json; NULL: found from each checkpoint's path */
	const char *device;      /* backend by name, or "auto" */
	int threads;
	enum precision precision;
	bool mirror, parity, deterministic, allow_equal;
	bool mirrors_apart;      /* every mirrored prediction is a member */
	bool average;            /* the members' logits are averaged */
};

struct ensemble {
	struct plan plan;
	struct dataset dataset;
	struct network network, body;
	struct head *head;       /* NULL: the backend runs the whole network.  Else it runs the body, and these make logits of its sums:
	                            [n_checkpoints], or one of all of them side by side where they are averaged (contract 5.6) */
	const struct backend *backend;
	void *b;
	int n_checkpoints, n_mirrors;   /* n_mirrors: mirrored positions of a window */
	char **path;             /* of the checkpoints, as given */
	int n, per_checkpoint;   /* members, in all and of a checkpoint: 1, or n_mirrors when they are apart */
	struct member *member;   /* what the stream says of each: name, fold, weights, index from 1, of */
};

/* Reads and checks everything, and loads all weights.  fail()s XDATA (checkpoint, plan), XIO, XDEVICE. */
bool ensemble_open(struct ensemble *e, char **paths, int n, const struct ensemble_options *o);
void ensemble_close(struct ensemble *e);
#endif
