#include <math.h>
#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/ref.h"
#include "filters/train-checkpoints/tap.h"

/* One node in work by all threads; what a thread does is one channel, or one channel of a sample. */
struct work {
	struct ref *e;
	const struct node *o;
	float *gradients;
};

static double *output(const struct ref *e, double *const *of, const struct node *o, int b, int c)
{
	return of[o->out] + ((size_t)b * (size_t)o->c_out + (size_t)c) * ref_voxels(&e->n->value[o->out]);
}

static size_t node_index(const struct ref *e, const struct node *o) { return (size_t)(o - e->n->node); }

/* Where the weight of output channel c, input channel ci and tap 0 stands. */
static size_t weight_at(const struct node *o, int c, int ci)
{
	return (o->kind == NODE_TCONV ? (size_t)ci * (size_t)o->c_out + (size_t)c : (size_t)c * (size_t)o->c_in + (size_t)ci) *
	       (size_t)tap_count(o);
}

/* Instance norm (contract 3): biased variance of the channel of a sample, eps inside the root. */
static void normalise(double *x, double *standard, double *scale, size_t n, double eps, double gamma, double beta)
{
	double mean = 0, var = 0;

	for (size_t i = 0; i < n; i++)
		mean += x[i];
	mean /= (double)n;
	for (size_t i = 0; i < n; i++)
		var += (x[i] - mean) * (x[i] - mean);
	*scale = 1 / sqrt(var / (double)n + eps);
	for (size_t i = 0; i < n; i++) {
		standard[i] = (x[i] - mean) * *scale;
		x[i] = gamma * standard[i] + beta;
	}
}

static void forward_channel(void *work, int index, int worker)
{
	const struct work *w = work;
	struct ref *e = w->e;
	const struct node *o = w->o;
	int b = index / o->c_out, c = index % o->c_out, taps = tap_count(o), first = o->kind == NODE_POOL ? c : 0;
	size_t n = ref_voxels(&e->n->value[o->out]), k = node_index(e, o);
	double *x = output(e, e->value, o, b, c), bias = o->bias >= 0 ? (double)ref_weight(e, o->bias)[c] : 0;

	(void)worker;
	for (size_t i = 0; i < n; i++)
		x[i] = bias;
	for (int ci = first; ci < (o->kind == NODE_POOL ? c + 1 : o->c_in); ci++) {
		const double *in = ref_input(e, e->value, o, b, ci);
		for (int t = 0; t < taps; t++) {
			struct tap tap = tap_of(e->n, o, t);
			if (o->kind == NODE_POOL)
				tap_gather(x, in, &tap, 1.0 / taps);
			else if (o->kind == NODE_CONV)
				tap_gather(x, in, &tap, (double)ref_weight(e, o->weight)[weight_at(o, c, ci) + (size_t)t]);
			else
				tap_scatter(x, in, &tap, (double)ref_weight(e, o->weight)[weight_at(o, c, ci) + (size_t)t]);
		}
	}
	if (o->norm)
		normalise(x, e->standard[k] + (size_t)index * n, &e->scale[k][index], n, (double)o->eps,
		          (double)ref_weight(e, o->gamma)[c], (double)ref_weight(e, o->beta)[c]);
	if (o->residual >= 0) {
		const double *r = e->value[o->residual] + (size_t)index * n;
		for (size_t i = 0; i < n; i++)
			x[i] += r[i];
	}
	for (size_t i = 0; o->leaky && i < n; i++)
		x[i] = x[i] > 0 ? x[i] : x[i] * (double)o->slope;
}

/* d: of the norm's output, becomes that of its input:
 * gamma scale (d - mean(d) - standard mean(d standard)) (Ioffe and Szegedy, 2015, over a channel of one sample). */
static void normalise_back(double *d, const double *standard, double scale, size_t n, double gamma, double *d_gamma,
                           double *d_beta)
{
	*d_gamma = *d_beta = 0;
	for (size_t i = 0; i < n; i++) {
		*d_gamma += d[i] * standard[i];
		*d_beta += d[i];
	}
	for (size_t i = 0; i < n; i++)
		d[i] = gamma * scale * (d[i] - *d_beta / (double)n - standard[i] * *d_gamma / (double)n);
}

/* From a channel's output back to what its convolution gave. */
static void backward_channel(void *work, int index, int worker)
{
	const struct work *w = work;
	struct ref *e = w->e;
	const struct node *o = w->o;
	size_t n = ref_voxels(&e->n->value[o->out]), k = node_index(e, o);
	double *d = e->d_value[o->out] + (size_t)index * n, **part = e->part + 3 * k;

	(void)worker;
	if (o->leaky) {
		const double *x = e->value[o->out] + (size_t)index * n;
		for (size_t i = 0; i < n; i++)
			d[i] *= x[i] > 0 ? 1 : (double)o->slope;
	}
	if (o->residual >= 0) {
		double *r = e->d_value[o->residual] + (size_t)index * n;
		for (size_t i = 0; i < n; i++)
			r[i] += d[i];
	}
	if (o->norm)
		normalise_back(d, e->standard[k] + (size_t)index * n, e->scale[k][index], n,
		               (double)ref_weight(e, o->gamma)[index % o->c_out], &part[1][index], &part[2][index]);
	part[0][index] = 0;
	for (size_t i = 0; i < n; i++)
		part[0][index] += d[i];
}

/* The derivative by channel ci of the input of a sample. */
static void backward_input(void *work, int index, int worker)
{
	const struct work *w = work;
	struct ref *e = w->e;
	const struct node *o = w->o;
	int b = index / o->c_in, ci = index % o->c_in, taps = tap_count(o), first = o->kind == NODE_POOL ? ci : 0;
	double *to = ref_input(e, e->d_value, o, b, ci);

	(void)worker;
	for (int c = first; c < (o->kind == NODE_POOL ? ci + 1 : o->c_out); c++) {
		const double *d = output(e, e->d_value, o, b, c);
		for (int t = 0; t < taps; t++) {
			struct tap tap = tap_of(e->n, o, t);
			if (o->kind == NODE_POOL)
				tap_scatter(to, d, &tap, 1.0 / taps);
			else if (o->kind == NODE_CONV)
				tap_scatter(to, d, &tap, (double)ref_weight(e, o->weight)[weight_at(o, c, ci) + (size_t)t]);
			else
				tap_gather(to, d, &tap, (double)ref_weight(e, o->weight)[weight_at(o, c, ci) + (size_t)t]);
		}
	}
}

/* The derivatives by the weights of output channel c. */
static void backward_weights(void *work, int c, int worker)
{
	const struct work *w = work;
	const struct ref *e = w->e;
	const struct node *o = w->o;
	float *to = w->gradients + e->n->parameter[o->weight].offset;
	int taps = tap_count(o);

	(void)worker;
	for (int ci = 0; ci < o->c_in; ci++)
		for (int t = 0; t < taps; t++) {
			struct tap tap = tap_of(e->n, o, t);
			double sum = 0;
			for (int b = 0; b < e->batch; b++) {
				const double *x = ref_input(e, e->value, o, b, ci), *d = output(e, e->d_value, o, b, c);
				sum += o->kind == NODE_CONV ? tap_dot(d, x, &tap) : tap_dot(x, d, &tap);
			}
			to[weight_at(o, c, ci) + (size_t)t] = (float)sum;
		}
}

/* A vector's derivative: its channels' sums over the batch. */
static void backward_vector(const struct work *w, int parameter, int which)
{
	const struct node *o = w->o;
	const double *part = w->e->part[3 * node_index(w->e, o) + (size_t)which];

	for (int c = 0; parameter >= 0 && c < o->c_out; c++) {
		double sum = 0;
		for (int b = 0; b < w->e->batch; b++)
			sum += part[b * o->c_out + c];
		w->gradients[w->e->n->parameter[parameter].offset + (size_t)c] = (float)sum;
	}
}

void ref_node_forward(struct ref *e, const struct node *o)
{
	parallel_for(e->threads, e->batch * o->c_out, forward_channel, &(struct work){ e, o, NULL });
}

void ref_node_backward(struct ref *e, const struct node *o, float *gradients)
{
	struct work w = { e, o, gradients };

	parallel_for(e->threads, e->batch * o->c_out, backward_channel, &w);
	if (o->in > 0)                  /* nobody asks for the derivative by the image */
		parallel_for(e->threads, e->batch * o->c_in, backward_input, &w);
	if (o->weight >= 0)
		parallel_for(e->threads, o->c_out, backward_weights, &w);
	backward_vector(&w, o->bias, 0);
	backward_vector(&w, o->gamma, 1);
	backward_vector(&w, o->beta, 2);
}
