#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/resample-axis.h"

enum { COLUMNS = 512 };         /* lines that are resampled side by side along the slowest axis */
static const double pole = -0.26794919243112270647;     /* sqrt(3) - 2, of the cubic B-spline */

/* ---- lines ---- */

static size_t work_rows(const struct axis *a) { return a->taps == 4 ? (size_t)a->n + 2 * SPLINE_PAD : 0; }

/* B-spline coefficients of `cols` lines side by side, in place: c [n][cols] (contract 2.5, order 3). */
static void prefilter(double *c, int64_t n, size_t cols)
{
	double *last = c + (size_t)(n - 1) * cols, whole = pow(pole, (double)n), gain = pole / (1 - whole * whole);

	for (size_t i = 0; i < (size_t)n * cols; i++)
		c[i] *= 6;
	/* The first coefficient sums the line and its reflection; terms below 1e-30 of it are left out. */
	for (size_t x = 0; x < cols; x++)
		c[x] = (1 + gain) * c[x] + gain * whole * last[x];
	gain *= pole;
	for (int64_t i = 1; i < n - 1 && fabs(gain) > 1e-30; i++, gain *= pole)
		for (size_t x = 0; x < cols; x++)
			c[x] += gain * (c[(size_t)i * cols + x] + whole * c[(size_t)(n - 1 - i) * cols + x]);
	for (int64_t i = 1; i < n; i++)
		for (size_t x = 0; x < cols; x++)
			c[(size_t)i * cols + x] += pole * c[(size_t)(i - 1) * cols + x];
	for (size_t x = 0; x < cols; x++)
		last[x] *= pole / (pole - 1);
	for (int64_t i = n - 2; i >= 0; i--)
		for (size_t x = 0; x < cols; x++)
			c[(size_t)i * cols + x] = pole * (c[(size_t)(i + 1) * cols + x] - c[(size_t)i * cols + x]);
}

/* Resamples `cols` lines side by side: out [m][cols], in [n][stride]; work: work_rows() * cols. */
static void lines(double *out, const double *in, size_t stride, size_t cols, const struct axis *a, double *work)
{
	if (a->taps == 4) {
		for (int64_t i = 0; i < a->n + 2 * SPLINE_PAD; i++) {
			int64_t from = i < SPLINE_PAD ? 0 : i - SPLINE_PAD < a->n ? i - SPLINE_PAD : a->n - 1;
			memcpy(work + (size_t)i * cols, in + (size_t)from * stride, cols * sizeof *in);
		}
		prefilter(work, a->n + 2 * SPLINE_PAD, cols);
		in = work;
		stride = cols;
	}
	for (int64_t k = 0; k < a->m; k++, out += cols) {
		const double *p = in + (size_t)a->first[k] * stride, *w = a->weight + k * a->taps;
		const double *q = a->first[k] + 1 < a->n ? p + stride : p;
		if (a->taps == 1)
			memcpy(out, p, cols * sizeof *out);
		else if (a->taps == 2)
			for (size_t x = 0; x < cols; x++)
				out[x] = w[0] * p[x] + w[1] * q[x];
		else
			for (size_t x = 0; x < cols; x++)
				out[x] = w[0] * p[x] + w[1] * p[x + stride] + w[2] * p[x + 2 * stride] + w[3] * p[x + 3 * stride];
	}
}

/* ---- one channel ---- */

struct range { double lo, hi; };

/* One channel on its way: axes in the order of work (a separate axis first), strides of both arrays in that order. */
struct job {
	struct axis axis[3];
	const float *in;
	float *out;
	int64_t in_stride[3], out_stride[3];
	bool clip_planes, clip_volume, half_out;
	struct range range;              /* of the volume */
	double *turned, *plane, *work;   /* room for in_plane() */
};

static void transpose(double *out, const double *in, size_t rows, size_t cols)
{
	enum { BLOCK = 16 };

	for (size_t i = 0; i < rows; i += BLOCK)
		for (size_t k = 0; k < cols; k += BLOCK)
			for (size_t r = i; r < rows && r < i + BLOCK; r++)
				for (size_t c = k; c < cols && c < k + BLOCK; c++)
					out[c * rows + r] = in[r * cols + c];
}

/* The range of the values that are numbers. */
static void widen(struct range *r, double v)
{
	if (v < r->lo)
		r->lo = v;
	if (v > r->hi)
		r->hi = v;
}

static double clipped(double v, const struct range *r) { return v < r->lo ? r->lo : v > r->hi ? r->hi : v; }

/* Plane k of the first axis resampled along the two others: out [m1][m2]. */
static void in_plane(double *out, const struct job *j, int64_t k)
{
	const struct axis *y = &j->axis[1], *x = &j->axis[2];
	const float *in = j->in + k * j->in_stride[0];
	struct range r = { INFINITY, -INFINITY };
	double *p = j->plane;

	for (int64_t i = 0; i < y->n; i++)
		for (int64_t c = 0; c < x->n; c++) {
			double v = in[i * j->in_stride[1] + c * j->in_stride[2]];
			if (j->clip_planes)
				widen(&r, v);
			*p++ = v;
		}
	p = j->plane;
	if (!x->identity) {
		transpose(j->turned, p, (size_t)y->n, (size_t)x->n);
		lines(p, j->turned, (size_t)y->n, (size_t)y->n, x, j->work);
		transpose(j->turned, p, (size_t)x->m, (size_t)y->n);
		p = j->turned;
	}
	lines(out, p, (size_t)x->m, (size_t)x->m, y, j->work);
	if (j->clip_planes)
		for (size_t i = 0; i < (size_t)y->m * (size_t)x->m; i++)
			out[i] = clipped(out[i], &r);
}

/* Rounded once: to an odd last bit in between, which no later rounding can take for a tie. */
static float half_of(double v)
{
	float f = (float)v;
	uint32_t u;

	if (isnan(v) || (double)f == v)
		return half_round(f);
	memcpy(&u, &f, sizeof u);
	if (fabs((double)f) > fabs(v))
		u--;
	u |= 1;
	memcpy(&f, &u, sizeof f);
	return half_round(f);
}

/* Stores n values of new plane k that begin at place `at` of it. */
static void store(const struct job *j, int64_t k, int64_t at, const double *v, size_t n)
{
	int64_t width = j->axis[2].m, row = at / width, col = at % width;
	float *out = j->out + k * j->out_stride[0];

	for (size_t i = 0; i < n; i++) {
		double x = j->clip_volume ? clipped(v[i], &j->range) : v[i];
		out[row * j->out_stride[1] + col * j->out_stride[2]] = j->half_out ? half_of(x) : (float)x;
		if (++col == width) {
			col = 0;
			row++;
		}
	}
}

/* Splines along the first axis need all of its planes. */
static void through_volume(struct job *j)
{
	const struct axis *z = &j->axis[0];
	size_t area = (size_t)j->axis[1].m * (size_t)j->axis[2].m, cols;
	double *planes = xaligned((size_t)z->n, area * sizeof *planes);
	double *columns = xaligned((size_t)z->m, COLUMNS * sizeof *columns);
	double *work = xaligned(work_rows(z), COLUMNS * sizeof *work);

	for (int64_t k = 0; k < z->n; k++)
		in_plane(planes + (size_t)k * area, j, k);
	for (size_t at = 0; at < area; at += cols) {
		cols = area - at < COLUMNS ? area - at : COLUMNS;
		lines(columns, planes + at, area, cols, z, work);
		for (int64_t k = 0; k < z->m; k++)
			store(j, k, (int64_t)at, columns + (size_t)k * cols, cols);
	}
	free(work);
	free(columns);
	free(planes);
}

/* One or two taps along the first axis: two planes are kept. */
static void plane_by_plane(struct job *j)
{
	const struct axis *z = &j->axis[0];
	size_t area = (size_t)j->axis[1].m * (size_t)j->axis[2].m;
	double *kept[2] = { xaligned(area, sizeof(double)), xaligned(area, sizeof(double)) }, *sum = xaligned(area, sizeof *sum);
	int64_t which[2] = { -1, -1 };

	for (int64_t k = 0; k < z->m; k++) {
		const double *w = z->weight + k * z->taps;
		for (int t = 0; t < z->taps; t++) {
			int64_t want = z->first[k] + t < z->n ? z->first[k] + t : z->n - 1;
			if (which[want & 1] != want)
				in_plane(kept[want & 1], j, which[want & 1] = want);
		}
		const double *p = kept[z->first[k] & 1], *q = kept[~z->first[k] & 1];
		if (z->taps == 1 || z->first[k] + 1 >= z->n) {
			store(j, k, 0, p, area);
			continue;
		}
		for (size_t i = 0; i < area; i++)
			sum[i] = w[0] * p[i] + w[1] * q[i];
		store(j, k, 0, sum, area);
	}
	free(sum);
	free(kept[0]);
	free(kept[1]);
}

/* Buffers for in_plane(). The lengths of both grids can be anything whose products fit into memory, so what is needed
 * for all planes is compared with the limit. */
static bool job_room(struct job *j)
{
	const struct axis *z = &j->axis[0], *y = &j->axis[1], *x = &j->axis[2];
	int64_t width = x->n > x->m ? x->n : x->m, height = y->n > y->m ? y->n : y->m, depth = z->taps == 4 ? z->n : 3;
	size_t needed;

	if (!size_of_block(&needed, DT_F8, 3, depth + 2 * SPLINE_PAD, height + 2 * SPLINE_PAD, width + 2 * SPLINE_PAD) ||
	    needed / 3 > memory_limit)
		return fail(XDATA, "resampling needs %zu MiB at once, over the limit of %zu MiB (--memory raises it)",
		            needed >> 20, memory_limit >> 20);
	j->turned = xaligned((size_t)height * (size_t)width, sizeof(double));
	j->plane = xaligned((size_t)height * (size_t)width, sizeof(double));
	j->work = xaligned((size_t)(height + 2 * SPLINE_PAD) * (size_t)(width + 2 * SPLINE_PAD), sizeof(double));
	return true;
}

static bool equal_shapes(const int64_t a[3], const int64_t b[3]) { return a[0] == b[0] && a[1] == b[1] && a[2] == b[2]; }
static size_t volume_of(const int64_t s[3]) { return (size_t)s[0] * (size_t)s[1] * (size_t)s[2]; }

bool resample_whole(const struct resampler *r, int axis, const double spacing[3], const double new_spacing[3])
{
	int separate = resample_separate_axis(r, spacing, new_spacing);

	if (separate >= 0 && axis == separate)
		return taps_across(r) == CUBIC;
	return taps_in_slice(r) == CUBIC;
}

bool resample_linear(const struct resampler *r) { return taps_in_slice(r) != CUBIC && taps_across(r) != CUBIC; }

void resample_reach(struct resample_part *part, const int64_t out_shape[3], const int64_t in_shape[3], const struct resampler *r,
                    const double spacing[3], const double new_spacing[3])
{
	int separate = resample_separate_axis(r, spacing, new_spacing);
	int64_t n = in_shape[part->axis];
	struct axis a;

	if (equal_shapes(in_shape, out_shape)) {
		part->in_lo = part->out_lo;
		part->in_hi = part->out_hi;
		return;
	}
	part->in_lo = 0;
	part->in_hi = n;
	if (resample_whole(r, part->axis, spacing, new_spacing))
		return;
	axis_make(&a, n, out_shape[part->axis], part->axis == separate ? taps_across(r) : taps_in_slice(r));
	part->in_lo = a.first[part->out_lo];
	part->in_hi = a.first[part->out_hi - 1] + a.taps < n ? a.first[part->out_hi - 1] + a.taps : n;
	axis_free(&a);
}

bool resample_float(float *out, const int64_t out_shape[3], const float *in, const int64_t in_shape[3], int64_t channels,
                    const struct resampler *r, const double spacing[3], const double new_spacing[3], bool half_out,
                    const struct resample_part *part)
{
	int separate = resample_separate_axis(r, spacing, new_spacing);
	size_t voxels = volume_of(in_shape), out_voxels = volume_of(out_shape);
	int64_t n[3], m[3];              /* of the arrays */
	/* the axes in the order of work */
	int turn[3] = { separate > 0 ? separate : 0, separate > 0 ? 0 : 1, separate == 2 ? 1 : 2 };
	enum taps in_slice = taps_in_slice(r), across = separate < 0 ? in_slice : taps_across(r);
	struct job j = { .half_out = half_out && in_slice != LINEAR_TORCH, .clip_planes = in_slice == CUBIC && separate >= 0,
	                 .clip_volume = in_slice == CUBIC && separate < 0 };

	if (part) {
		voxels = voxels / (size_t)in_shape[part->axis] * (size_t)(part->in_hi - part->in_lo);
		out_voxels = out_voxels / (size_t)out_shape[part->axis] * (size_t)(part->out_hi - part->out_lo);
	}
	if (equal_shapes(in_shape, out_shape)) {
		memcpy(out, in, (size_t)channels * voxels * sizeof *out);
		return true;
	}
	for (int i = 0; i < 3; i++) {
		axis_make(&j.axis[i], in_shape[turn[i]], out_shape[turn[i]], i ? in_slice : across);
		if (part && part->axis == turn[i])
			axis_cut(&j.axis[i], part->out_lo, part->out_hi, part->in_lo, part->in_hi - part->in_lo);
		n[turn[i]] = j.axis[i].n;
		m[turn[i]] = j.axis[i].m;
	}
	for (int i = 0; i < 3; i++) {
		j.in_stride[i] = turn[i] == 2 ? 1 : turn[i] == 1 ? n[2] : n[1] * n[2];
		j.out_stride[i] = turn[i] == 2 ? 1 : turn[i] == 1 ? m[2] : m[1] * m[2];
	}
	if (!job_room(&j))
		channels = 0;
	for (int64_t c = 0; c < channels; c++) {
		j.in = in + (size_t)c * voxels;
		j.out = out + (size_t)c * out_voxels;
		j.range = (struct range){ INFINITY, -INFINITY };
		for (size_t i = 0; j.clip_volume && i < voxels; i++)
			widen(&j.range, j.in[i]);
		if (j.axis[0].taps == 4)
			through_volume(&j);
		else
			plane_by_plane(&j);
	}
	free(j.turned);
	free(j.plane);
	free(j.work);
	for (int i = 0; i < 3; i++)
		axis_free(&j.axis[i]);
	return channels > 0;
}
