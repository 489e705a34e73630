#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/blend.h"
#include "filters/infer-checkpoint/host.h"
#include "filters/infer-checkpoint/windows.h"

static const size_t slot_bytes = (size_t)64 << 20;      /* results that may wait for their turn to be added, in all */

struct host {
	const struct engine *engine;
	void *e;
	const struct network *n;
	struct backend_options o;
	int n_all;               /* mirrored positions */
	unsigned all[8];
	size_t voxels;           /* of a patch */
	float *weight;           /* [patch] */
	int workers;             /* jobs that run side by side */
	float **in;              /* one patch for each worker: [n_inputs][patch] */
	int n_slots;
	float **slot;            /* room for the results of the jobs under way: [n_outputs][patch]; NULL with one worker */
	float **result;          /* [n_slots]: of the jobs under way, mirrored back: slots, or the worker's own */
	float *mean;             /* [n_outputs][patch]: sum of the current window's mirrors so far; NULL without mirrors */

	struct backend_case c;
	int n_mirrors;           /* of this case: all, or one alone */
	const unsigned *mirror;
	struct blend blend;

	const int64_t (*origin)[3];
	int first, count;        /* jobs under way */
	int *bad;                /* [n_outputs]: the first job whose output is not finite, or -1 */
};

/* One pass of a window; jobs go through mirrors, then members, then windows. */
struct job { int window, member, mirror; };

static struct job job_of(const struct host *h, int i)
{
	int j = i / h->n_mirrors;

	return (struct job){ j / h->c.n_members, j % h->c.n_members, i % h->n_mirrors };
}

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
	room = slot_bytes / (h->voxels * sizeof(float)) / (size_t)n->n_outputs;
	h->n_slots = h->workers == 1 ? 1 : 8 * h->workers;
	if ((size_t)h->n_slots > room)
		h->n_slots = room > (size_t)h->workers ? (int)room : h->workers;
	h->result = xcalloc((size_t)h->n_slots, sizeof *h->result);
	h->slot = h->workers > 1 ? xcalloc((size_t)h->n_slots, sizeof *h->slot) : NULL;
	for (int i = 0; h->slot && i < h->n_slots; i++)
		h->slot[i] = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	if (h->n_all > 1)
		h->mean = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	h->in = xcalloc((size_t)h->workers, sizeof *h->in);
	for (int i = 0; i < h->workers; i++)
		h->in[i] = xaligned((size_t)n->n_inputs * h->voxels, sizeof(float));
	h->bad = xcalloc((size_t)n->n_outputs, sizeof *h->bad);
	return h;
}

bool host_load(void *b, int member, const float *weights)
{
	struct host *h = b;

	h->engine->load(h->e, member, weights, h->o.threads);
	return true;
}

bool host_forward(void *b, int member, float *out, const float *in)
{
	struct host *h = b;

	memcpy(out, h->engine->forward(h->e, member, 0, in), (size_t)h->n->n_outputs * h->voxels * sizeof *out);
	return true;
}

int host_batch(const void *b, int n_members, bool one_mirror)
{
	const struct host *h = b;
	int n = h->n_slots / (one_mirror ? 1 : h->n_all) / n_members;

	return n ? n : 1;
}

bool host_begin(void *b, const struct backend_case *c)
{
	struct host *h = b;

	h->c = *c;
	h->n_mirrors = c->only ? 1 : h->n_all;
	h->mirror = h->all + (c->only ? c->only - 1 : 0);
	h->blend = (struct blend){ .weight = h->weight, .parity = h->o.parity, .axis = c->axis, .depth = c->depth,
	                         .channels = (int64_t)h->n->n_outputs * (c->apart ? c->n_members : 1) };
	memcpy(h->blend.shape, c->shape, sizeof c->shape);
	memcpy(h->blend.patch, h->n->patch, sizeof h->n->patch);
	return blend_open(&h->blend, c->rows);
}

void host_end(void *b)
{
	struct host *h = b;

	blend_close(&h->blend);
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
	free(h->bad);
	free(h);
}

/* ---- one job: a window in one mirrored position ---- */

static void reverse(float *row, int64_t n)
{
	for (int64_t i = 0, j = n - 1; i < j; i++, j--) {
		float t = row[i];
		row[i] = row[j];
		row[j] = t;
	}
}

/* to [n_inputs][patch]: the image at origin, 0 outside of it, mirrored. */
static void gather(float *to, const struct host *h, const int64_t origin[3], unsigned mirror)
{
	const int64_t *p = h->n->patch, *s = h->c.shape;
	int64_t lo = origin[2] < 0 ? -origin[2] : 0, hi = s[2] - origin[2] < p[2] ? s[2] - origin[2] : p[2];

	for (int64_t c = 0; c < h->n->n_inputs; c++)
		for (int64_t z = 0; z < p[0]; z++)
			for (int64_t y = 0; y < p[1]; y++, to += p[2]) {
				int64_t iz = origin[0] + (mirror & 1 ? p[0] - 1 - z : z), iy = origin[1] + (mirror & 2 ? p[1] - 1 - y : y);
				memset(to, 0, (size_t)p[2] * sizeof *to);
				if (iz < 0 || iz >= s[0] || iy < 0 || iy >= s[1])
					continue;
				memcpy(to + lo, h->c.plane[c * s[0] + iz] + iy * s[2] + origin[2] + lo, (size_t)(hi - lo) * sizeof *to);
				if (mirror & 4)
					reverse(to, p[2]);
			}
}

static void swap_rows(float *a, float *b, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		float t = a[i];
		a[i] = b[i];
		b[i] = t;
	}
}

/* value [n_outputs][patch]: mirrored once more, which is where it came from. */
static void mirror_back(float *value, const struct host *h, unsigned mirror)
{
	const int64_t *p = h->n->patch, lines = p[0] * p[1];

	for (int64_t c = 0; c < h->n->n_outputs && mirror; c++, value += h->voxels)
		for (int64_t i = 0; i < lines; i++) {
			int64_t z = mirror & 1 ? p[0] - 1 - i / p[1] : i / p[1], y = mirror & 2 ? p[1] - 1 - i % p[1] : i % p[1];
			if (z * p[1] + y > i)
				swap_rows(value + i * p[2], value + (z * p[1] + y) * p[2], p[2]);
			if (mirror & 4)         /* a row is reversed where it ends up: those before their partner have come already */
				reverse(value + i * p[2], p[2]);
		}
}

static void run_job(void *arg, int i, int worker)
{
	struct host *h = arg;
	struct job j = job_of(h, h->first + i);
	unsigned mirror = h->mirror[j.mirror];

	gather(h->in[worker], h, h->origin[j.window], mirror);
	h->result[i] = h->engine->forward(h->e, h->c.member + j.member, worker, h->in[worker]);
	mirror_back(h->result[i], h, mirror);
	if (h->slot)                    /* the worker's own room is for its next job */
		h->result[i] = memcpy(h->slot[i], h->result[i], (size_t)h->n->n_outputs * h->voxels * sizeof(float));
}

/* ---- sums, channel by channel and within a channel in the order of jobs ---- */

static void add_channel(void *arg, int channel, int worker)
{
	struct host *h = arg;

	(void)worker;
	for (int i = 0; i < h->count; i++) {
		struct job j = job_of(h, h->first + i);
		float *result = h->result[i] + (size_t)channel * h->voxels;
		if (h->n_mirrors > 1) {
			float *mean = h->mean + (size_t)channel * h->voxels;
			for (size_t v = 0; v < h->voxels; v++)
				mean[v] = j.mirror ? mean[v] + result[v] : result[v];
			if (j.mirror < h->n_mirrors - 1)
				continue;
			for (size_t v = 0; v < h->voxels; v++)
				mean[v] /= (float)h->n_mirrors;
			result = mean;
		}
		if (!blend_add(&h->blend, channel + (h->c.apart ? j.member * h->n->n_outputs : 0), h->origin[j.window], result) &&
		    h->bad[channel] < 0)
			h->bad[channel] = h->first + i;
	}
}

bool host_windows(void *b, const int64_t (*origin)[3], int n)
{
	struct host *h = b;
	int jobs, bad = -1;

	if (__builtin_mul_overflow(n, h->n_mirrors * h->c.n_members, &jobs))
		return fail(XDATA, "too many windows at once");
	h->origin = origin;
	for (int c = 0; c < h->n->n_outputs; c++)
		h->bad[c] = -1;
	for (int i = 0; i < n; i++)
		blend_touch(&h->blend, origin[i]);
	for (h->first = 0; h->first < jobs && bad < 0; h->first += h->count) {
		h->count = jobs - h->first < h->n_slots ? jobs - h->first : h->n_slots;
		parallel_for(h->workers, h->count, run_job, h);
		parallel_for(h->o.threads, h->n->n_outputs, add_channel, h);
		for (int c = 0; c < h->n->n_outputs; c++)
			if (h->bad[c] >= 0 && (bad < 0 || h->bad[c] < bad))
				bad = h->bad[c];
	}
	if (bad >= 0) {
		struct job j = job_of(h, bad);
		const int64_t *at = origin[j.window];
		*h->c.culprit = h->c.member + j.member;
		return fail(XDATA, "the window at z %lld, y %lld, x %lld gives logits that are not finite numbers", (long long)at[0],
		            (long long)at[1], (long long)at[2]);
	}
	return true;
}

bool host_take(void *b, float *out, const int64_t lo[3], const int64_t hi[3])
{
	struct host *h = b;

	blend_take(&h->blend, out, lo, hi, h->c.apart ? 1 : h->c.n_members, h->o.threads);
	return true;
}
