#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "common/random.h"
#include "filters/infer-checkpoint/cuda/shape.h"
#include "filters/infer-checkpoint/cuda/trial.h"

enum { POINTS = 512 };
/* x and w repeat a row of so many values: a prime, so that no stride of a tensor meets the same value again. */
enum { PERIOD = 131071, SHIFT = 65537 };        /* w begins SHIFT values later */
enum { SEED = 9, VALUES = 0, PLACES = 1 };      /* streams of random numbers */

/* Sixteenths in -1 to 1: products and sums of these are exact in fp32 in any order, and in half precision only the result is
 * rounded, so that one tap too many is seen.  For fp32 any value, so that a product of rounded factors is seen. */
static float random_value(enum precision p, uint64_t i)
{
	if (p == PRECISION_FP32)
		return (float)(2 * random_unit(SEED, VALUES, i) - 1);
	return (float)((int)(random_bits(SEED, VALUES, i) % 33) - 16) / 16;
}

static void encode(void *out, enum precision p, const float *value, size_t first)
{
	for (size_t i = 0; i < PERIOD; i++) {
		float v = value[(i + first) % PERIOD];
		uint32_t bits;
		memcpy(&bits, &v, sizeof bits);
		if (p == PRECISION_FP16)
			((uint16_t *)out)[i] = half_from_float(v);
		else if (p == PRECISION_BF16)
			((uint16_t *)out)[i] = (uint16_t)(bits >> 16);  /* exact: 6 bits suffice */
		else
			((float *)out)[i] = v;
	}
}

static double decode(const unsigned char *y, enum precision p)
{
	uint16_t half;
	uint32_t bits;
	float v;

	memcpy(&half, y, sizeof half);
	if (p == PRECISION_FP16)
		return (double)half_to_float(half);
	memcpy(&bits, y, sizeof bits);
	if (p == PRECISION_BF16)
		bits = (uint32_t)half << 16;
	memcpy(&v, &bits, sizeof v);
	return (double)v;
}

/* What is staged, again and again over bytes at `to`: what is there is copied behind itself. */
static bool fill(struct trial *t, void *to, size_t bytes)
{
	size_t have = PERIOD * shape_element(t->c);

	have = have < bytes ? have : bytes;
	if (!device_up(t->d, LANE_COMPUTE, to, t->stage, have))
		return false;
	while (have < bytes) {
		size_t more = have < bytes - have ? have : bytes - have;
		if (!device_move(t->d, LANE_COMPUTE, (char *)to + have, to, more))
			return false;
		have += more;
	}
	return device_wait(t->d, -1);           /* the stage is free again */
}

bool trial_begin(struct trial *t, struct device *d, const struct convolution *c)
{
	size_t size = shape_element(c), x = shape_x(c) * size, w = shape_w(c) * size, y = shape_y(c) * size;

	*t = (struct trial){ .d = d, .c = c };
	t->value = xmalloc(PERIOD, sizeof *t->value);
	for (size_t i = 0; i < PERIOD; i++)
		t->value[i] = random_value(c->precision, i);
	if ((t->x = device_alloc(d, x)) && (t->w = device_alloc(d, w)) && (t->y = device_alloc(d, y)) &&
	    (t->stage = device_alloc_host(d, PERIOD * size))) {
		encode(t->stage, c->precision, t->value, 0);
		if (fill(t, t->x, x)) {
			encode(t->stage, c->precision, t->value, SHIFT);
			if (fill(t, t->w, w))
				return true;
		}
	}
	trial_end(t);
	return false;
}

void trial_end(struct trial *t)
{
	if (t->stage)
		device_free_host(t->d, t->stage);
	if (t->y)
		device_free(t->d, t->y);
	if (t->w)
		device_free(t->d, t->w);
	if (t->x)
		device_free(t->d, t->x);
	free(t->value);
	*t = (struct trial){0};
}

bool trial_poison(struct trial *t)
{
	memset(t->stage, 0xff, PERIOD * shape_element(t->c));
	return fill(t, t->y, shape_y(t->c) * shape_element(t->c));
}

/* Each coordinate is the first in a quarter of the points, the last in another. */
static int64_t draw(int64_t n, uint64_t i)
{
	uint64_t r = random_bits(SEED, PLACES, i);

	return r % 4 == 0 ? 0 : r % 4 == 1 ? n - 1 : (int64_t)(r / 4 % (uint64_t)n);
}

struct point { int64_t n, at[3], k; };

static struct point point_of(const struct convolution *c, int i)
{
	struct point p;
	uint64_t place = (uint64_t)i * 5;

	p.n = draw(c->n, place);
	for (int a = 0; a < 3; a++)
		p.at[a] = draw(c->out[a], place + 1 + (uint64_t)a);
	p.k = draw(c->c_out, place + 4);
	return p;
}

static size_t index_of(int64_t n, const int64_t at[3], int64_t k, const int64_t size[3], int64_t channels)
{
	return (size_t)((((n * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2]) * channels + k);
}

/* x at a voxel times the weights of one tap: a sum over channels. */
static double tap_sum(const struct trial *t, const struct point *p, const int64_t from[3], const int64_t tap[3])
{
	const struct convolution *c = t->c;
	const int64_t kernel[3] = { c->kernel[0], c->kernel[1], c->kernel[2] };
	size_t x = index_of(p->n, from, 0, c->in, c->c_in);
	double sum = 0;

	for (int64_t i = 0; i < c->c_in; i++) {
		size_t w = c->transposed ? index_of(i, tap, p->k, kernel, c->c_out) : index_of(p->k, tap, i, kernel, c->c_in);
		sum += (double)t->value[(x + (size_t)i) % PERIOD] * (double)t->value[(w + SHIFT) % PERIOD];
	}
	return sum;
}

static double direct(const struct trial *t, const struct point *p)
{
	const struct convolution *c = t->c;
	int64_t from[3], tap[3];
	double sum = 0;

	if (c->transposed) {
		for (int a = 0; a < 3; a++) {
			from[a] = p->at[a] / c->stride[a];
			tap[a] = p->at[a] % c->stride[a];
		}
		return tap_sum(t, p, from, tap);
	}
	for (int64_t i = 0; i < (int64_t)c->kernel[0] * c->kernel[1] * c->kernel[2]; i++) {
		bool inside = true;
		tap[0] = i / c->kernel[2] / c->kernel[1];
		tap[1] = i / c->kernel[2] % c->kernel[1];
		tap[2] = i % c->kernel[2];
		for (int a = 0; a < 3; a++) {
			from[a] = p->at[a] * c->stride[a] + tap[a] - c->padding[a];
			inside = inside && from[a] >= 0 && from[a] < c->in[a];
		}
		if (inside)
			sum += tap_sum(t, p, from, tap);
	}
	return sum;
}

/* How far a right result may be from the exact one, in parts of itself and of the outputs' root mean square.  In half
 * precision it is rounded once, by half a unit in the last place; a whole one is allowed, and what a transform adds.  fp32: a sum
 * of 14000 random products is off by 1e-5 at most, one whose factors were rounded to 11 bits by 3e-4. */
static void tolerance(double *own, double *rms, enum precision p)
{
	*own = p == PRECISION_FP16 ? 0x1p-10 : p == PRECISION_BF16 ? 0x1p-7 : 0;
	*rms = p == PRECISION_FP32 ? 3e-5 : 0x1p-13;
}

bool trial_check(struct trial *t)
{
	const struct convolution *c = t->c;
	size_t size = shape_element(c);
	double exact[POINTS], squares = 0, own, rms, worst = 0;
	int at = -1;

	for (int i = 0; i < POINTS; i++) {
		struct point p = point_of(c, i);
		size_t from = index_of(p.n, p.at, p.k, c->out, c->c_out) * size;
		if (!device_down(t->d, LANE_COMPUTE, (char *)t->stage + 4 * i, (char *)t->y + from, size))
			return false;
		exact[i] = direct(t, &p);
		squares += exact[i] * exact[i];
	}
	if (!device_wait(t->d, -1))
		return false;
	tolerance(&own, &rms, c->precision);
	rms *= sqrt(squares / POINTS);
	for (int i = 0; i < POINTS; i++) {
		double off = fabs(decode((unsigned char *)t->stage + 4 * i, c->precision) - exact[i]) / (own * fabs(exact[i]) + rms);
		if (off > worst || isnan(off)) {
			worst = isnan(off) ? INFINITY : off;
			at = i;
		}
	}
	if (worst > 1) {
		struct point p = point_of(c, at);
		return fail(XDEVICE, "image %lld, voxel %lld,%lld,%lld, channel %lld is %g and should be %g", (long long)p.n,
		            (long long)p.at[0], (long long)p.at[1], (long long)p.at[2], (long long)p.k,
		            decode((unsigned char *)t->stage + 4 * at, c->precision), exact[at]);
	}
	return true;
}
