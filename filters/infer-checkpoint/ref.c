/* The plain engine: obvious C, sums in double.  What the others are compared with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/engine.h"

struct ref {
	const struct network *n;
	float **weights;        /* [members][n_weights] */
	float **result;         /* [workers]: of the last call */
	int workers, members;
};

static size_t voxels(const struct value *v) { return (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2]; }

/* The outputs 0 <= o < n_out whose tap o * stride + shift lies in 0..n_in-1. */
static void valid(int64_t *lo, int64_t *hi, int64_t n_out, int64_t n_in, int stride, int shift)
{
	*lo = shift < 0 ? (-shift + stride - 1) / stride : 0;
	*hi = n_in - shift <= 0 ? 0 : (n_in - shift - 1) / stride + 1;
	if (*hi > n_out)
		*hi = n_out;
}

/* sum[o] += w * in[o * stride + k - (K-1)/2] for one tap k = (kz, ky, kx) of a kernel of lengths K; both are volumes. */
static void add_tap(double *sum, const struct value *out, const float *in, const struct value *x, const struct node *o,
                    const int k[3], float w)
{
	int64_t lo[3], hi[3];
	int shift[3];

	for (int i = 0; i < 3; i++) {
		shift[i] = k[i] - (o->kernel[i] - 1) / 2;
		valid(&lo[i], &hi[i], out->size[i], x->size[i], o->stride[i], shift[i]);
	}
	for (int64_t z = lo[0]; z < hi[0]; z++)
		for (int64_t y = lo[1]; y < hi[1]; y++) {
			double *s = sum + (z * out->size[1] + y) * out->size[2];
			const float *p = in + ((z * o->stride[0] + shift[0]) * x->size[1] + y * o->stride[1] + shift[1]) * x->size[2] + shift[2];
			for (int64_t i = lo[2]; i < hi[2]; i++)
				s[i] += (double)w * (double)p[i * o->stride[2]];
		}
}

/* y = gamma (s - mean) / sqrt(var + eps) + beta, statistics of this channel (instance) or the stored ones (batch). */
static void normalise(double *s, size_t n, const struct node *o, const struct network *net, const float *weights, int c)
{
	double mean = 0, var = 0, scale;

	if (o->norm_op == NORM_BATCH) {
		mean = weights[net->parameter[o->mean].offset + (size_t)c];
		var = weights[net->parameter[o->var].offset + (size_t)c];
	} else {
		for (size_t i = 0; i < n; i++)
			mean += s[i];
		mean /= (double)n;
		for (size_t i = 0; i < n; i++)
			var += (s[i] - mean) * (s[i] - mean);
		var /= (double)n;
	}
	scale = weights[net->parameter[o->gamma].offset + (size_t)c] / sqrt(var + (double)o->eps);
	for (size_t i = 0; i < n; i++)
		s[i] = (s[i] - mean) * scale + weights[net->parameter[o->beta].offset + (size_t)c];
}

static void leaky(double *s, size_t n, float slope)
{
	for (size_t i = 0; i < n; i++)
		s[i] = s[i] < 0 ? s[i] * (double)slope : s[i];
}

static void conv(float *const *value, const struct network *net, const struct node *o, const float *weights, double *sum)
{
	const struct value *x = &net->value[o->in], *out = &net->value[o->out];
	const float *w = weights + net->parameter[o->weight].offset;
	size_t n = voxels(out), n_in = voxels(x);
	int k[3];

	for (int c = 0; c < o->c_out; c++) {
		double bias = o->bias >= 0 ? weights[net->parameter[o->bias].offset + (size_t)c] : 0;
		for (size_t i = 0; i < n; i++)
			sum[i] = bias;
		for (int ci = 0; ci < o->c_in; ci++) {
			const float *p = ci < x->channels ? value[o->in] + (size_t)ci * n_in : value[o->in2] + (size_t)(ci - x->channels) * n_in;
			for (k[0] = 0; k[0] < o->kernel[0]; k[0]++)
				for (k[1] = 0; k[1] < o->kernel[1]; k[1]++)
					for (k[2] = 0; k[2] < o->kernel[2]; k[2]++)
						add_tap(sum, out, p, x, o, k, *w++);
		}
		if (o->leaky && o->nonlin_first)
			leaky(sum, n, o->slope);
		if (o->norm)
			normalise(sum, n, o, net, weights, c);
		if (o->residual >= 0)
			for (size_t i = 0; i < n; i++)
				sum[i] += value[o->residual][(size_t)c * n + i];
		if (o->leaky && !o->nonlin_first)
			leaky(sum, n, o->slope);
		for (size_t i = 0; i < n; i++)
			value[o->out][(size_t)c * n + i] = (float)sum[i];
	}
}

/* out[c][s i + k] = bias[c] + sum over ci of in[ci][i] w[ci][c][k]: windows do not overlap. */
static void transposed_conv(float *const *value, const struct network *net, const struct node *o, const float *weights)
{
	const struct value *x = &net->value[o->in], *out = &net->value[o->out];
	const float *w = weights + net->parameter[o->weight].offset, *in = value[o->in];
	const int *s = o->stride;
	size_t taps = (size_t)s[0] * (size_t)s[1] * (size_t)s[2], n_in = voxels(x);
	float *to = value[o->out];

	for (int c = 0; c < o->c_out; c++)
		for (int64_t z = 0; z < out->size[0]; z++)
			for (int64_t y = 0; y < out->size[1]; y++)
				for (int64_t i = 0; i < out->size[2]; i++) {
					size_t at = (size_t)((z / s[0] * x->size[1] + y / s[1]) * x->size[2] + i / s[2]);
					size_t k = (size_t)((z % s[0] * s[1] + y % s[1]) * s[2] + i % s[2]);
					double sum = o->bias >= 0 ? weights[net->parameter[o->bias].offset + (size_t)c] : 0;
					for (int ci = 0; ci < o->c_in; ci++)
						sum += (double)in[(size_t)ci * n_in + at] * (double)w[((size_t)ci * (size_t)o->c_out + (size_t)c) * taps + k];
					*to++ = (float)sum;
				}
}

static void pool(float *const *value, const struct network *net, const struct node *o)
{
	const struct value *x = &net->value[o->in], *out = &net->value[o->out];
	const int *s = o->stride;
	float *to = value[o->out];

	for (int c = 0; c < o->c_out; c++)
		for (int64_t z = 0; z < out->size[0]; z++)
			for (int64_t y = 0; y < out->size[1]; y++)
				for (int64_t i = 0; i < out->size[2]; i++) {
					const float *p = value[o->in] + (size_t)c * voxels(x) + ((z * s[0] * x->size[1]) + y * s[1]) * x->size[2] + i * s[2];
					double sum = 0;
					for (int a = 0; a < s[0]; a++)
						for (int b = 0; b < s[1]; b++)
							for (int d = 0; d < s[2]; d++)
								sum += p[(a * x->size[1] + b) * x->size[2] + d];
					*to++ = (float)(sum / (s[0] * s[1] * s[2]));
				}
}

static void *ref_open(const struct network *n, int threads, int members)
{
	struct ref *e = xcalloc(1, sizeof *e);

	e->n = n;
	e->workers = threads;
	e->members = members;
	e->result = xcalloc((size_t)threads, sizeof *e->result);
	e->weights = xcalloc((size_t)members, sizeof *e->weights);
	return e;
}

static int ref_images(const void *engine)
{
	(void)engine;
	return 1;
}

static int ref_workers(const void *engine) { return ((const struct ref *)engine)->workers; }

static void ref_load(void *engine, int member, const float *const *parameter, int threads)
{
	struct ref *e = engine;

	(void)threads;
	free(e->weights[member]);
	e->weights[member] = xmalloc(e->n->n_weights, sizeof(float));
	for (int i = 0; i < e->n->n_parameters; i++)
		memcpy(e->weights[member] + e->n->parameter[i].offset, parameter[i], e->n->parameter[i].count * sizeof(float));
}

/* A feature map lives from the node that makes it to the last one that reads it. */
static float *ref_forward(void *engine, int member, int worker, const float *in, int images)
{
	struct ref *e = engine;
	const struct network *n = e->n;
	float **value = xcalloc((size_t)n->n_values, sizeof *value);
	size_t largest = 0;
	double *sum;

	(void)images;
	free(e->result[worker]);
	for (int i = 0; i < n->n_values; i++)
		largest = voxels(&n->value[i]) > largest ? voxels(&n->value[i]) : largest;
	sum = xmalloc(largest, sizeof *sum);
	value[0] = xmalloc((size_t)n->n_inputs * voxels(&n->value[0]), sizeof(float));
	memcpy(value[0], in, (size_t)n->n_inputs * voxels(&n->value[0]) * sizeof(float));
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		value[o->out] = xmalloc((size_t)o->c_out * voxels(&n->value[o->out]), sizeof(float));
		if (o->kind == NODE_CONV)
			conv(value, n, o, e->weights[member], sum);
		else if (o->kind == NODE_TCONV)
			transposed_conv(value, n, o, e->weights[member]);
		else
			pool(value, n, o);
		for (int v = 0; v < n->n_values; v++)
			if (value[v] && n->value[v].last_use == i) {
				free(value[v]);
				value[v] = NULL;
			}
	}
	e->result[worker] = value[n->node[n->n_nodes - 1].out];
	free(value);
	free(sum);
	return e->result[worker];
}

static void ref_close(void *engine)
{
	struct ref *e = engine;

	for (int i = 0; i < e->members; i++)
		free(e->weights[i]);
	for (int i = 0; i < e->workers; i++)
		free(e->result[i]);
	free(e->weights);
	free(e->result);
	free(e);
}

const struct engine engine_ref = {
	.name = "ref", .open = ref_open, .workers = ref_workers, .images = ref_images, .load = ref_load, .forward = ref_forward,
	.close = ref_close
};
