#include "filters/train-checkpoints/tap.h"

int tap_count(const struct node *o) { return o->kernel[0] * o->kernel[1] * o->kernel[2]; }

struct tap tap_of(const struct network *n, const struct node *o, int k)
{
	const int64_t *in = n->value[o->in].size, *out = n->value[o->out].size;
	const int at[3] = { k / (o->kernel[1] * o->kernel[2]), k / o->kernel[2] % o->kernel[1], k % o->kernel[2] };
	bool transposed = o->kind == NODE_TCONV;
	struct tap t = { .stride = o->stride, .coarse = transposed ? in : out, .fine = transposed ? out : in };

	for (int i = 0; i < 3; i++) {
		int64_t s = o->stride[i], last;
		t.shift[i] = at[i] - (o->kind == NODE_CONV ? (o->kernel[i] - 1) / 2 : 0);
		last = t.fine[i] - 1 - t.shift[i];
		t.lo[i] = t.shift[i] < 0 ? (-t.shift[i] + s - 1) / s : 0;
		t.hi[i] = last < 0 ? 0 : last / s + 1;
		if (t.hi[i] > t.coarse[i])
			t.hi[i] = t.coarse[i];
	}
	return t;
}

static int64_t coarse_row(const struct tap *t, int64_t z, int64_t y) { return (z * t->coarse[1] + y) * t->coarse[2]; }

static int64_t fine_row(const struct tap *t, int64_t z, int64_t y)
{
	return ((z * t->stride[0] + t->shift[0]) * t->fine[1] + y * t->stride[1] + t->shift[1]) * t->fine[2] + t->shift[2];
}

void tap_gather(double *coarse, const double *fine, const struct tap *t, double w)
{
	for (int64_t z = t->lo[0]; z < t->hi[0]; z++)
		for (int64_t y = t->lo[1]; y < t->hi[1]; y++) {
			int64_t c = coarse_row(t, z, y), f = fine_row(t, z, y);
			for (int64_t i = t->lo[2]; i < t->hi[2]; i++)
				coarse[c + i] += w * fine[f + i * t->stride[2]];
		}
}

void tap_scatter(double *fine, const double *coarse, const struct tap *t, double w)
{
	for (int64_t z = t->lo[0]; z < t->hi[0]; z++)
		for (int64_t y = t->lo[1]; y < t->hi[1]; y++) {
			int64_t c = coarse_row(t, z, y), f = fine_row(t, z, y);
			for (int64_t i = t->lo[2]; i < t->hi[2]; i++)
				fine[f + i * t->stride[2]] += w * coarse[c + i];
		}
}

double tap_dot(const double *coarse, const double *fine, const struct tap *t)
{
	double sum = 0;

	for (int64_t z = t->lo[0]; z < t->hi[0]; z++)
		for (int64_t y = t->lo[1]; y < t->hi[1]; y++) {
			int64_t c = coarse_row(t, z, y), f = fine_row(t, z, y);
			for (int64_t i = t->lo[2]; i < t->hi[2]; i++)
				sum += coarse[c + i] * fine[f + i * t->stride[2]];
		}
	return sum;
}
