#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/planes.h"

static const size_t piece_bytes = (size_t)8 << 20;      /* what the backend is asked for at a time */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- windows in the order of z ---- */

static int64_t length(const struct planes *p) { return p->shape[p->axis]; }
static int64_t patch(const struct planes *p, int axis) { return p->e->plan.patch_size[axis]; }
static bool averages(const struct planes *p) { return p->member < 0; }

/* Channels of the backend's output; what is kept of it, and its bytes a voxel. */
static int64_t channels(const struct planes *p) { return restore_channels_in(&p->way); }
static int64_t kept_channels(const struct planes *p) { return p->at_once ? 1 : channels(p); }
static size_t kept_size(const struct planes *p) { return p->at_once ? sizeof(uint16_t) : sizeof(float); }

int planes_batch(const struct ensemble *e, int member, const struct restore *way)
{
	return e->backend->batch(e->b, member < 0 && !way->parity ? e->n : 1, e->per_checkpoint > 1);
}

static bool set_up(struct planes *p, const struct ensemble *e, int member, const struct restore *way, double step)
{
	const struct grids *g = way->grids;

	*p = (struct planes){ .e = e, .way = *way, .shape = g->network, .member = member, .axis = restore_axis(way) };
	if (e->head)
		p->way.head = &e->head[averages(p) ? 0 : member / e->per_checkpoint];
	p->across = p->axis == 0 ? 1 : 0;
	p->along = p->axis == 2 ? 1 : 2;
	p->down = g->flip[p->axis];
	p->unsorted = way->parity && (p->axis || p->down);
	p->at_once = way->segment && !p->unsorted && !(averages(p) && way->parity) &&
	             !memcmp(g->network, g->after_crop, sizeof g->network);
	p->batch = planes_batch(e, member, way);
	if (!windows_make(&p->w, p->shape, e->plan.patch_size, step, e->plan.is_2d))
		return false;
	if (!p->unsorted)
		windows_sort(&p->w, p->axis, p->down);
	return true;
}

/* Where windows of the i-th place on the axis begin; those after the last one, at the end. */
static int64_t edge(const struct planes *p, int i)
{
	int64_t at;

	if (i >= p->w.count[p->axis])
		return length(p);
	at = p->w.place[p->axis][i];
	return most(p->down ? length(p) - at - patch(p, p->axis) : at, 0);
}

/* The first row of windows of the j-th place across. */
static int64_t row(const struct planes *p, int j) { return most(p->w.place[p->across][j], 0); }

/* Planes before this one are touched by no window from `next` on. */
static int64_t final(const struct planes *p)
{
	int index[3];

	if (p->next == p->w.n)
		return length(p);
	windows_index(index, &p->w, p->next);
	return p->unsorted ? 0 : edge(p, index[0]);
}

static int batch_end(const struct planes *p, int first) { return p->w.n - first < p->batch ? p->w.n : first + p->batch; }

/* The most planes of the axis, rows of them, and planes of the image that are in work at a time; *group: how many planes become
 * final together when the rows are most. */
static void work(int64_t *depth, int64_t *rows, int64_t *input, int64_t *group, const struct planes *p)
{
	int64_t B = p->shape[p->across], P = patch(p, p->axis);

	*depth = *rows = *group = 0;
	*input = p->shape[0];
	for (int first = 0, end; first < p->w.n && !p->unsorted; first = end) {
		int from[3], to[3];
		int64_t lo, hi, full, touched, n;
		end = batch_end(p, first);
		windows_index(from, &p->w, first);
		windows_index(to, &p->w, end - 1);
		lo = edge(p, from[0]);
		hi = least(edge(p, to[0]) + P, length(p));
		full = to[0] ? most(least(edge(p, to[0] - 1) + P, hi), lo) : lo;        /* earlier places have touched all rows so far */
		touched = least(p->w.place[p->across][to[1]] + patch(p, p->across), B);
		n = (full - lo) * B + (hi - full) * touched;
		if (p->at_once)
			n -= (edge(p, from[0] + 1) - lo) * row(p, from[1]);
		*depth = most(*depth, hi - lo);
		*group = n > *rows ? edge(p, from[0] + 1) - lo : *group;
		*rows = most(*rows, n);
	}
	if (p->unsorted)
		*rows = (*depth = length(p)) * B;
	else if (!p->axis)
		*input = *depth;
}

/* The next windows to w, n of them. */
static void list(struct backend_window *w, struct planes *p, int n)
{
	int64_t lo = p->shape[0], hi = 0;

	for (int i = 0; i < n; i++) {
		w[i].stay = p->stay;
		windows_at(w[i].origin, &p->w, p->next + i);
		lo = least(lo, most(w[i].origin[0], 0));
		hi = most(hi, least(w[i].origin[0] + patch(p, 0), p->shape[0]));
	}
	input_need(p->image, lo, hi);
	p->next += n;
}

static void run_batch(struct planes *p)
{
	int n = batch_end(p, p->next) - p->next;
	struct backend_window *w = xmalloc((size_t)n, sizeof *w);

	list(w, p, n);
	p->e->backend->windows(p->e->b, w, n);
	free(w);
}

int planes_list(struct backend_window *w, struct planes *p)
{
	int n = p->w.n - p->next;

	list(w, p, n);
	return n;
}

bool planes_few(const struct ensemble *e, int member, const struct restore *way, double step)
{
	struct planes p;
	bool few;

	if (!set_up(&p, e, member, way, step))
		return false;
	few = p.w.n <= p.batch && !(averages(&p) && way->parity);
	windows_free(&p.w);
	return few;
}

/* ---- planes ---- */

/* Voxels of n planes. */
static size_t voxels(const struct planes *p, int64_t n) { return (size_t)(p->shape[p->across] * p->shape[p->along] * n); }

/* Planes lo..hi, counted in the direction of advance, as a range of the axis. */
static void range(int64_t *from, int64_t *to, const struct planes *p, int64_t lo, int64_t hi)
{
	*from = p->down ? length(p) - hi : lo;
	*to = p->down ? length(p) - lo : hi;
}

/* Copies what planes lo..hi at `from` and to_lo..to_hi at `to` have in common, in all rows or (from: of these alone) in some. */
static void copy(const struct planes *p, void *to, int64_t to_lo, int64_t to_hi, const void *from, int64_t lo, int64_t hi,
                 int64_t row_lo, int64_t row_hi)
{
	int64_t voxel = (int64_t)kept_size(p);
	int64_t begin[3] = {0}, end[3] = { p->shape[0], p->shape[1], p->shape[2] }, size[3], at[3], low[3] = {0}, to_n, to_at;

	range(&to_at, &to_n, p, to_lo, to_hi);
	range(&low[p->axis], &size[p->axis], p, lo, hi);
	begin[p->axis] = most(low[p->axis], to_at);
	end[p->axis] = least(size[p->axis], to_n);
	low[p->across] = begin[p->across] = row_lo;
	end[p->across] = row_hi;
	size[p->axis] = hi - lo;
	size[p->across] = row_hi - row_lo;
	size[p->along] = p->shape[p->along];
	for (int64_t c = 0; c < kept_channels(p) && end[2] > begin[2]; c++)
		for (at[0] = begin[0]; at[0] < end[0]; at[0]++)
			for (at[1] = begin[1]; at[1] < end[1]; at[1]++) {
				int64_t f = c, t = c;
				for (int i = 0; i < 3; i++) {
					int64_t x = i == 2 ? begin[2] : at[i];
					f = f * size[i] + x - low[i];
					t = t * (i == p->axis ? to_hi - to_lo : p->shape[i]) + x - (i == p->axis ? to_at : 0);
				}
				memcpy((char *)to + t * voxel, (const char *)from + f * voxel, (size_t)((end[2] - begin[2]) * voxel));
			}
}

static void *room(int64_t n_channels, size_t n, size_t size)
{
	size_t bytes;

	if (!size_mul(&bytes, (int64_t)(n * size), n_channels) || bytes > memory_limit) {
		fail(XDATA, "planes of %lld channels are over the limit of %zu MiB (--memory raises it)", (long long)n_channels,
		     memory_limit >> 20);
		return NULL;
	}
	return xaligned(bytes, 1);
}

/* Rows row_lo..row_hi of planes lo..hi from the backend to where they are kept. */
static bool take(struct planes *p, int64_t lo, int64_t hi, int64_t row_lo, int64_t row_hi)
{
	size_t area = (size_t)((row_hi - row_lo) * p->shape[p->along]);
	int64_t n = most((int64_t)(piece_bytes / (area * (size_t)channels(p) * sizeof(float) + 1)), 1), end;
	float *piece, *labels = NULL;
	bool ok;

	n = least(n, hi - lo);
	piece = room(channels(p), area * (size_t)n, sizeof *piece);
	if (p->at_once)
		labels = room(1, area * (size_t)n, sizeof *labels);
	ok = piece && (labels || !p->at_once);
	for (; lo < hi && ok; lo = end) {
		int64_t from[3] = {0}, to[3] = { p->shape[0], p->shape[1], p->shape[2] };
		end = least(hi, lo + n);
		range(&from[p->axis], &to[p->axis], p, lo, end);
		from[p->across] = row_lo;
		to[p->across] = row_hi;
		ok = p->e->backend->take(p->e->b, p->stay, piece, from, to) &&
		     (!labels || restore_voxels(labels, piece, area * (size_t)(end - lo), &p->way));
		for (size_t i = 0; labels && ok && i < area * (size_t)(end - lo); i++)
			((uint16_t *)(void *)piece)[i] = (uint16_t)labels[i];
		if (ok)
			copy(p, p->kept, p->lo, p->hi, piece, lo, end, row_lo, row_hi);
	}
	free(piece);
	free(labels);
	return ok;
}

/* Takes what no later window touches of the planes that are kept. */
static bool take_final(struct planes *p)
{
	int64_t all = p->shape[p->across], end = least(final(p), p->hi);
	bool ok = true;
	int index[3];

	if (!p->at_once) {
		ok = p->taken >= end || take(p, p->taken, end, 0, all);
		p->taken = most(p->taken, end);
		return ok;
	}
	for (; p->taken < end && ok; p->group++) {
		int64_t next = edge(p, p->group + 1);
		ok = take(p, p->taken, next, p->band, all);
		p->taken = next;
		p->band = 0;
	}
	if (p->next == p->w.n || p->taken >= p->hi || !ok)
		return ok;
	windows_index(index, &p->w, p->next);
	if (row(p, index[1]) > p->band) {
		ok = take(p, p->taken, edge(p, p->group + 1), p->band, row(p, index[1]));
		p->band = row(p, index[1]);
	}
	return ok;
}

/* Keeps planes lo..hi: those that are there, and new ones, for which windows run until they are final. */
static bool fetch(struct planes *p, int64_t lo, int64_t hi)
{
	int64_t all = p->shape[p->across], to = hi;
	void *kept;
	bool ok;

	for (int i = p->group; p->at_once && edge(p, i) < hi; i++)
		to = edge(p, i + 1);
	if (p->kept && lo >= p->lo && to <= p->hi)
		return true;
	if (p->hi <= lo) {              /* the old ones are not wanted any more */
		free(p->kept);
		p->kept = NULL;
	}
	kept = room(kept_channels(p), voxels(p, to - lo), kept_size(p));
	ok = kept != NULL;
	if (ok && p->held) {
		copy(p, kept, lo, to, p->held, 0, length(p), 0, all);
		p->taken = to;
	}
	if (ok && p->kept)
		copy(p, kept, lo, to, p->kept, p->lo, p->hi, 0, all);
	free(p->kept);
	p->kept = kept;
	p->lo = lo;
	p->hi = to;
	while (ok && p->taken < to) {
		ok = take_final(p);
		if (ok && p->taken < to)
			run_batch(p);
	}
	return ok;
}

/* p->held = the mean of all members. */
static bool hold_mean(struct planes *p, double step)
{
	size_t n = (size_t)channels(p) * voxels(p, length(p));
	struct restore way = p->way;
	bool ok = true;

	way.segment = false;            /* of the mean, later */
	for (int m = 0; m < p->e->n && ok; m++) {
		struct planes one;
		ok = planes_open(&one, p->e, m, p->image, &way, step);
		if (!ok)
			break;
		ok = fetch(&one, 0, length(p));
		p->culprit = one.culprit;
		for (size_t i = 0; i < n && m && ok; i++)
			p->held[i] = half_round(p->held[i] + ((float *)one.kept)[i]);
		if (m == 0) {
			p->held = one.kept;
			one.kept = NULL;
		}
		planes_close(&one);
	}
	for (size_t i = 0; i < n && p->e->n > 1 && ok; i++)
		p->held[i] = half_round(p->held[i] / (float)p->e->n);
	return ok;
}

/* What the backend is told; *input, *group: as of work(). */
static struct backend_case make_case(struct planes *p, int64_t *input, int64_t *group)
{
	const struct ensemble *e = p->e;
	struct backend_case c = { .n_members = 1, .apart = e->head, .culprit = &p->culprit, .axis = p->axis };

	memcpy(c.shape, p->shape, sizeof c.shape);
	if (p->image) {
		c.image = p->image->number;
		c.plane = p->image->plane;
	}
	if (p->member >= 0) {
		c.member = p->member / e->per_checkpoint;
		c.only = e->per_checkpoint > 1 ? p->member % e->per_checkpoint + 1 : 0;
	} else if (!p->way.parity) {
		c.n_members = e->n;
	}
	work(&c.depth, &c.rows, input, group, p);
	return c;
}

bool planes_open(struct planes *p, const struct ensemble *e, int member, struct input *image, const struct restore *way,
                 double step)
{
	struct backend_case c;
	int64_t input, group;

	if (!set_up(p, e, member, way, step))
		return false;
	p->image = image;
	p->culprit = averages(p) ? -1 : member / e->per_checkpoint;
	if (averages(p) && way->parity) {
		if (hold_mean(p, step))
			return true;
		planes_close(p);
		return false;
	}
	c = make_case(p, &input, &group);
	p->stay = e->backend->begin(e->b, &c);
	if (p->stay)
		return true;
	windows_free(&p->w);
	return false;
}

/* Planes lo..hi of the network's grid brought back. */
static bool back(struct planes *p, float *out, int64_t z, int64_t dz, int64_t lo, int64_t hi)
{
	struct restore way = p->way;
	void *part = p->kept;
	float *labels = NULL;
	bool ok;

	if (lo < hi && (lo > p->lo || hi < p->hi)) {
		part = room(kept_channels(p), voxels(p, hi - lo), kept_size(p));
		if (!part)
			return false;
		copy(p, part, lo, hi, p->kept, p->lo, p->hi, 0, p->shape[p->across]);
	}
	if (p->at_once) {               /* they are labels already */
		way.channels = 1;
		way.logits_only = true;
		way.segment = false;
		way.head = NULL;
		labels = xmalloc(voxels(p, hi - lo), sizeof *labels);
		for (size_t i = 0; i < voxels(p, hi - lo); i++)
			labels[i] = ((uint16_t *)part)[i];
	}
	ok = restore(out, labels ? labels : part, &way, z, dz);
	if (part != p->kept)
		free(part);
	free(labels);
	return ok;
}

bool planes_read(struct planes *p, float *out, int64_t z, int64_t dz)
{
	int64_t from, to, lo, hi;
	bool ok;

	restore_reach(&from, &to, &p->way, z, dz);
	range(&lo, &hi, p, from, to);   /* its own inverse */
	ok = (lo == hi || fetch(p, lo, hi)) && back(p, out, z, dz, lo, hi);
	if (!ok && p->culprit >= 0)
		fail_prefix("checkpoint %s", p->e->path[p->culprit]);
	return ok;
}

void planes_close(struct planes *p)
{
	if (!p->held)
		p->e->backend->end(p->e->b, p->stay);
	windows_free(&p->w);
	free(p->kept);
	free(p->held);
}

bool planes_stream(const struct restore *way, int n_passes)
{
	return n_passes == 1 && restore_axis(way) == 0 && !way->grids->flip[0];
}

/* Bytes of what is kept while planes are made: of a slab, and of the last one if they overlap, or of a group at once; and a
 * piece on its way. */
static size_t kept_bytes(const struct planes *p, int64_t dz, int64_t group)
{
	const struct grids *g = p->way.grids;
	size_t piece = voxels(p, 1) * (size_t)channels(p) * sizeof(float);
	int64_t reach = 0, planes, sum = 0;

	for (int64_t z = 0, lo, hi; z < g->original[0]; z += dz) {
		restore_reach(&lo, &hi, &p->way, z, least(dz, g->original[0] - z));
		reach = most(reach, hi - lo);
		sum += hi - lo;
	}
	planes = p->at_once ? group + 2 * reach : sum > length(p) ? 2 * reach : reach;
	return voxels(p, planes) * (size_t)kept_channels(p) * kept_size(p) +
	       (piece < piece_bytes ? piece_bytes : piece);
}

bool planes_cost(struct planes_cost *cost, const struct ensemble *e, int member, const struct restore *way, double step, int64_t dz)
{
	struct backend_case c;
	struct planes p;
	int64_t group;
	bool ok;

	if (!set_up(&p, e, member, way, step))
		return false;
	c = make_case(&p, &cost->input, &group);
	ok = e->backend->cost(e->b, &c, &cost->bytes, &cost->device);
	cost->windows = p.w.n;
	cost->bytes += kept_bytes(&p, dz, group);
	if (averages(&p) && way->parity)
		cost->bytes += voxels(&p, 2 * length(&p)) * (size_t)channels(&p) * sizeof(float);
	windows_free(&p.w);
	return ok;
}
