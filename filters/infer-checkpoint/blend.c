#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/blend.h"

bool blend_bytes(size_t *bytes, const struct blend *s, int64_t rows)
{
	const int64_t *n = s->shape;

	return (size_of_block(bytes, DT_F4, s->channels + 1, 1, rows, n[s->axis == 2 ? 1 : 2]) && *bytes <= memory_limit) ||
	       fail(XDATA, "sums of windows on a grid of %lldx%lldx%lld are over the limit of %zu MiB (--memory raises it)",
	            (long long)n[0], (long long)n[1], (long long)n[2], memory_limit >> 20);
}

bool blend_open(struct blend *s, int64_t rows)
{
	const int64_t *n = s->shape;
	size_t bytes;

	s->across = s->axis == 0 ? 1 : 0;
	s->along = s->axis == 2 ? 1 : 2;
	if (!blend_bytes(&bytes, s, rows))
		return false;
	s->loops = *loops_all();
	s->row = xcalloc((size_t)(s->depth * n[s->across]), sizeof *s->row);
	s->memory = xmalloc(bytes, 1);
	s->spare = xmalloc((size_t)rows, sizeof *s->spare);
	for (s->n_spare = 0; s->n_spare < rows; s->n_spare++)          /* the first one is used last: unused ones stay untouched */
		s->spare[s->n_spare] = s->memory + (rows - 1 - s->n_spare) * (s->channels + 1) * n[s->along];
	return true;
}

void blend_close(struct blend *s)
{
	free(s->row);
	free(s->memory);
	free(s->spare);
	*s = (struct blend){0};
}

static float **row_at(const struct blend *s, int64_t plane, int64_t line)
{
	return &s->row[plane % s->depth * s->shape[s->across] + line];
}

void blend_inside(int64_t lo[3], int64_t hi[3], const struct blend *s, const int64_t origin[3])
{
	for (int i = 0; i < 3; i++) {
		lo[i] = origin[i] < 0 ? -origin[i] : 0;
		hi[i] = s->shape[i] - origin[i] < s->patch[i] ? s->shape[i] - origin[i] : s->patch[i];
	}
}

bool blend_add(struct blend *s, int64_t channel, const int64_t origin[3], const int64_t at[3], const float *v, float scale,
               size_t n)
{
	const float *w = s->weight + (at[0] * s->patch[1] + at[1]) * s->patch[2] + at[2];
	int64_t p[3] = { origin[0] + at[0], origin[1] + at[1], origin[2] + at[2] };
	bool finite = true;

	if (s->along == 2 && !s->parity)
		return s->loops->add_weighted(*row_at(s, p[s->axis], p[s->across]) + channel * s->shape[2] + p[2], v, scale, w, n);
	for (size_t i = 0; i < n; i++, p[2]++) {
		float *sum = *row_at(s, p[s->axis], p[s->across]) + channel * s->shape[s->along] + p[s->along];
		float x = *sum + v[i] * scale * w[i];
		*sum = s->parity ? half_round(x) : x;
		finite &= isfinite(*sum) != 0;
	}
	return finite;
}

void blend_touch(struct blend *s, const int64_t origin[3])
{
	const int a = s->axis, b = s->across;
	int64_t lo[3], hi[3];

	blend_inside(lo, hi, s, origin);
	for (int64_t i = lo[a]; i < hi[a]; i++)
		for (int64_t j = lo[b]; j < hi[b]; j++) {
			float **row = row_at(s, origin[a] + i, origin[b] + j);
			if (*row)
				continue;
			if (!s->n_spare)
				die(XIO, "more rows of sums are in work than were planned for");
			*row = s->spare[--s->n_spare];
			memset(*row, 0, (size_t)((s->channels + 1) * s->shape[s->along]) * sizeof **row);
		}
}

/* What the threads of blend_take() share. */
struct box { struct blend *s; float *out; const int64_t *lo, *hi; float terms; };

/* Row i of all, channel by channel. */
static void take_row(void *arg, int row, int worker)
{
	const struct box *x = arg;
	const struct blend *s = x->s;
	const int64_t size[3] = { x->hi[0] - x->lo[0], x->hi[1] - x->lo[1], x->hi[2] - x->lo[2] };
	const int64_t step[3] = { size[1] * size[2], size[2], 1 }, n = size[s->along];
	const int64_t i = row / size[s->across], j = row % size[s->across];
	const float *from = *row_at(s, x->lo[s->axis] + i, x->lo[s->across] + j), *weights = from + s->channels * n;
	float *out = x->out + i * step[s->axis] + j * step[s->across];

	(void)worker;
	for (int64_t c = 0; c < s->channels; c++, from += n, out += size[0] * step[0]) {
		if (s->along == 2 && !s->parity) {
			s->loops->divide(out, from, weights, x->terms, (size_t)n);
			continue;
		}
		for (int64_t k = 0; k < n; k++) {
			float v = from[k] / (weights[k] * x->terms);
			out[k * step[s->along]] = s->parity ? half_round(v) : v;
		}
	}
}

void blend_take(struct blend *s, float *out, const int64_t lo[3], const int64_t hi[3], int terms, int threads)
{
	struct box x = { s, out, lo, hi, (float)terms };

	parallel_for(threads, (int)((hi[s->axis] - lo[s->axis]) * (hi[s->across] - lo[s->across])), take_row, &x);
	for (int64_t i = lo[s->axis]; i < hi[s->axis]; i++)
		for (int64_t j = lo[s->across]; j < hi[s->across]; j++) {
			float **row = row_at(s, i, j);
			s->spare[s->n_spare++] = *row;
			*row = NULL;
		}
}
