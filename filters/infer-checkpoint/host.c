#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parallel.h"
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
	float **in, **out;       /* one patch for each worker: [n_inputs][patch], [n_outputs][patch] */
	int n_slots;
	float **slot;            /* results of the jobs under way, mirrored back: [n_outputs][patch] */
	float *mean;             /* [n_outputs][patch]: sum of the current window's mirrors so far */

	int member;
	struct backend_case c;
	int n_mirrors;           /* of this case: all, or one alone */
	const unsigned *mirror;
	int64_t ring[3];         /* grid of the sums; on the axis of advance plane i lies at i mod ring */
	float *sum, *total;      /* [n_outputs][ring], [ring]: weighted logits and weights */

	const int64_t (*origin)[3];
	int first, count;        /* jobs under way; job j is mirror j % n_mirrors of window j / n_mirrors */
	int *bad;                /* [n_outputs]: first window whose logits are not finite, or -1 */
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
	room = slot_bytes / (h->voxels * sizeof(float)) / (size_t)n->n_outputs;
	h->n_slots = o->threads == 1 ? 1 : 8 * o->threads;
	if ((size_t)h->n_slots > room)
		h->n_slots = room > (size_t)o->threads ? (int)room : o->threads;
	h->slot = xcalloc((size_t)h->n_slots, sizeof *h->slot);
	for (int i = 0; i < h->n_slots; i++)
		h->slot[i] = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	h->mean = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	h->in = xcalloc((size_t)o->threads, sizeof *h->in);
	h->out = xcalloc((size_t)o->threads, sizeof *h->out);
	for (int i = 0; i < o->threads; i++) {
		h->in[i] = xaligned((size_t)n->n_inputs * h->voxels, sizeof(float));
		h->out[i] = xaligned((size_t)n->n_outputs * h->voxels, sizeof(float));
	}
	h->bad = xcalloc((size_t)n->n_outputs, sizeof *h->bad);
	h->e = engine->open(n, o->threads, o->n_members);
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

	h->engine->forward(h->e, member, 0, out, in);
	return true;
}

bool host_begin(void *b, int member, const struct backend_case *c)
{
	struct host *h = b;
	size_t bytes;

	h->member = member;
	h->c = *c;
	h->n_mirrors = c->only ? 1 : h->n_all;
	h->mirror = h->all + (c->only ? c->only - 1 : 0);
	for (int i = 0; i < 3; i++)
		h->ring[i] = i == c->axis && c->depth < c->shape[i] ? c->depth : c->shape[i];
	if (!size_of_block(&bytes, DT_F4, h->n->n_outputs + 1, h->ring[0], h->ring[1], h->ring[2]) || bytes > memory_limit)
		return fail(XDATA, "sums of logits on a grid of %lldx%lldx%lld are over the limit of %zu MiB (--memory raises it)",
		            (long long)h->ring[0], (long long)h->ring[1], (long long)h->ring[2], memory_limit >> 20);
	h->sum = xcalloc(bytes / sizeof(float), sizeof(float));
	h->total = h->sum + bytes / sizeof(float) / (size_t)(h->n->n_outputs + 1) * (size_t)h->n->n_outputs;
	return true;
}

void host_end(void *b)
{
	struct host *h = b;

	free(h->sum);
	h->sum = h->total = NULL;
}

void host_close(void *b)
{
	struct host *h = b;

	h->engine->close(h->e);
	for (int i = 0; i < h->n_slots; i++)
		free(h->slot[i]);
	for (int i = 0; i < h->o.threads; i++) {
		free(h->in[i]);
		free(h->out[i]);
	}
	free(h->slot);
	free(h->in);
	free(h->out);
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
				memcpy(to + lo, h->c.image + ((c * s[0] + iz) * s[1] + iy) * s[2] + origin[2] + lo, (size_t)(hi - lo) * sizeof *to);
				if (mirror & 4)
					reverse(to, p[2]);
			}
}

/* to, from [n_outputs][patch]: mirrored once more, which is where it came from. */
static void mirror_back(float *to, const float *from, const struct host *h, unsigned mirror)
{
	const int64_t *p = h->n->patch;

	for (int64_t c = 0; c < h->n->n_outputs; c++)
		for (int64_t z = 0; z < p[0]; z++)
			for (int64_t y = 0; y < p[1]; y++, to += p[2]) {
				int64_t fz = mirror & 1 ? p[0] - 1 - z : z, fy = mirror & 2 ? p[1] - 1 - y : y;
				memcpy(to, from + ((c * p[0] + fz) * p[1] + fy) * p[2], (size_t)p[2] * sizeof *to);
				if (mirror & 4)
					reverse(to, p[2]);
			}
}

static void run_job(void *arg, int i, int worker)
{
	struct host *h = arg;
	int job = h->first + i;
	unsigned mirror = h->mirror[job % h->n_mirrors];

	gather(h->in[worker], h, h->origin[job / h->n_mirrors], mirror);
	h->engine->forward(h->e, h->member, worker, h->out[worker], h->in[worker]);
	mirror_back(h->slot[i], h->out[worker], h, mirror);
}

/* ---- sums, channel by channel and within a channel in the order of jobs ---- */

/* The part of a window that lies in the image, in voxels of the window. */
static void inside(int64_t lo[3], int64_t hi[3], const struct host *h, const int64_t origin[3])
{
	for (int i = 0; i < 3; i++) {
		lo[i] = origin[i] < 0 ? -origin[i] : 0;
		hi[i] = h->c.shape[i] - origin[i] < h->n->patch[i] ? h->c.shape[i] - origin[i] : h->n->patch[i];
	}
}

/* The row of a ring-shaped volume that holds image row z, y. */
static float *ring_row(float *volume, const struct host *h, int64_t z, int64_t y)
{
	return volume + (z % h->ring[0] * h->ring[1] + y % h->ring[1]) * h->ring[2];
}

/* volume [ring] += value * weight over a window (value, weight [patch]; value NULL: 1).  With parity every sum is rounded to
 * half precision, as nnU-Net's buffers do (contract 5.5).  False if a sum is not finite. */
static bool add_window(float *volume, const struct host *h, const int64_t origin[3], const float *value, const float *weight)
{
	const int64_t *p = h->n->patch;
	int64_t lo[3], hi[3];
	bool finite = true;

	inside(lo, hi, h, origin);
	for (int64_t z = lo[0]; z < hi[0]; z++)
		for (int64_t y = lo[1]; y < hi[1]; y++) {
			float *row = ring_row(volume, h, origin[0] + z, origin[1] + y);
			const float *w = weight + (z * p[1] + y) * p[2], *v = value ? value + (z * p[1] + y) * p[2] : NULL;
			int64_t at = (origin[2] + lo[2]) % h->ring[2];
			for (int64_t x = lo[2]; x < hi[2]; x++) {
				float s = row[at] + (v ? v[x] * w[x] : w[x]);
				row[at] = h->o.parity ? half_round(s) : s;
				finite &= isfinite(row[at]) != 0;
				if (++at == h->ring[2])
					at = 0;
			}
		}
	return finite;
}

static void add_channel(void *arg, int channel, int worker)
{
	struct host *h = arg;
	size_t ring = (size_t)(h->ring[0] * h->ring[1] * h->ring[2]);
	float *mean = h->mean + (size_t)channel * h->voxels, *sum = h->sum + (size_t)channel * ring;

	(void)worker;
	for (int i = 0; i < h->count; i++) {
		int mirror = (h->first + i) % h->n_mirrors, window = (h->first + i) / h->n_mirrors;
		const float *result = h->slot[i] + (size_t)channel * h->voxels;
		for (size_t v = 0; v < h->voxels; v++)
			mean[v] = mirror ? mean[v] + result[v] : result[v];
		if (mirror < h->n_mirrors - 1)
			continue;
		for (size_t v = 0; v < h->voxels; v++)
			mean[v] /= (float)h->n_mirrors;
		if (!add_window(sum, h, h->origin[window], mean, h->weight) && h->bad[channel] < 0)
			h->bad[channel] = window;
	}
}

bool host_windows(void *b, const int64_t (*origin)[3], int n)
{
	struct host *h = b;
	int jobs, bad = -1;

	if (__builtin_mul_overflow(n, h->n_mirrors, &jobs))
		return fail(XDATA, "too many windows at once");
	h->origin = origin;
	for (int c = 0; c < h->n->n_outputs; c++)
		h->bad[c] = -1;
	for (h->first = 0; h->first < jobs && bad < 0; h->first += h->count) {
		h->count = jobs - h->first < h->n_slots ? jobs - h->first : h->n_slots;
		parallel_for(h->o.threads, h->count, run_job, h);
		parallel_for(h->o.threads, h->n->n_outputs, add_channel, h);
		for (int c = 0; c < h->n->n_outputs; c++)
			if (h->bad[c] >= 0 && (bad < 0 || h->bad[c] < bad))
				bad = h->bad[c];
	}
	if (bad >= 0)
		return fail(XDATA, "the window at z %lld, y %lld, x %lld gives logits that are not finite numbers", (long long)origin[bad][0],
		            (long long)origin[bad][1], (long long)origin[bad][2]);
	for (int i = 0; i < n; i++)
		add_window(h->total, h, origin[i], NULL, h->weight);
	return true;
}

bool host_planes(void *b, float *out, int64_t lo, int64_t hi)
{
	struct host *h = b;
	int64_t from[3] = {0}, to[3] = { h->c.shape[0], h->c.shape[1], h->c.shape[2] };
	size_t ring = (size_t)(h->ring[0] * h->ring[1] * h->ring[2]);

	from[h->c.axis] = lo;
	to[h->c.axis] = hi;
	for (int64_t c = 0; c <= h->n->n_outputs; c++)      /* the last round clears the weights for the planes to come */
		for (int64_t z = from[0]; z < to[0]; z++)
			for (int64_t y = from[1]; y < to[1]; y++) {
				float *row = ring_row(h->sum + (size_t)c * ring, h, z, y);
				const float *total = ring_row(h->total, h, z, y);
				for (int64_t x = from[2]; x < to[2]; x++) {
					int64_t at = x % h->ring[2];
					float v = row[at] / total[at];
					if (c < h->n->n_outputs)
						*out++ = h->o.parity ? half_round(v) : v;
					row[at] = 0;
				}
			}
	return true;
}
