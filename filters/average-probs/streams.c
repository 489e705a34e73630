#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/average-probs/job.h"

/* The case of f[0] has failed, or ok says that it fails here, or other is why it failed in another frame. */
static bool finish_failed(struct job *j, bool ok, const char *other)
{
	if (j->f[0].failed && !mpk_get(&j->f[0].header, "failed")) {    /* its closing map says so */
		sink_failed(j->out, &j->f[0], j->f[0].failed);
	} else if (j->f[0].failed) {
		sink_begin(j->out, &j->f[0]);
		sink_end(j->out, &j->f[0]);
	} else if (!ok) {
		case_failed(j->out, NULL, &j->f[0]);
	} else if (other) {
		sink_failed(j->out, &j->f[0], other);
	} else {
		return false;
	}
	return true;
}

/* A frame without any probabilities, averaged or not, passes. */
static bool concerns_us(const struct job *j)
{
	for (int k = 0; k < j->n; k++)
		if (j->f[k].failed || frame_layer(&j->f[k], "probs"))
			return true;
	return false;
}

/* One case of a single stream, of which f[0] is the first frame.  Leaves the next frame in ahead; false if there is none. */
bool job_one_stream(struct job *j)
{
	struct frame *f = &j->f[0], *g = &j->ahead;
	char *other = NULL;
	bool ok, next;

	if (!concerns_us(j)) {
		sink_pass(j->out, j->in[0], f);
		return source_next(j->in[0], g);
	}
	ok = f->failed || (members_take(&j->members, f, f, 0) && job_learn(j));
	if (ok && !f->failed) {
		if (!members_missing(&j->members) && !j->subsets) {
			ok = members_whole(&j->members);
			if (ok)
				job_slabs(j);
			else
				case_failed(j->out, j->in[0], f);
			next = source_next(j->in[0], g);
			if (next && !strcmp(g->name, f->name))
				die(XDATA, "%s: case %s comes again after its %d members; -n tells how many to expect",
				    source_name(j->in[0]), f->name, j->members.n);
			return next;
		}
		ok = job_begin(j) && job_add(j, j->in[0], f, 0);
	}
	source_skip(j->in[0], f);
	while ((next = source_next(j->in[0], g)) && !strcmp(g->name, f->name)) {
		if (f->failed || !ok || other)
			continue;
		ok = g->failed || (members_take(&j->members, f, g, 0) && job_add(j, j->in[0], g, 0));
		if (g->failed)
			other = xasprintf("a member failed: %s", g->failed);
	}
	ok = ok && (f->failed || other || members_whole(&j->members));
	if (!finish_failed(j, ok, other))
		job_put(j);
	job_forget(j);
	free(other);
	return next;
}

/* The next frame of every stream; false when all have ended. */
static bool next_of_all(struct job *j)
{
	int ended = -1, going = -1;

	for (int k = 0; k < j->n; k++)
		*(source_next(j->in[k], &j->f[k]) ? &going : &ended) = k;
	if (going >= 0 && ended >= 0)
		die(XDATA, "%s has ended where %s goes on with case %s", j->members.stream[ended], j->members.stream[going], j->f[going].name);
	for (int k = 1; going >= 0 && k < j->n; k++)
		if (strcmp(j->f[0].name, j->f[k].name))
			die(XDATA, "the streams do not hold the same cases in the same order: case %s of %s stands where case %s of %s does",
			    j->f[0].name, j->members.stream[0], j->f[k].name, j->members.stream[k]);
	return going >= 0;
}

/* The frames at the same place of all streams are one case. */
static void one_case(struct job *j)
{
	char *other = NULL;
	bool ok = true, same_slabs = true;

	if (!concerns_us(j)) {
		sink_pass(j->out, j->in[0], &j->f[0]);
		skip_all(j);
		return;
	}
	for (int k = 0; k < j->n && !other; k++)
		if (j->f[k].failed)
			other = xasprintf("member stream %s: %s", j->members.stream[k], j->f[k].failed);
	for (int k = 0; k < j->n && ok && !other; k++) {
		ok = members_take(&j->members, &j->f[0], &j->f[k], k);
		same_slabs &= j->f[k].slab[0] == j->f[0].slab[0] && j->f[k].slab[1] == j->f[0].slab[1];
	}
	ok = ok && (other || (members_whole(&j->members) && job_learn(j)));
	if (ok && !other) {
		if (same_slabs && !j->subsets) {
			job_slabs(j);
			return;
		}
		ok = job_begin(j);
		for (int k = 0; k < j->n && ok; k++) {
			ok = job_add(j, j->in[k], &j->f[k], k);
			if (k)
				merge_closing(&j->f[0], &j->f[k]);
		}
	}
	skip_all(j);
	if (!finish_failed(j, ok, other))
		job_put(j);
	job_forget(j);
	free(other);
}


bool job_several_streams(struct job *j)
{
	if (!next_of_all(j))
		return false;
	one_case(j);
	return true;
}
