/* training-state: all that a checkpoint holds so that a training goes on: weights, momentum, what was measured (contract 4.1).
 *
 * The files are those of nnU-Net's nnUNetTrainer, in both directions. */
#ifndef COMMON_TRAINING_STATE_H
#define COMMON_TRAINING_STATE_H
#include <json-c/json.h>
#include "common/network.h"

struct training_epoch {
	double rate, train_loss, val_loss;       /* val_loss and Dice: NaN where nothing was validated */
	double mean_dice, ema_dice;              /* pseudo-Dice of the foreground, and its moving average */
	double begin_s, end_s;                   /* seconds since 1970 */
	double *dice;                            /* [n_structures] */
};

struct training_log {
	int n, n_structures;
	struct training_epoch *epoch;            /* [n] */
};

struct training_state {
	const struct network *network;           /* network_build_training()'s */
	float *weights, *momentum;               /* [n_weights] */
	const bool *trained;                     /* [n_parameters]: has momentum; the deepest head has none */
	int epoch;                               /* finished epochs */
	double best_ema;                         /* NaN: none yet */
	double rate, initial_rate, momentum_factor, weight_decay;
	struct training_log log;
	json_object *plans, *dataset;            /* of plans.json and dataset.json */
	const char *configuration, *fold;
	int n_mirror, mirror_axis[3];
};

/* Appends an epoch of NaN; valid until the next call.  A number of structures is set before the first. */
struct training_epoch *training_log_add(struct training_log *log);
void training_log_free(struct training_log *log);

/* Whole or not at all; fail()s XIO. */
bool training_state_write(const char *path, const struct training_state *s);

/* Weights, momentum (0 where there is none), epoch, best_ema and log of the file.  network, weights, momentum and
 * log.n_structures are set before, the log is empty.  fail()s XDATA, XIO. */
bool training_state_read(struct training_state *s, const char *path);
#endif
