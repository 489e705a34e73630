/* job: the streams that average-probs reads, the case at hand, and what becomes of it. */
#ifndef AVERAGE_PROBS_JOB_H
#define AVERAGE_PROBS_JOB_H
#include "common/as_coded.h"
#include "filters/average-probs/members.h"
#include "filters/average-probs/reduce.h"
#include "filters/average-probs/subsets.h"

struct job {
	int n;                           /* streams */
	struct source **in;
	struct frame *f;                 /* [n]: the frames at the same place; f[0] becomes the result */
	struct frame ahead;              /* of a single stream: the frame after f[0] */
	struct sink *out;
	struct members members;
	struct reduce reduce;
	bool as_coded;
	struct coded coded;              /* in place of reduce's sums with --as-coded */
	unsigned subsets;                /* kinds wanted: then a case's members are held, as follows, */
	struct layer held[MEMBERS_MAX];  /* in the order of members.seen: what their layers were, with data of the whole case */
	int n_held;
};

/* streams.c: one case after another, from one stream (true if f[0] has the next one's first frame) or from several. */
bool job_one_stream(struct job *j);
bool job_several_streams(struct job *j);        /* false when all have ended */

/* cases.c.  The members of f[0] are known: */
bool job_learn(struct job *j);
/* a case whose members lie side by side, read, written and ended slab by slab, failed or not; */
void job_slabs(struct job *j);
/* or the whole case at once: begin, add each frame (of in[stream]), which fail(), and put, which writes it, failed or not. */
bool job_begin(struct job *j);
bool job_add(struct job *j, struct source *in, struct frame *f, int stream);
void job_put(struct job *j);
void job_forget(struct job *j);                 /* the held members */

/* Flags of another stream's frame, and whether it failed, are those of f. */
void merge_closing(struct frame *f, const struct frame *other);
void skip_all(struct job *j);
#endif
