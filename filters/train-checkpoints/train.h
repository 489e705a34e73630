/* train: what the loop over epochs works on, and its steps. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H
#include "common/plans.h"
#include "common/training-state.h"
#include "filters/train-checkpoints/batches.h"
#include "filters/train-checkpoints/engine.h"
#include "filters/train-checkpoints/keep.h"
#include "filters/train-checkpoints/schedule.h"

struct training {
	const char *preprocessed;        /* folder of plans, dataset.json and fingerprint */
	const char *plans, *configuration, *fold, *model;
	struct schedule schedule;
	struct keep keep;
	int save_every;                  /* epochs between two checkpoint_latest.pth */
	int threads;
	const struct train_engine *engine;

	char *folder;                    /* MODEL/fold_FOLD */
	struct plan plan;
	struct dataset dataset;
	struct network network;
	struct training_state state;
};

/* start.c: reads plan and data set, builds the network.  fail()s XDATA, XIO, XUSAGE. */
bool training_open(struct training *t);
/* Weights drawn from the seed, and those of a checkpoint in their place (NULL: none) but for the heads. */
bool training_begin(struct training *t, uint64_t seed, const char *pretrained);
/* Goes on from the folder's final, latest or best checkpoint; *found says whether there is one. */
bool training_continue(struct training *t, bool *found);
void training_free(struct training *t);

/* files.c: the folder of the fold.  training_claim() makes it, puts plans.json, dataset.json and the fingerprint beside it, and
 * fail()s XDATA when it holds checkpoints, unless they are to go (clean) or to be gone on with. */
bool training_claim(const struct training *t, bool clean, bool go_on);
/* After an epoch: training_log.tsv and the checkpoints that are due; best: the moving average is the best so far. */
bool training_save(const struct training *t, bool best);
/* Whatever was due: checkpoint_latest.pth. */
bool training_save_latest(const struct training *t);

/* run.c: epochs from state.epoch on until all are done or the stream ends.  validation: NULL for none.  fail()s. */
bool training_run(struct training *t, struct batches *train, struct batches *validation);
#endif
