#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/augment-parts.h"
#include "common/die.h"

enum { Z, Y, X };

static float position(const struct augment_row *r, int d, int i) { return r->base[d] + (float)i * r->step[d]; }

/* The voxels of 0..n-1 whose position along an axis is in [least, most): all of them lie between *first and *end. */
static void within(int *first, int *end, const struct augment_row *r, int d, float least, float most, int n)
{
	bool rises = r->step[d] > 0;
	double lo = (double)((rises ? least : most) - r->base[d]) / (double)r->step[d];
	double hi = (double)((rises ? most : least) - r->base[d]) / (double)r->step[d];

	if (r->step[d] == 0) {
		*first = 0;
		*end = r->base[d] >= least && r->base[d] < most ? n : 0;
		return;
	}
	*first = lo < 1 ? 0 : lo > n ? n : (int)lo - 1;         /* rounding: a voxel more or less is found out below */
	*end = hi < 0 ? 0 : hi > n ? n : (int)hi + 2 < n ? (int)hi + 2 : n;
	while (*first < *end && !(position(r, d, *first) >= least && position(r, d, *first) < most))
		++*first;
	while (*first < *end && !(position(r, d, *end - 1) >= least && position(r, d, *end - 1) < most))
		--*end;
}

/* The voxels of a row that come from positions in [least, size - 1 + beyond) along all axes. */
static void reach(int *first, int *end, const struct augment_row *r, float least, float beyond, int n)
{
	*first = 0;
	*end = n;
	for (int d = r->size[0] > 1 ? Z : Y; d <= X; d++) {
		int a, b;
		within(&a, &b, r, d, least, (float)(r->size[d] - 1) + beyond, n);
		*first = a > *first ? a : *first;
		*end = b < *end ? b : *end;
	}
	if (*end < *first)
		*end = *first;
}

/* The up to eight neighbours of a position: where they are in the volume, -1 outside it, and their weights. */
struct neighbours { int64_t at[8]; float weight[8]; };

static void find_neighbours(struct neighbours *near, const struct augment_row *r, int i)
{
	int64_t low[3] = {0};
	float w[3] = {0};

	for (int d = r->size[0] > 1 ? Z : Y; d <= X; d++) {
		float p = position(r, d, i);
		low[d] = (int64_t)floorf(p);
		w[d] = p - floorf(p);
	}
	for (int k = 0; k < 8; k++) {
		int64_t z = low[Z] + (k >> 2), y = low[Y] + (k >> 1 & 1), x = low[X] + (k & 1);
		bool there = z >= 0 && z < r->size[Z] && y >= 0 && y < r->size[Y] && x >= 0 && x < r->size[X];
		near->at[k] = there ? (z * r->size[Y] + y) * r->size[X] + x : -1;
		near->weight[k] = (k >> 2 ? w[Z] : 1 - w[Z]) * (k >> 1 & 1 ? w[Y] : 1 - w[Y]) * (k & 1 ? w[X] : 1 - w[X]);
	}
}

static float sample_at(const float *volume, const struct augment_row *r, int i)
{
	struct neighbours near;
	float sum = 0;

	find_neighbours(&near, r, i);
	for (int k = 0; k < 8; k++)
		if (near.at[k] >= 0)
			sum += near.weight[k] * volume[near.at[k]];
	return sum;
}

static uint16_t nearest(const uint16_t *volume, const struct augment_row *r, int i)
{
	int64_t at = 0;

	for (int d = Z; d <= X; d++) {
		float p = r->size[d] > 1 || d != Z ? rintf(position(r, d, i)) : 0;
		if (!(p >= 0 && p < (float)r->size[d]))
			return AUGMENT_OUTSIDE;
		at = at * r->size[d] + (int64_t)p;
	}
	return volume[at];
}

/* The label whose indicator, interpolated, is largest; one that ties with others if it is the nearest voxel's, or else the
 * lowest of them, outside below all.  As there, a tie is one of 1000 times the sums in half precision. */
static uint16_t vote(const uint16_t *volume, const struct augment_row *r, int i)
{
	struct neighbours near;
	uint16_t label[8], own = nearest(volume, r, i), best = own;
	float sum[8], most = -1;
	int n = 0;

	find_neighbours(&near, r, i);
	for (int k = 0; k < 8; k++) {
		uint16_t v = near.at[k] < 0 ? AUGMENT_OUTSIDE : volume[near.at[k]];
		int j = 0;
		while (j < n && label[j] != v)
			j++;
		if (j == n) {
			label[n] = v;
			sum[n++] = 0;
		}
		sum[j] += near.weight[k];
	}
	for (int j = 0; j < n; j++)
		sum[j] = half_round(1000 * sum[j]);
	for (int j = 0; j < n; j++) {
		bool lower = (int16_t)label[j] < (int16_t)best;
		if (sum[j] > most || (sum[j] == most && best != own && (lower || label[j] == own)))
			best = label[j];
		most = fmaxf(most, sum[j]);
	}
	return best;
}

static void sample_row(float *out, const float *volume, const struct augment_row *r, int n, const struct augment_loops *loops)
{
	int first, end, touch, leave;

	reach(&touch, &leave, r, -1, 1, n);
	reach(&first, &end, r, 0, 0, n);
	if (first == end)
		first = end = touch;
	memset(out, 0, (size_t)touch * sizeof *out);
	for (int i = touch; i < first; i++)
		out[i] = sample_at(volume, r, i);
	loops->sample(out, volume, r, first, end);
	for (int i = end; i < leave; i++)
		out[i] = sample_at(volume, r, i);
	memset(out + leave, 0, (size_t)(n - leave) * sizeof *out);
}

static void label_row(uint16_t *out, uint8_t *mixed, const uint16_t *volume, const struct augment_row *r, int n,
                      const struct augment_loops *loops)
{
	int first, end, touch, leave;

	reach(&touch, &leave, r, -1, 1, n);
	reach(&first, &end, r, 0, 0, n);
	if (first == end)
		first = end = touch;
	memset(out, 0xff, (size_t)n * sizeof *out);             /* AUGMENT_OUTSIDE */
	memset(mixed, 1, (size_t)n);
	loops->look_up(out, mixed, volume, r, first, end);
	for (int i = touch; i < leave; i++)
		if (mixed[i])
			out[i] = vote(volume, r, i);
}

/* The matrix by which a voxel's place in the patch, from its middle, becomes that in the larger one: R_x R_y R_z S, where
 * R_d turns about axis d. */
static void matrix(double m[3][3], const struct augmentation *d, bool flat)
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			m[i][j] = i == j ? flat && i == Z ? 1 : d->scale : 0;
	for (int axis = Z; axis <= X; axis++) {
		int a = axis == Z ? Y : Z, b = axis == X ? Y : X;
		double c = cos(d->angle[axis]), s = axis == Y ? -sin(d->angle[axis]) : sin(d->angle[axis]);
		for (int j = 0; j < 3; j++) {
			double p = m[a][j], q = m[b][j];
			m[a][j] = c * p - s * q;
			m[b][j] = s * p + c * q;
		}
	}
}

void augment_place_begin(struct augment_place *p, const struct augmentation *d, const struct augmenter *a)
{
	p->moves = d->kinds & (1U << AUGMENT_ROTATION | 1U << AUGMENT_SCALING);
	p->flat = augment_flat(a->to);
	matrix(p->m, d, p->flat);
	memcpy(p->from, a->from, sizeof p->from);
	memcpy(p->to, a->to, sizeof p->to);
}

/* Row (z, y) of the patch; in a flat one the volume is plane z. */
static struct augment_row row_of(const struct augment_place *p, int64_t z, int64_t y)
{
	struct augment_row r;
	const double at[3] = { (double)z - (double)(p->to[Z] - 1) / 2, (double)y - (double)(p->to[Y] - 1) / 2,
	                       -(double)(p->to[X] - 1) / 2 };

	for (int i = Z; i <= X; i++) {
		r.base[i] = (float)(p->m[i][Z] * at[Z] + p->m[i][Y] * at[Y] + p->m[i][X] * at[X] + (double)(p->from[i] - 1) / 2);
		r.step[i] = (float)p->m[i][X];
		r.size[i] = p->from[i];
	}
	r.size[Z] = p->flat ? 1 : r.size[Z];
	return r;
}

/* Where the middle patch of the larger one begins, and row (z, y) of it. */
static size_t crop_at(const struct augment_place *p, int64_t z, int64_t y)
{
	int64_t begin[3];

	for (int i = Z; i <= X; i++)
		begin[i] = p->from[i] / 2 - p->to[i] / 2;
	return (size_t)(((begin[Z] + z) * p->from[Y] + begin[Y] + y) * p->from[X] + begin[X]);
}

void augment_move_image(float *to, const float *from, const struct augment_place *p, const struct augment_loops *loops)
{
	const size_t plane = (size_t)(p->from[Y] * p->from[X]);

	for (int64_t z = 0; z < p->to[Z]; z++)
		for (int64_t y = 0; y < p->to[Y]; y++, to += p->to[X]) {
			struct augment_row r;
			if (!p->moves) {
				memcpy(to, from + crop_at(p, z, y), (size_t)p->to[X] * sizeof *to);
				continue;
			}
			r = row_of(p, z, y);
			sample_row(to, p->flat ? from + (size_t)z * plane : from, &r, (int)p->to[X], loops);
		}
}

void augment_move_labels(uint16_t *to, const uint16_t *from, const struct augment_place *p, const struct augment_loops *loops)
{
	const size_t plane = (size_t)(p->from[Y] * p->from[X]);
	uint8_t *mixed = xmalloc((size_t)p->to[X], 1);

	for (int64_t z = 0; z < p->to[Z]; z++)
		for (int64_t y = 0; y < p->to[Y]; y++, to += p->to[X]) {
			struct augment_row r;
			if (!p->moves) {
				memcpy(to, from + crop_at(p, z, y), (size_t)p->to[X] * sizeof *to);
				continue;
			}
			r = row_of(p, z, y);
			label_row(to, mixed, p->flat ? from + (size_t)z * plane : from, &r, (int)p->to[X], loops);
		}
	free(mixed);
}
