/* batches: patch frames of a stream, gathered by the epoch and iteration that they name (sample-patches(1)). */
#ifndef TRAIN_BATCHES_H
#define TRAIN_BATCHES_H
#include "common/frame.h"
#include "common/network.h"

struct batches {
	struct source *in;
	struct frame f;
	bool ahead;              /* the header of f is read, its payload is not */
	const struct network *network;
	const struct labels *labels;
	int n, room;             /* patches of the batch; n of all batches is that of the first */
	int epoch, iteration;    /* of the batch */
	float *image;            /* [n][n_inputs][patch] */
	uint16_t *label;         /* [n][patch] */
};

/* path: a file or FIFO, NULL for standard input.  Dies on what is no stream. */
void batches_open(struct batches *b, const char *path, const struct network *n, const struct labels *l);
/* The next batch of this epoch; false when there is none: the next one is of a later epoch,
 * or the stream has ended.  Dies (exit 3) on frames that are no patches for this network, or of an earlier epoch. */
bool batches_next(struct batches *b, int epoch);
/* Whether the stream has ended. */
bool batches_ended(struct batches *b);
/* Batches of the whole stream, -1 if it does not say; after the first batch. */
int64_t batches_expected(const struct batches *b);
void batches_close(struct batches *b);
#endif
