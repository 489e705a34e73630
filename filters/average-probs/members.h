/* members: the members of one case as they come, and what is wrong with them.
 *
 * Members agree in grid, spacing, labels, plan, activation and channels; each has a place of its own among those of its
 * stream; no two have equal weights.  Complaints name the member or the two members concerned. */
#ifndef AVERAGE_PROBS_MEMBERS_H
#define AVERAGE_PROBS_MEMBERS_H
#include "common/frame.h"

struct seen { char *name, *fold, *weights; int stream; int64_t index, of; };

struct members {
	int expected;            /* -n; 0 if not given */
	bool allow_equal;
	const char **stream;   /* names of the streams, for messages */
	int n_streams;
	int n, room;             /* so far */
	struct seen *seen;
};

void members_begin(struct members *m);                    /* a new case; keeps the settings above */
void members_free(struct members *m);
/* The probs layers of members in a frame; *layers (if not NULL) gets up to max of them. */
int members_in(struct layer **layers, int max, const struct frame *f);
/* Takes note of the members in f, frame of the given stream, and compares them with those of base, the first frame of the
 * case (which may be f itself).  fail()s XDATA. */
bool members_take(struct members *m, const struct frame *base, const struct frame *f, int stream);
/* More members than have come are known of: a frame to follow in the same stream must bring them. */
bool members_missing(const struct members *m);
/* How many there will be, as far as is known. */
int members_known(const struct members *m);
/* All came that should.  fail()s XDATA naming the lost ones. */
bool members_whole(const struct members *m);
#endif
