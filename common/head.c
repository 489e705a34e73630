#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/head.h"

enum { RUN = 16, PAIR = 2 };    /* voxels and outputs that are summed side by side: they fit the registers */

typedef float run __attribute__((vector_size(RUN * sizeof(float))));

void head_make(struct head *h, const struct network *net, const float *const *parameter)
{
	const struct node *o = &net->node[net->n_nodes - 1];
	size_t n = (size_t)o->c_in * (size_t)o->c_out;

	*h = (struct head){ .n_in = o->c_in, .n_out = o->c_out };
	h->weight = xmalloc(n, sizeof *h->weight);
	h->bias = xmalloc((size_t)o->c_out, sizeof *h->bias);
	memcpy(h->weight, parameter[o->weight], n * sizeof *h->weight);
	memcpy(h->bias, parameter[o->bias], (size_t)o->c_out * sizeof *h->bias);
}

void head_join(struct head *heads, int n)
{
	struct head mean = { .n_in = n * heads->n_in, .n_out = heads->n_out };

	mean.weight = xmalloc((size_t)mean.n_in, (size_t)mean.n_out * sizeof *mean.weight);
	mean.bias = xcalloc((size_t)mean.n_out, sizeof *mean.bias);
	for (int i = 0; i < n; i++) {
		const struct head *h = &heads[i];
		for (int k = 0; k < h->n_out; k++) {
			for (int c = 0; c < h->n_in; c++)
				mean.weight[k * mean.n_in + i * h->n_in + c] = h->weight[k * h->n_in + c] / (float)n;
			mean.bias[k] += h->bias[k] / (float)n;
		}
	}
	for (int i = 0; i < n; i++)
		head_free(&heads[i]);
	heads[0] = mean;
}

void head_free(struct head *h)
{
	free(h->weight);
	free(h->bias);
	*h = (struct head){0};
}

/* Outputs first .. first + count - 1 of the RUN voxels at `in`; `off` sums 0 for every finite value, else NaN. */
static void block(float *out, size_t out_step, const float *in, size_t in_step, const struct head *h, int first, int count,
                  run *off)
{
	const float *w[PAIR] = { h->weight + first * h->n_in, h->weight + (first + count - 1) * h->n_in };
	run sum[PAIR] = { (run){0} + h->bias[first], (run){0} + h->bias[first + count - 1] };

	for (int c = 0; c < h->n_in; c++) {
		run x;
		memcpy(&x, in + (size_t)c * in_step, sizeof x);
		sum[0] += x * w[0][c];
		sum[1] += x * w[1][c];
	}
	for (int k = 0; k < count; k++) {
		memcpy(out + (size_t)(first + k) * out_step, &sum[k], sizeof sum[k]);
		*off += sum[k] * 0.0f;
	}
}

bool head_apply(float *out, size_t out_step, const float *in, size_t in_step, size_t n, const struct head *h)
{
	run off = {0};
	float all = 0;
	size_t v = 0;

	for (; v + RUN <= n; v += RUN)
		for (int k = 0; k < h->n_out; k += PAIR)
			block(out + v, out_step, in + v, in_step, h, k, h->n_out - k < PAIR ? 1 : PAIR, &off);
	for (int i = 0; i < RUN; i++)
		all += off[i];
	for (; v < n; v++)
		for (int k = 0; k < h->n_out; k++) {
			float sum = h->bias[k];
			for (int c = 0; c < h->n_in; c++)
				sum += in[(size_t)c * in_step + v] * h->weight[k * h->n_in + c];
			out[(size_t)k * out_step + v] = sum;
			all += sum * 0.0f;
		}
	return all == 0;
}
