#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/augment-parts.h"
#include "common/die.h"

enum { RING = 2 * AUGMENT_TAPS - 1 };

/* Half of a normalised kernel whose length is the odd number nearest to 6 sd + 0.5; returns its length.  sd 0: no blur. */
static int kernel(float k[AUGMENT_TAPS], double sd)
{
	double wanted = 6 * sd + 0.5, length = rint(wanted), sum = 0, weight[AUGMENT_TAPS];
	int taps;

	if (fmod(length, 2) == 0)
		length += wanted >= length ? 1 : -1;
	taps = sd > 0 ? (int)fmin((length + 1) / 2, AUGMENT_TAPS) : 1;
	for (int t = 0; t < taps; t++) {
		weight[t] = t ? exp(-0.5 * (t / sd) * (t / sd)) : 1;
		sum += t ? 2 * weight[t] : weight[t];
	}
	for (int t = 0; t < taps; t++)
		k[t] = (float)(weight[t] / sum);
	return taps;
}

/* Reflected at the middle of the first and of the last of n. */
static int64_t reflect(int64_t i, int64_t n)
{
	while (n > 1 && (i < 0 || i >= n))
		i = i < 0 ? -i : 2 * (n - 1) - i;
	return n > 1 ? i : 0;
}

/* A plane blurred along x and y; rows: [y][x], padded: [x + 2 taps]. */
static void blur_plane(float *out, const float *x, float *rows, float *padded, const int64_t shape[3], float k[3][AUGMENT_TAPS],
                       const int taps[3], const struct augment_loops *loops)
{
	const int64_t ny = shape[1], nx = shape[2];
	const float *before[AUGMENT_TAPS], *after[AUGMENT_TAPS];

	for (int64_t y = 0; y < ny; y++) {
		memcpy(padded + AUGMENT_TAPS, x + y * nx, (size_t)nx * sizeof *x);
		for (int t = 1; t < taps[2]; t++) {
			padded[AUGMENT_TAPS - t] = x[y * nx + reflect(-t, nx)];
			padded[AUGMENT_TAPS + nx - 1 + t] = x[y * nx + reflect(nx - 1 + t, nx)];
		}
		for (int t = 0; t < taps[2]; t++) {
			before[t] = padded + AUGMENT_TAPS - t;
			after[t] = padded + AUGMENT_TAPS + t;
		}
		loops->blur(rows + y * nx, before, after, k[2], taps[2], (size_t)nx);
	}
	for (int64_t y = 0; y < ny; y++) {
		for (int t = 0; t < taps[1]; t++) {
			before[t] = rows + reflect(y - t, ny) * nx;
			after[t] = rows + reflect(y + t, ny) * nx;
		}
		loops->blur(out + y * nx, before, after, k[1], taps[1], (size_t)nx);
	}
}

void augment_blur(float *x, const int64_t shape[3], const double sd[3], const struct augment_loops *loops)
{
	const size_t area = (size_t)(shape[1] * shape[2]);
	float *ring = xmalloc((RING + 1) * area, sizeof *ring), *rows = ring + RING * area;     /* planes blurred along x and y */
	float *padded = xmalloc((size_t)shape[2] + 2 * AUGMENT_TAPS, sizeof *padded), k[3][AUGMENT_TAPS];
	int taps[3];

	for (int d = 0; d < 3; d++)
		taps[d] = kernel(k[d], sd[d]);
	for (int64_t z = 1 - taps[0]; z < shape[0]; z++) {
		const float *before[AUGMENT_TAPS], *after[AUGMENT_TAPS];
		int64_t next = z + taps[0] - 1;         /* the last plane that plane z needs */
		if (next < shape[0])
			blur_plane(ring + (size_t)(next % RING) * area, x + (size_t)next * area, rows, padded, shape, k, taps,
			           loops);
		for (int t = 0; t < taps[0] && z >= 0; t++) {
			before[t] = ring + (size_t)(reflect(z - t, shape[0]) % RING) * area;
			after[t] = ring + (size_t)(reflect(z + t, shape[0]) % RING) * area;
		}
		if (z >= 0)
			loops->blur(x + (size_t)z * area, before, after, k[0], taps[0], area);
	}
	free(padded);
	free(ring);
}

/* An axis made coarser and as fine as before: voxel i lies between voxels a[i] and b[i] of the fine axis, those that the
 * coarse one keeps, with weight w[i] of b. */
struct axis { int32_t *a, *b; float *w; int64_t coarse; };

static void axis_begin(struct axis *x, int64_t n, double zoom)
{
	int64_t m = x->coarse = (int64_t)fmax(rint((double)n * zoom), 1);
	float down = (float)n / (float)m, up = (float)m / (float)n;

	x->a = xmalloc((size_t)n, sizeof *x->a);
	x->b = xmalloc((size_t)n, sizeof *x->b);
	x->w = xmalloc((size_t)n, sizeof *x->w);
	for (int64_t i = 0; i < n; i++) {
		float at = fmaxf(up * ((float)i + 0.5f) - 0.5f, 0);
		int64_t low = (int64_t)at < m - 1 ? (int64_t)at : m - 1, high = low < m - 1 ? low + 1 : low;
		x->w[i] = at - (float)low;
		x->a[i] = (int32_t)fminf(floorf(((float)low + 0.5f) * down), (float)(n - 1));
		x->b[i] = (int32_t)fminf(floorf(((float)high + 0.5f) * down), (float)(n - 1));
	}
}

static void axis_end(struct axis *x)
{
	free(x->a);
	free(x->b);
	free(x->w);
}

/* The two rows or planes of the coarse grid in use, made fine along the faster axes, and which they are. */
struct pair { float *data[2]; int64_t of[2]; };

/* Whether the second is to be made; the first is what the second was before, but for the first time. */
static bool advance(struct pair *p, int32_t a)
{
	if (p->of[0] != a)
		*p = (struct pair){ { p->data[1], p->data[0] }, { p->of[1], p->of[0] } };
	return p->of[0] != a;
}

static void coarsen_plane(float *out, const float *x, const struct axis axis[3], float *const rows[2], const int64_t shape[3],
                          const struct augment_loops *loops)
{
	const int64_t nx = shape[2];
	struct pair p = { { rows[0], rows[1] }, { -1, -1 } };

	for (int64_t y = 0; y < shape[1]; y++) {
		const int32_t want[2] = { axis[1].a[y], axis[1].b[y] };
		bool first = advance(&p, want[0]), new[2] = { first, want[1] != want[0] && p.of[1] != want[1] };
		for (int k = 0; k < 2; k++)
			if (new[k])
				loops->stretch(p.data[k], x + (p.of[k] = want[k]) * nx, axis[2].a, axis[2].b, axis[2].w,
				               (size_t)nx);
		loops->mix(out + y * nx, p.data[0], p.data[want[1] != want[0]], axis[1].w[y], (size_t)nx);
	}
}

void augment_coarsen(float *x, const int64_t shape[3], double zoom, bool flat, const struct augment_loops *loops)
{
	const size_t area = (size_t)(shape[1] * shape[2]);
	float *scratch = xmalloc(2 * area + 2 * (size_t)shape[2], sizeof *scratch);
	float *const rows[2] = { scratch + 2 * area, scratch + 2 * area + shape[2] };
	struct pair p = { { scratch, scratch + area }, { -1, -1 } };
	struct axis axis[3];

	for (int d = 0; d < 3; d++)
		axis_begin(&axis[d], shape[d], d || !flat ? (double)(float)zoom : 1);
	/* In place: plane b of z is never before z, since a voxel of the coarse grid is taken from its middle, and a was b. */
	for (int64_t z = 0; z < shape[0]; z++) {
		const int32_t want[2] = { axis[0].a[z], axis[0].b[z] };
		bool first = advance(&p, want[0]), new[2] = { first, want[1] != want[0] && p.of[1] != want[1] };
		for (int k = 0; k < 2; k++)
			if (new[k])
				coarsen_plane(p.data[k], x + (size_t)(p.of[k] = want[k]) * area, axis, rows, shape, loops);
		loops->mix(x + (size_t)z * area, p.data[0], p.data[want[1] != want[0]], axis[0].w[z], area);
	}
	for (int d = 0; d < 3; d++)
		axis_end(&axis[d]);
	free(scratch);
}

static double mean_of(const struct augment_figures *f, size_t n) { return f->sum / (double)n; }

static double sd_of(const struct augment_figures *f, size_t n)
{
	return n > 1 ? sqrt(fmax(f->squares - f->sum * mean_of(f, n), 0) / (double)(n - 1)) : 0;
}

void augment_contrast(float *x, size_t n, double factor, const struct augment_loops *loops)
{
	struct augment_figures f;

	loops->figures(&f, x, n);
	loops->contrast(x, (float)mean_of(&f, n), (float)factor, f.least, f.most, n);
}

void augment_gamma(float *x, size_t n, double gamma, bool inverted, const struct augment_loops *loops)
{
	struct augment_figures f, after;
	double sign = inverted ? -1 : 1, least, range, ratio;

	loops->figures(&f, x, n);
	least = (double)(inverted ? -f.most : f.least);
	range = fmax((double)f.most - (double)f.least, 1e-7);
	loops->power(&after, x, (float)sign, (float)least, (float)range, (float)gamma, n);
	ratio = sd_of(&f, n) / fmax(sd_of(&after, n), 1e-7);
	loops->shift(x, (float)mean_of(&after, n), (float)ratio, (float)(sign * mean_of(&f, n)), (float)sign, n);
}
