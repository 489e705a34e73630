#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/train-checkpoints/ref.h"

size_t ref_voxels(const struct value *v) { return (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2]; }

const float *ref_weight(const struct ref *e, int p) { return e->weights + e->n->parameter[p].offset; }

static size_t value_count(const struct ref *e, int v)
{
	return (size_t)e->batch * (size_t)e->n->value[v].channels * ref_voxels(&e->n->value[v]);
}

double *ref_input(const struct ref *e, double *const *of, const struct node *o, int b, int c)
{
	const struct value *x = &e->n->value[o->in];
	int v = o->in;

	if (c >= x->channels) {
		c -= x->channels;
		v = o->in2;
	}
	return of[v] + ((size_t)b * (size_t)e->n->value[v].channels + (size_t)c) * ref_voxels(x);
}

static void *ref_open(const struct network *n, int batch, int threads)
{
	struct ref *e = xcalloc(1, sizeof *e);
	size_t bytes = 0;

	e->n = n;
	e->batch = batch;
	e->threads = threads;
	for (int i = 0; i < n->n_values; i++)
		bytes += 3 * sizeof(double) * value_count(e, i);        /* at most: a value of each is below memory_limit */
	if (bytes > memory_limit) {
		free(e);
		fail(XDATA, "the plain engine needs %zu MiB for a batch of %d; the limit is %zu MiB (--memory raises it)",
		     bytes >> 20, batch, memory_limit >> 20);
		return NULL;
	}
	e->value = xcalloc((size_t)n->n_values, sizeof *e->value);
	e->d_value = xcalloc((size_t)n->n_values, sizeof *e->d_value);
	e->standard = xcalloc((size_t)n->n_nodes, sizeof *e->standard);
	e->scale = xcalloc((size_t)n->n_nodes, sizeof *e->scale);
	e->part = xcalloc((size_t)n->n_nodes, 3 * sizeof *e->part);
	for (int i = 0; i < n->n_values; i++) {
		e->value[i] = xmalloc(value_count(e, i), sizeof(double));
		e->d_value[i] = xmalloc(value_count(e, i), sizeof(double));
	}
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		if (o->norm) {
			e->standard[i] = xmalloc(value_count(e, o->out), sizeof(double));
			e->scale[i] = xmalloc((size_t)batch * (size_t)o->c_out, sizeof(double));
		}
		for (int k = 0; k < 3; k++)
			e->part[3 * i + k] = xcalloc((size_t)batch * (size_t)o->c_out, sizeof(double));
	}
	return e;
}

static void ref_forward(void *engine, const float *weights, const float *in, float *const *logits)
{
	struct ref *e = engine;
	const struct network *n = e->n;

	e->weights = weights;
	for (size_t i = 0; i < value_count(e, 0); i++)
		e->value[0][i] = (double)in[i];
	for (int i = 0; i < n->n_nodes; i++)
		ref_node_forward(e, &n->node[i]);
	for (int h = 0; h < n->n_heads; h++) {
		int v = network_head(n, h)->out;
		for (size_t i = 0; logits[h] && i < value_count(e, v); i++)
			logits[h][i] = (float)e->value[v][i];
	}
}

static void ref_backward(void *engine, float *const *d_logits, float *gradients)
{
	struct ref *e = engine;
	const struct network *n = e->n;

	for (int v = 0; v < n->n_values; v++)
		memset(e->d_value[v], 0, value_count(e, v) * sizeof(double));
	for (int h = 0; h < n->n_heads; h++) {
		int v = network_head(n, h)->out;
		for (size_t i = 0; d_logits[h] && i < value_count(e, v); i++)
			e->d_value[v][i] = (double)d_logits[h][i];
	}
	for (int i = n->n_nodes - 1; i >= 0; i--)
		ref_node_backward(e, &n->node[i], gradients);
}

static void ref_close(void *engine)
{
	struct ref *e = engine;
	const struct network *n = e->n;

	for (int i = 0; i < n->n_values; i++) {
		free(e->value[i]);
		free(e->d_value[i]);
	}
	for (int i = 0; i < n->n_nodes; i++) {
		free(e->standard[i]);
		free(e->scale[i]);
		for (int k = 0; k < 3; k++)
			free(e->part[3 * i + k]);
	}
	free(e->value);
	free(e->d_value);
	free(e->standard);
	free(e->scale);
	free(e->part);
	free(e);
}

const struct train_engine train_ref = {
	.name = "ref", .open = ref_open, .forward = ref_forward, .backward = ref_backward, .close = ref_close
};
