#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/planes.h"

enum { GROUP = 16 };    /* windows given to the backend at a time, at least: enough to keep many threads busy */

/* ---- windows in the order of z ---- */

static bool set_windows(struct planes *p, const struct ensemble *e, const struct restore *way, double step)
{
	*p = (struct planes){ .e = e, .way = way, .shape = way->grids->network, .axis = restore_axis(way) };
	p->down = way->grids->flip[p->axis];
	p->unsorted = way->parity && (p->axis || p->down);
	p->final = p->taken = p->down ? p->shape[p->axis] : 0;
	if (!windows_make(&p->w, p->shape, e->plan.patch_size, step, e->plan.is_2d))
		return false;
	if (!p->unsorted)
		windows_sort(&p->w, p->axis, p->down);
	return true;
}

static int64_t place(const struct planes *p, int window) { return p->w.origin[window][p->axis]; }

/* Windows first..end-1 go together: at least GROUP of them and all that begin on the same plane. */
static int group_end(const struct planes *p, int first)
{
	int end = first + 1;

	while (end < p->w.n && (p->unsorted || end - first < GROUP || place(p, end) == place(p, end - 1)))
		end++;
	return end;
}

/* Planes that are in work at a time: those of a group's windows. */
static int64_t depth(const struct planes *p)
{
	int64_t most = 0, length = p->shape[p->axis];

	for (int first = 0, end; first < p->w.n && !p->unsorted; first = end) {
		int64_t span;
		end = group_end(p, first);
		span = place(p, end - 1) - place(p, first);
		span = (span < 0 ? -span : span) + p->e->plan.patch_size[p->axis];
		most = span > most ? span : most;
	}
	return p->unsorted || most > length ? length : most;
}

static bool run_group(struct planes *p)
{
	int end = group_end(p, p->next);

	if (!p->e->backend->windows(p->e->b, (const int64_t (*)[3])p->w.origin + p->next, end - p->next))
		return false;
	p->next = end;
	if (end == p->w.n)
		p->final = p->down ? 0 : p->shape[p->axis];
	else
		p->final = place(p, end) + (p->down ? p->e->plan.patch_size[p->axis] : 0);
	return true;
}

/* ---- planes ---- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Floats of n planes of all outputs. */
static size_t floats(const struct planes *p, int64_t n)
{
	return (size_t)(p->e->network.n_outputs * p->shape[0] * p->shape[1] * p->shape[2] / p->shape[p->axis] * n);
}

/* Copies what planes lo..hi at `from` and to_lo..to_hi at `to` have in common. */
static void copy(const struct planes *p, float *to, int64_t to_lo, int64_t to_hi, const float *from, int64_t lo, int64_t hi)
{
	int64_t first = most(lo, to_lo), end = least(hi, to_hi), inner = 1, outer = p->e->network.n_outputs;

	for (int i = 0; i < 3; i++)
		*(i < p->axis ? &outer : &inner) *= i == p->axis ? 1 : p->shape[i];
	for (int64_t o = 0; o < outer && first < end; o++)
		memcpy(to + (o * (to_hi - to_lo) + first - to_lo) * inner, from + (o * (hi - lo) + first - lo) * inner,
		       (size_t)((end - first) * inner) * sizeof *to);
}

static float *room(const struct planes *p, int64_t n)
{
	size_t bytes;

	if (!size_mul(&bytes, (int64_t)floats(p, 1) * (int64_t)sizeof(float), n) || bytes > memory_limit) {
		fail(XDATA, "%lld planes of logits are over the limit of %zu MiB (--memory raises it)", (long long)n, memory_limit >> 20);
		return NULL;
	}
	return xaligned(bytes, 1);
}

/* Keeps planes lo..hi: those that are there, and new ones, for which windows run until they are final. */
static bool fetch(struct planes *p, int64_t lo, int64_t hi)
{
	float *kept = room(p, hi - lo);
	bool ok = kept != NULL;

	if (ok && p->held) {
		copy(p, kept, lo, hi, p->held, 0, p->shape[p->axis]);
		p->taken = p->down ? lo : hi;
	}
	if (ok && p->kept)
		copy(p, kept, lo, hi, p->kept, p->lo, p->hi);
	free(p->kept);
	p->kept = kept;
	p->lo = lo;
	p->hi = hi;
	while (ok) {
		int64_t from = p->down ? most(lo, p->final) : p->taken, to = p->down ? p->taken : least(hi, p->final);
		if (from < to) {
			float *fresh = room(p, to - from);
			ok = fresh && p->e->backend->planes(p->e->b, fresh, from, to);
			if (ok)
				copy(p, kept, lo, hi, fresh, from, to);
			free(fresh);
			p->taken = p->down ? from : to;
		}
		if (p->down ? p->taken <= lo : p->taken >= hi)
			break;
		ok = ok && run_group(p);
	}
	if (!ok && p->member >= 0)
		fail_prefix("checkpoint %s", p->e->path[p->member / p->e->per_checkpoint]);
	return ok;
}

/* p->held = the mean of all members. */
static bool hold_mean(struct planes *p, const float *image, double step)
{
	size_t n = floats(p, p->shape[p->axis]);
	bool ok = true;

	for (int m = 0; m < p->e->n && ok; m++) {
		struct planes one;
		ok = planes_open(&one, p->e, m, image, p->way, step);
		if (!ok)
			break;
		ok = fetch(&one, 0, p->shape[p->axis]);
		for (size_t i = 0; i < n && m && ok; i++)
			p->held[i] = p->way->parity ? half_round(p->held[i] + one.kept[i]) : p->held[i] + one.kept[i];
		if (m == 0) {
			p->held = one.kept;
			one.kept = NULL;
		}
		planes_close(&one);
	}
	for (size_t i = 0; i < n && p->e->n > 1 && ok; i++)
		p->held[i] = p->way->parity ? half_round(p->held[i] / (float)p->e->n) : p->held[i] / (float)p->e->n;
	if (!ok)
		planes_close(p);
	return ok;
}

bool planes_open(struct planes *p, const struct ensemble *e, int member, const float *image, const struct restore *way, double step)
{
	const int64_t *s = way->grids->network;
	struct backend_case c = { .image = image, .shape = { s[0], s[1], s[2] },
	                          .only = e->per_checkpoint > 1 ? member % e->per_checkpoint + 1 : 0 };

	if (!set_windows(p, e, way, step))
		return false;
	p->member = member;
	if (member < 0)
		return hold_mean(p, image, step);
	c.axis = p->axis;
	c.depth = depth(p);
	if (e->backend->begin(e->b, member / e->per_checkpoint, &c))
		return true;
	windows_free(&p->w);
	return false;
}

bool planes_read(struct planes *p, float *out, int64_t z, int64_t dz)
{
	int64_t lo, hi;

	restore_reach(&lo, &hi, p->way, z, dz);
	return (lo == hi || fetch(p, lo, hi)) && restore(out, p->kept, p->way, z, dz);
}

void planes_close(struct planes *p)
{
	if (p->member >= 0)
		p->e->backend->end(p->e->b);
	windows_free(&p->w);
	free(p->kept);
	free(p->held);
}

bool planes_cost(int *windows, size_t *bytes, const struct ensemble *e, const struct restore *way, double step, int64_t dz, bool mean)
{
	const struct grids *g = way->grids;
	struct planes p;
	int64_t reach = 0;

	if (!set_windows(&p, e, way, step))
		return false;
	for (int64_t z = 0, lo, hi; z < g->original[0]; z += dz) {
		restore_reach(&lo, &hi, way, z, least(dz, g->original[0] - z));
		reach = most(reach, hi - lo);
	}
	*windows = p.w.n;
	*bytes = (floats(&p, depth(&p) + 3 * reach + (mean ? 2 * p.shape[p.axis] : 0)) + floats(&p, depth(&p)) / (size_t)e->network.n_outputs) * sizeof(float);
	windows_free(&p.w);
	return true;
}
