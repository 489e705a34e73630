#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/blend.h"
#include "filters/infer-checkpoint/host.h"
#include "filters/infer-checkpoint/windows.h"

static const size_t slot_bytes = (size_t)64 << 20;      /* results that may wait for their turn to be added, in all */
enum { PARTS = 16, PART_LINES = 8 };    /* sums are made in so many parts, of runs of lines of the image */

/* One pass of a window.  Jobs go through mirrors, then members, then windows. */
struct job { int window, member, mirror; };
struct group { int member, first, n; };         /* n of the jobs, first of them in `turn` */

/* A case between begin and end. */
struct stay {
	struct backend_case c;
	int n_mirrors;           /* all, or one alone */
	const unsigned *mirror;
	struct blend blend;
	bool bad;                /* an output was not finite: of a window at `where` */
	int64_t where[3];
};

struct host {
	const struct engine *engine;
	void *e;
	const struct network *n;
	struct backend_options o;
	int n_all;               /* mirrored positions */
	unsigned all[8];
	size_t voxels;           /* of a patch */
	float *weight;           /* [patch] */
	int workers;             /* groups of jobs that run side by side */
	int images;              /* jobs of a group at most */
	float **in;              /* for each worker [images][n_inputs][patch] */
	int n_slots;
	float **slot;            /* room for the results of the jobs under way: [n_outputs][patch]; NULL with one worker */
	float **result;          /* [n_slots]: of the jobs under way, mirrored as they are: slots, or the worker's own */
	float *mean;             /* [n_outputs][patch]: sum of the current window's mirrors so far; NULL where none is ever torn apart */
	const struct loops *loops;

	const struct backend_window *window;
	struct job *job;         /* of all windows */
	int first, count;        /* those under way */
	struct group *group;     /* [n_slots]: the same by member, which is all that the jobs of a group must share */
	int n_groups, *turn;     /* turn [n_slots]: jobs in the order of groups */
	atomic_bool *bad;        /* [n_slots]: which of these end a sum that is not finite */
};

void *host_open(const struct engine *engine, const struct network *n, const struct backend_options *o)
{
	struct host *h = xcalloc(1, sizeof *h);
	size_t room;

	h->engine = engine;
	h->n = n;
	h->o = *o;
	h->n_all = windows_mirrors(h->all, o->mirror_axis, o->n_mirror);
	h->voxels = (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	h->weight = xmalloc(h->voxels, sizeof(float));
	windows_weight(h->weight, n->patch, o->gaussian);
	h->e = engine->open(n, o->threads, o->n_members);
	h->workers = engine->workers(h->e);
	h->images = engine->images(h->e);
	room = slot_bytes / (h->voxels * sizeof(float)) / (size_t)n->n_outputs;
	h->n_slots = h->workers == 1 ? h->images : 8 * h->workers;
	if ((size_t)h->n_slots > room)
		h->n_slots = room > (size_t)h->workers ? (int)room : h->workers;
	if (h->n_slots - h->n_slots % h->n_all >= h->workers && h->n_slots > h->n_all)
		h->n_slots -= h->n_slots % h->n_all;
	h->result = xcalloc((size_t)h->n_slots, sizeof *h->result);
	h->slot = h->workers > 1 ? xcalloc((size_t)h->n_slots, sizeof *h->slot) : NULL;
	for (int i = 0; h->slot && i < h->n_slots; i++)
		h->slot[i] = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	if (h->n_slots % h->n_all)
		h->mean = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	h->in = xcalloc((size_t)h->workers, sizeof *h->in);
	for (int i = 0; i < h->workers; i++)
		h->in[i] = xaligned((size_t)h->images * (size_t)n->n_inputs * h->voxels, sizeof(float));
	h->group = xcalloc((size_t)h->n_slots, sizeof *h->group);
	h->turn = xcalloc((size_t)h->n_slots, sizeof *h->turn);
	h->bad = xcalloc((size_t)h->n_slots, sizeof *h->bad);
	h->loops = *loops_all();
	return h;
}

bool host_load(void *b, int member, const float *const *parameter)
{
	struct host *h = b;

	h->engine->load(h->e, member, parameter, h->o.threads);
	return true;
}

bool host_forward(void *b, int member, float *out, const float *in)
{
	struct host *h = b;

	memcpy(out, h->engine->forward(h->e, member, 0, in, 1), (size_t)h->n->n_outputs * h->voxels * sizeof *out);
	return true;
}

int host_batch(const void *b, int n_members, bool one_mirror)
{
	const struct host *h = b;
	int n = h->n_slots / (one_mirror ? 1 : h->n_all) / n_members;

	return n ? n : 1;
}

static struct blend blend_of(const struct host *h, const struct backend_case *c)
{
	struct blend b = { .weight = h->weight, .parity = h->o.parity, .axis = c->axis, .depth = c->depth,
	                   .channels = (int64_t)h->n->n_outputs * (c->apart ? c->n_members : 1) };

	memcpy(b.shape, c->shape, sizeof c->shape);
	memcpy(b.patch, h->n->patch, sizeof h->n->patch);
	return b;
}

bool host_cost(const void *b, const struct backend_case *c, size_t *host, size_t *device)
{
	struct blend blend = blend_of(b, c);

	*device = 0;
	return blend_bytes(host, &blend, c->rows);
}

void *host_begin(void *b, const struct backend_case *c)
{
	struct host *h = b;
	struct stay *s = xcalloc(1, sizeof *s);

	s->c = *c;
	s->n_mirrors = c->only ? 1 : h->n_all;
	s->mirror = h->all + (c->only ? c->only - 1 : 0);
	s->blend = blend_of(h, c);
	if (blend_open(&s->blend, c->rows))
		return s;
	free(s);
	return NULL;
}

void host_end(void *b, void *stay)
{
	struct stay *s = stay;

	(void)b;
	blend_close(&s->blend);
	free(s);
}

void host_close(void *b)
{
	struct host *h = b;

	h->engine->close(h->e);
	for (int i = 0; h->slot && i < h->n_slots; i++)
		free(h->slot[i]);
	for (int i = 0; i < h->workers; i++)
		free(h->in[i]);
	free(h->slot);
	free(h->result);
	free(h->in);
	free(h->mean);
	free(h->weight);
	free(h->group);
	free(h->turn);
	free(h->bad);
	free(h);
}

/* ---- a group of jobs: windows in one mirrored position each ---- */

/* to [n_inputs][patch]: the image at the window, 0 outside of it, mirrored. */
static void gather(float *to, const struct host *h, const struct backend_window *w, unsigned mirror)
{
	const struct stay *stay = w->stay;
	const int64_t *p = h->n->patch, *s = stay->c.shape, *at = w->origin;
	int64_t lo[3], hi[3];

	blend_inside(lo, hi, &stay->blend, at);
	for (int64_t c = 0; c < h->n->n_inputs; c++)
		for (int64_t z = 0; z < p[0]; z++)
			for (int64_t y = 0; y < p[1]; y++, to += p[2]) {
				int64_t pz = mirror & 1 ? p[0] - 1 - z : z, py = mirror & 2 ? p[1] - 1 - y : y, n = hi[2] - lo[2];
				const float *row;
				if (n < p[2])
					memset(to, 0, (size_t)p[2] * sizeof *to);
				if (pz < lo[0] || pz >= hi[0] || py < lo[1] || py >= hi[1]) {
					memset(to, 0, (size_t)p[2] * sizeof *to);
					continue;
				}
				row = stay->c.plane[c * s[0] + at[0] + pz] + (at[1] + py) * s[2] + at[2] + lo[2];
				if (mirror & 4)
					h->loops->add_line(to + p[2] - hi[2], row + n - 1, false, true, (size_t)n);
				else
					memcpy(to + lo[2], row, (size_t)n * sizeof *to);
			}
}

static int member_of(const struct host *h, int i)
{
	const struct job *j = &h->job[h->first + i];
	const struct stay *s = h->window[j->window].stay;

	return s->c.member + j->member;
}

/* The jobs under way by member, in groups that give every worker something to do. */
static void make_groups(struct host *h)
{
	int share = (h->count + h->workers - 1) / h->workers, most = share < h->images ? share : h->images, n = 0;

	h->n_groups = 0;
	for (int i = 0; i < h->count; i++) {
		int member = member_of(h, i), first = n;
		bool done = false;
		for (int g = 0; g < h->n_groups && !done; g++)
			done = h->group[g].member == member;
		for (int k = i; k < h->count && !done; k++)
			if (member_of(h, k) == member)
				h->turn[n++] = k;
		for (; first < n; first += most)
			h->group[h->n_groups++] = (struct group){ member, first, n - first < most ? n - first : most };
	}
}

static void run_group(void *arg, int g, int worker)
{
	struct host *h = arg;
	const struct group *group = &h->group[g];
	const int *turn = h->turn + group->first;
	size_t in = (size_t)h->n->n_inputs * h->voxels, out = (size_t)h->n->n_outputs * h->voxels;
	float *result;

	for (int i = 0; i < group->n; i++) {
		const struct job *j = &h->job[h->first + turn[i]];
		const struct backend_window *w = &h->window[j->window];
		const struct stay *s = w->stay;
		gather(h->in[worker] + (size_t)i * in, h, w, s->mirror[j->mirror]);
	}
	result = h->engine->forward(h->e, group->member, worker, h->in[worker], group->n);
	for (int i = 0; i < group->n; i++) {
		h->result[turn[i]] = result + (size_t)i * out;
		if (h->slot)            /* the worker's own room is for its next group */
			h->result[turn[i]] = memcpy(h->slot[turn[i]], result + (size_t)i * out, out * sizeof *result);
	}
}

/* ---- sums: every voxel in the order of jobs ---- */

/* The mean over mirrors of a piece of a line, added to the image: at [3] in the window, n voxels.  Jobs first .. first + count - 1
 * of those under way are mirrors of one window, maybe not all. */
static bool add_piece(struct host *h, int first, int count, int channel, const int64_t at[3], size_t n)
{
	const struct job *j = &h->job[h->first + first];
	const struct backend_window *w = &h->window[j->window];
	struct stay *s = w->stay;
	const int64_t *p = h->n->patch;
	size_t place = (size_t)channel * h->voxels + (size_t)((at[0] * p[1] + at[1]) * p[2] + at[2]);
	float sum[LOOPS_RUN];

	if (j->mirror)
		memcpy(sum, h->mean + place, n * sizeof *sum);
	for (int i = 0; i < count; i++) {
		unsigned mirror = s->mirror[j[i].mirror];
		int64_t z = mirror & 1 ? p[0] - 1 - at[0] : at[0], y = mirror & 2 ? p[1] - 1 - at[1] : at[1];
		int64_t x = mirror & 4 ? p[2] - 1 - at[2] : at[2];
		h->loops->add_line(sum, h->result[first + i] + (size_t)channel * h->voxels + (z * p[1] + y) * p[2] + x, j[i].mirror > 0,
		                   mirror & 4, n);
	}
	if (j->mirror + count == s->n_mirrors)
		return blend_add(&s->blend, channel + (s->c.apart ? j->member * h->n->n_outputs : 0), w->origin, at, sum,
		                 1 / (float)s->n_mirrors, n);
	memcpy(h->mean + place, sum, n * sizeof *sum);
	return true;
}

/* The window itself, in the channel of weights. */
static bool add_weight(const struct backend_window *w, const int64_t at[3], size_t n)
{
	struct stay *s = w->stay;
	float one[LOOPS_RUN];

	for (size_t i = 0; i < n; i++)
		one[i] = 1;
	return blend_add(&s->blend, s->blend.channels, w->origin, at, one, 1, n);
}

/* One channel, the last one that of weights, of one part of the image's lines. */
static void add_part(void *arg, int task, int worker)
{
	struct host *h = arg;
	int channel = task / PARTS, part = task % PARTS;

	(void)worker;
	for (int first = 0, count; first < h->count; first += count) {
		const struct job *j = &h->job[h->first + first];
		const struct backend_window *w = &h->window[j->window];
		struct stay *s = w->stay;
		int64_t lo[3], hi[3], at[3];
		bool finite = true;
		count = s->n_mirrors - j->mirror < h->count - first ? s->n_mirrors - j->mirror : h->count - first;
		if (channel == h->n->n_outputs && (j->member || j->mirror))
			continue;
		blend_inside(lo, hi, &s->blend, w->origin);
		for (at[0] = lo[0]; at[0] < hi[0]; at[0]++)
			for (at[1] = lo[1]; at[1] < hi[1]; at[1]++) {
				int64_t line = (w->origin[0] + at[0]) * s->c.shape[1] + w->origin[1] + at[1], n;
				if (line / PART_LINES % PARTS != part)
					continue;
				for (at[2] = lo[2]; at[2] < hi[2]; at[2] += n) {
					n = hi[2] - at[2] < LOOPS_RUN ? hi[2] - at[2] : LOOPS_RUN;
					finite &= channel < h->n->n_outputs ? add_piece(h, first, count, channel, at, (size_t)n)
					                                    : add_weight(w, at, (size_t)n);
				}
			}
		if (!finite)
			atomic_store(&h->bad[first + count - 1], true);
	}
}

/* Of each case the first window that went wrong. */
static void note_bad(struct host *h)
{
	for (int i = 0; i < h->count; i++) {
		const struct job *j = &h->job[h->first + i];
		const struct backend_window *w = &h->window[j->window];
		struct stay *s = w->stay;
		if (!atomic_exchange(&h->bad[i], false) || s->bad)
			continue;
		s->bad = true;
		*s->c.culprit = s->c.member + j->member;
		memcpy(s->where, w->origin, sizeof s->where);
	}
}

/* Returns how many. */
static int list_jobs(struct host *h, const struct backend_window *w, int n)
{
	size_t jobs = 0, at = 0;

	for (int i = 0; i < n; i++) {
		const struct stay *s = w[i].stay;
		jobs += (size_t)s->n_mirrors * (size_t)s->c.n_members;
	}
	if (jobs > INT_MAX)
		die(XIO, "too many windows at once");
	h->job = xmalloc(jobs, sizeof *h->job);
	for (int i = 0; i < n; i++) {
		const struct stay *s = w[i].stay;
		for (int member = 0; member < s->c.n_members; member++)
			for (int mirror = 0; mirror < s->n_mirrors; mirror++)
				h->job[at++] = (struct job){ i, member, mirror };
	}
	return (int)jobs;
}

void host_windows(void *b, const struct backend_window *w, int n)
{
	struct host *h = b;
	int jobs = list_jobs(h, w, n);

	h->window = w;
	for (int i = 0; i < n; i++)
		blend_touch(&((struct stay *)w[i].stay)->blend, w[i].origin);
	for (h->first = 0; h->first < jobs; h->first += h->count) {
		h->count = jobs - h->first < h->n_slots ? jobs - h->first : h->n_slots;
		make_groups(h);
		parallel_for(h->workers, h->n_groups, run_group, h);
		parallel_for(h->o.threads, (h->n->n_outputs + 1) * PARTS, add_part, h);
		note_bad(h);
	}
	free(h->job);
}

bool host_take(void *b, void *stay, float *out, const int64_t lo[3], const int64_t hi[3])
{
	struct host *h = b;
	struct stay *s = stay;

	if (s->bad)
		return fail(XDATA, "the window at z %lld, y %lld, x %lld gives logits that are not finite numbers", (long long)s->where[0],
		            (long long)s->where[1], (long long)s->where[2]);
	blend_take(&s->blend, out, lo, hi, s->c.apart ? 1 : s->c.n_members, h->o.threads);
	return true;
}
