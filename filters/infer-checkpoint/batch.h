/* batch: members of cases with few windows, whose windows run together, so that every thread has work. */
#ifndef BATCH_H
#define BATCH_H
#include "filters/infer-checkpoint/predict.h"

struct batch {
	struct sink *out;
	const struct ensemble *e;
	const struct predict_options *o;
	struct prediction **room;       /* [n_room]: of cases under way, and to be used again */
	int n_room;
	struct prediction *next;        /* where the next case goes */
	struct unit *unit;              /* [n]: what is to run, in the order of cases and members */
	int n, windows;                 /* windows: of all units */
};

/* A frame for the header of the next case, which batch_add() takes then. */
struct frame *batch_frame(struct batch *b);
/* Predicts that case, at once or with the next ones.  What is left of a case that fails is still in `in`. */
void batch_add(struct batch *b, struct source *in);
/* Predicts and writes what waits. */
void batch_run(struct batch *b);
void batch_free(struct batch *b);
#endif
