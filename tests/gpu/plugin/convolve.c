/* convolve.h by plain loops with sums in double precision. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/convolve.h"
#include "tests/gpu/plugin/queue.h"

enum { MOST_PLANS = 256 };
struct plan_of { struct convolution c; struct device *d; };
struct convolver { struct device *d; struct plan_of plan[MOST_PLANS]; int n; };

/* To nearest even with `bits` of the mantissa left. */
static float shortened(float x, int bits)
{
	uint32_t u, drop = 23 - (uint32_t)bits;

	memcpy(&u, &x, sizeof u);
	u = (u + (1u << (drop - 1)) - 1 + (u >> drop & 1)) >> drop << drop;
	memcpy(&x, &u, sizeof x);
	return x;
}

static float read_one(const void *p, size_t i, enum precision precision)
{
	uint32_t u;
	float x;

	if (precision == PRECISION_FP16)
		return half_to_float(((const uint16_t *)p)[i]);
	if (precision == PRECISION_BF16) {
		u = (uint32_t)((const uint16_t *)p)[i] << 16;
		memcpy(&x, &u, sizeof x);
		return x;
	}
	return precision == PRECISION_TF32 ? shortened(((const float *)p)[i], 10) : ((const float *)p)[i];
}

static void write_one(void *p, size_t i, float x, enum precision precision)
{
	uint32_t u;

	if (precision == PRECISION_FP16) {
		((uint16_t *)p)[i] = half_from_float(x);
	} else if (precision == PRECISION_BF16) {
		x = shortened(x, 7);
		memcpy(&u, &x, sizeof u);
		((uint16_t *)p)[i] = (uint16_t)(u >> 16);
	} else {
		((float *)p)[i] = x;
	}
}

struct job { struct convolution c; void *y; const void *x, *w; };

/* sum [c_out] += x [c_in] w [c_in][c_out], eight at a time. */
__attribute__((optimize("O3"))) static void add_tap(double *restrict sum, const float *x, const double *restrict w, int c_in, int c_out)
{
	for (int o = 0; o < c_out; o += 8) {
		double s[8];
		memcpy(s, sum + o, sizeof s);
		for (int i = 0; i < c_in; i++)
			for (int k = 0; k < 8; k++)
				s[k] += (double)x[i] * w[i * c_out + o + k];
		memcpy(sum + o, s, sizeof s);
	}
}

/* The weights of tap k of all as [taps][c_in][c_out]. */
static double *widen(const struct convolution *c, const void *w, int taps)
{
	size_t n = (size_t)taps * (size_t)c->c_in * (size_t)c->c_out;
	double *to = xmalloc(n, sizeof *to);

	for (int k = 0; k < taps; k++)
		for (int i = 0; i < c->c_in; i++)
			for (int o = 0; o < c->c_out; o++) {
				size_t at = c->transposed ? ((size_t)i * (size_t)taps + (size_t)k) * (size_t)c->c_out + (size_t)o
				                          : ((size_t)o * (size_t)taps + (size_t)k) * (size_t)c->c_in + (size_t)i;
				to[((size_t)k * (size_t)c->c_in + (size_t)i) * (size_t)c->c_out + (size_t)o] = read_one(w, at, c->precision);
			}
	return to;
}

/* Where output place `at` reads with tap k; false where that is padding. */
static bool source(int64_t *from, const struct convolution *c, const int64_t at[3], int k)
{
	int tap[3] = { k / c->kernel[2] / c->kernel[1], k / c->kernel[2] % c->kernel[1], k % c->kernel[2] };
	int64_t place = 0;

	for (int a = 0; a < 3; a++) {
		int64_t p = c->transposed ? at[a] / c->stride[a] : at[a] * c->stride[a] + tap[a] - c->padding[a];
		if (p < 0 || p >= c->in[a] || (c->transposed && at[a] % c->stride[a] != tap[a]))
			return false;
		place = place * c->in[a] + p;
	}
	*from = place;
	return true;
}

static void run(const void *args)
{
	const struct job *j = args;
	const struct convolution *c = &j->c;
	int taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
	size_t in = (size_t)(c->in[0] * c->in[1] * c->in[2]) * (size_t)c->c_in, y = 0;
	double *w = widen(c, j->w, taps), *sum = xmalloc((size_t)c->c_out, sizeof *sum);
	float *x = xmalloc(in, sizeof *x);

	for (int n = 0; n < c->n; n++) {
		for (size_t i = 0; i < in; i++)
			x[i] = read_one(j->x, (size_t)n * in + i, c->precision);
		for (int64_t at[3] = {0}; at[0] < c->out[0]; at[0]++)
			for (at[1] = 0; at[1] < c->out[1]; at[1]++)
				for (at[2] = 0; at[2] < c->out[2]; at[2]++) {
					int64_t from;
					memset(sum, 0, (size_t)c->c_out * sizeof *sum);
					for (int k = 0; k < taps; k++)
						if (source(&from, c, at, k))
							add_tap(sum, x + from * c->c_in, w + (size_t)k * (size_t)c->c_in * (size_t)c->c_out, c->c_in, c->c_out);
					for (int o = 0; o < c->c_out; o++)
						write_one(j->y, y++, (float)sum[o], c->precision);
				}
	}
	free(w);
	free(sum);
	free(x);
}

const char *convolver_probe(int dimensions)
{
	(void)dimensions;
	return getenv("EMULATED_CUDNN");        /* why it cannot be used */
}

struct convolver *convolver_open(struct device *d, const struct convolver_options *o)
{
	struct convolver *v = xcalloc(1, sizeof *v);

	(void)o;
	v->d = d;
	return v;
}

void convolver_close(struct convolver *v) { free(v); }

const struct plan_of *convolver_plan(struct convolver *v, const struct convolution *c)
{
	if (v->n == MOST_PLANS)
		die(XIO, "more convolutions than the imitation has room for");
	v->plan[v->n] = (struct plan_of){ *c, v->d };
	return &v->plan[v->n++];
}

size_t plan_workspace(const struct plan_of *p)
{
	(void)p;
	return 0;
}

bool plan_run(const struct plan_of *p, void *y, const void *x, const void *w, void *workspace)
{
	(void)workspace;
	queue_call(device_stream(p->d, LANE_COMPUTE), run, &(struct job){ p->c, y, x, w }, sizeof(struct job));
	return true;
}

void convolver_report(const struct convolver *v, FILE *out) { fprintf(out, "%d convolutions\n", v->n); }
