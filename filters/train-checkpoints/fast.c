/* The fast engine: values of all layers in blocks of channels, the batch side by side; Winograd's or gathered products for each
 * layer (fast_plan.c); kernels of the best instruction set at hand.  All memory is taken by open. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/train-checkpoints/engine.h"
#include "filters/train-checkpoints/fast.h"

enum {
	GRADIENT_FLOATS = 1 << 28,              /* what the gradients of a group of samples may take, 1 GiB */
};

/* ---- values and gradients as maps take them ---- */

/* Value v of the samples from `first` on. */
static struct source source_of(const struct fast *e, int v, int first)
{
	const struct layout *l = &e->value[v];
	size_t sample = (size_t)l->pixels * (size_t)l->lanes, vector = (size_t)first * (size_t)(l->blocks * l->lanes);
	struct source s = { e->data + l->data + (size_t)first * sample, (size_t)e->batch * sample, l->lanes, l->blocks, l->channels, NULL, NULL, 1 };

	if (l->normed_by >= 0) {
		const struct step *by = &e->layer[l->normed_by];
		s.scale = e->data + by->scale + vector;
		s.shift = e->data + by->shift + vector;
		s.slope = by->node->leaky ? by->node->slope : 1;
	}
	return s;
}

/* The gradient by value v of `samples` samples. */
static struct source gradient_source(const struct fast *e, int v, int samples)
{
	const struct layout *l = &e->value[v];
	size_t block = (size_t)samples * (size_t)l->pixels * (size_t)l->lanes;

	return (struct source){ e->gradient + l->gradient, block, l->lanes, l->blocks, l->channels, NULL, NULL, 1 };
}

static struct target gradient_target(const struct fast *e, int v, int samples)
{
	struct source s = gradient_source(e, v, samples);

	return (struct target){ e->gradient + e->value[v].gradient, s.block, s.lanes, s.blocks, s.channels, e->reached[v] };
}

static void run_map(const struct fast *e, struct job *j, const struct node *o, const float *bias)
{
	const struct map *m = j->m;

	pack_weights(e->packed, m, e->weights + e->network->parameter[o->weight].offset, bias, e->threads);
	j->packed = e->packed;
	j->bias = bias ? e->packed + m->bias : NULL;
	j->threads = e->threads;
	j->hand = e->hand;
	if (m->winograd)
		run_winograd(j);
	else
		run_matrix(j);
}

/* ---- pooling, and heads' planes ---- */

struct pooling { const struct fast *e; const struct step *l; struct source in, out; struct target d_in; int samples; };

static void pool_task(void *arg, int i, int worker)
{
	const struct pooling *p = arg;
	const struct layout *in = &p->e->value[p->l->node->in], *out = &p->e->value[p->l->node->out];
	size_t lanes = (size_t)in->lanes, block = (size_t)(i / p->samples), sample = (size_t)(i % p->samples);
	size_t vector = (sample * (size_t)in->blocks + block) * lanes;
	struct norm a = { p->in.scale + (p->in.scale ? vector : 0), p->in.shift + (p->in.scale ? vector : 0), p->in.slope };
	float *to = p->e->data + out->data + block * p->out.block + sample * (size_t)out->pixels * lanes;

	(void)worker;
	p->l->forward.k->pool(to, out->size, p->in.x + block * p->in.block + sample * (size_t)in->pixels * lanes, in->size,
	                      p->l->node->stride, p->in.scale ? &a : NULL);
}

static void pool_back_task(void *arg, int i, int worker)
{
	const struct pooling *p = arg;
	const struct layout *in = &p->e->value[p->l->node->in], *out = &p->e->value[p->l->node->out];
	size_t lanes = (size_t)in->lanes, block = (size_t)(i / p->samples), sample = (size_t)(i % p->samples);

	(void)worker;
	p->l->forward.k->pool_back(p->d_in.x + block * p->d_in.block + sample * (size_t)in->pixels * lanes, in->size,
	                           p->out.x + block * p->out.block + sample * (size_t)out->pixels * lanes, out->size,
	                           p->l->node->stride, p->d_in.add);
}

/* planes [samples][channels][pixels] from or to blocks. */
struct planes { const struct layout *l; int samples; float *blocks, *planes; const float *from; };

static void to_planes(void *arg, int i, int worker)
{
	const struct planes *p = arg;
	size_t c = (size_t)(i % p->l->channels), sample = (size_t)(i / p->l->channels), lanes = (size_t)p->l->lanes, n = (size_t)p->l->pixels;
	const float *x = p->blocks + (c / lanes * (size_t)p->samples + sample) * n * lanes + c % lanes;

	(void)worker;
	for (size_t k = 0; k < n; k++)
		p->planes[(size_t)i * n + k] = x[k * lanes];
}

static void from_planes(void *arg, int i, int worker)
{
	const struct planes *p = arg;
	size_t block = (size_t)(i % p->l->blocks), sample = (size_t)(i / p->l->blocks), lanes = (size_t)p->l->lanes, n = (size_t)p->l->pixels;
	float *x = p->blocks + (block * (size_t)p->samples + sample) * n * lanes;

	(void)worker;
	memset(x, 0, n * lanes * sizeof *x);
	for (size_t o = 0; o < lanes && block * lanes + o < (size_t)p->l->channels; o++) {
		const float *from = p->from + (sample * (size_t)p->l->channels + block * lanes + o) * n;
		for (size_t k = 0; k < n; k++)
			x[k * lanes + o] = from[k];
	}
}

/* ---- forward ---- */

static void forward_layer(struct fast *e, const struct step *l)
{
	const struct node *o = l->node;
	const struct layout *out = &e->value[o->out];
	size_t block = (size_t)e->batch * (size_t)out->pixels * (size_t)out->lanes;
	struct job j = { .m = &l->forward, .samples = e->batch, .source = { source_of(e, o->in, 0) } };

	if (o->kind == NODE_POOL) {
		struct pooling p = { .e = e, .l = l, .in = j.source[0], .out = source_of(e, o->out, 0), .samples = e->batch };
		parallel_for(e->threads, out->blocks * e->batch, pool_task, &p);
		return;
	}
	if (o->in2 >= 0)
		j.source[1] = source_of(e, o->in2, 0);
	j.target[0] = (struct target){ e->data + l->raw, block, out->lanes, out->blocks, out->channels, false };
	/* An instance norm takes any constant away again. */
	run_map(e, &j, o, o->bias < 0 || o->norm ? NULL : e->weights + e->network->parameter[o->bias].offset);
	norm_measure(e, l);
}

static int head_of(const struct network *n, int node) { return n->n_nodes - 1 - node; }

static void fast_forward(void *engine, const float *weights, const float *in, float *const *logits)
{
	struct fast *e = engine;
	const struct network *n = e->network;
	size_t pixels = (size_t)e->value[0].pixels;

	e->weights = weights;
	for (int s = 0; s < e->batch; s++)
		for (int c = 0; c < n->n_inputs; c++)
			memcpy(e->data + e->value[0].data + (size_t)(c * e->batch + s) * pixels, in + (size_t)(s * n->n_inputs + c) * pixels,
			       pixels * sizeof *in);
	for (int i = 0; i < n->n_nodes; i++) {
		int head = head_of(n, i);
		if (head < n->n_heads && !logits[head])
			continue;
		forward_layer(e, &e->layer[i]);
		if (head < n->n_heads) {
			const struct layout *l = &e->value[n->node[i].out];
			struct planes p = { .l = l, .samples = e->batch, .blocks = e->data + l->data, .planes = logits[head] };
			parallel_for(e->threads, e->batch * l->channels, to_planes, &p);
		}
	}
}

/* ---- backward ---- */

static void backward_layer(struct fast *e, const struct step *l, int first, int samples, float *gradients)
{
	const struct node *o = l->node;
	struct source d = gradient_source(e, o->out, samples), in = source_of(e, o->in, first);
	struct job j = { .m = &l->backward, .samples = samples, .source = { d } };
	struct wgrad_job w = { .w = &l->wgrad, .fine = { in }, .coarse = d, .samples = samples, .threads = e->threads, .sums = e->sums,
	                       .transformed = e->transformed, .hand = e->hand };

	if (o->kind == NODE_POOL) {
		struct pooling p = { .e = e, .l = l, .out = d, .d_in = gradient_target(e, o->in, samples), .samples = samples };
		parallel_for(e->threads, d.blocks * samples, pool_back_task, &p);
		e->reached[o->in] = true;
		return;
	}
	if (o->norm)
		norm_back(e, l, first, samples, gradients);
	else if (o->bias >= 0)
		bias_back(e, l, samples, gradients + e->network->parameter[o->bias].offset);
	if (o->in2 >= 0)
		w.fine[1] = source_of(e, o->in2, first);
	if (o->kind == NODE_TCONV) {
		w.fine[0] = d;
		w.coarse = in;
	}
	run_wgrad(gradients + e->network->parameter[o->weight].offset, &w, first > 0);
	if (o->in == 0)
		return;
	j.target[0] = gradient_target(e, o->in, samples);
	if (o->in2 >= 0)
		j.target[1] = gradient_target(e, o->in2, samples);
	run_map(e, &j, o, NULL);
	e->reached[o->in] = true;
	if (o->in2 >= 0)
		e->reached[o->in2] = true;
}

static void fast_backward(void *engine, float *const *d_logits, float *gradients)
{
	struct fast *e = engine;
	const struct network *n = e->network;

	memset(gradients, 0, n->n_weights * sizeof *gradients);
	for (int first = 0, samples; first < e->batch; first += samples) {
		samples = e->batch - first < e->group ? e->batch - first : e->group;
		memset(e->reached, 0, (size_t)n->n_values * sizeof *e->reached);
		for (int i = n->n_nodes - 1; i >= 0; i--) {
			int head = head_of(n, i), out = n->node[i].out;
			if (head < n->n_heads && d_logits[head]) {
				const struct layout *l = &e->value[out];
				struct planes p = { .l = l, .samples = samples, .blocks = e->gradient + l->gradient,
				                    .from = d_logits[head] + (size_t)(first * l->channels) * (size_t)l->pixels };
				parallel_for(e->threads, samples * l->blocks, from_planes, &p);
				e->reached[out] = true;
			}
			if (e->reached[out])
				backward_layer(e, &e->layer[i], first, samples, gradients);
		}
	}
}

/* ---- open and close ---- */

static bool possible(const struct network *n)
{
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].leaky && (n->node[i].slope < 0 || n->node[i].slope > 1))
			return fail(XDATA, "a leaky ReLU of slope %g; 0 to 1 are possible", (double)n->node[i].slope);
	return true;
}

static void fast_close(void *engine)
{
	struct fast *e = engine;

	for (int i = 0; i < e->threads; i++) {
		free(e->hand[i].scratch);
		free(e->hand[i].x);
		free(e->hand[i].n);
	}
	fast_plan_free(e);
	free(e->hand);
	free(e->reached);
	free(e->data);
	free(e->gradient);
	free(e->packed);
	free(e->sums);
	free(e->transformed);
	free(e->statistics);
	free(e);
}

void *fast_open(const struct network *n, int batch, int threads, enum isa level, size_t gradient_floats)
{
	struct fast *e;
	size_t floats;

	if (!possible(n))
		return NULL;
	e = xcalloc(1, sizeof *e);
	*e = (struct fast){ .network = n, .batch = batch, .threads = threads };
	fast_plan(e, level, gradient_floats);
	floats = e->n_data + e->n_gradient + e->n_packed + e->n_sums + e->n_transformed + (size_t)threads * e->n_scratch;
	e->hand = xcalloc((size_t)threads, sizeof *e->hand);
	if (floats > memory_limit / sizeof(float)) {
		fail(XDATA, "a batch of %d patches needs %zu MiB, over the limit of %zu MiB (--memory raises it)", batch,
		     floats * sizeof(float) >> 20, memory_limit >> 20);
		fast_close(e);
		return NULL;
	}
	e->reached = xcalloc((size_t)n->n_values, sizeof *e->reached);
	e->data = xlarge(e->n_data, sizeof(float));
	e->gradient = xlarge(e->n_gradient, sizeof(float));
	e->packed = xlarge(e->n_packed, sizeof(float));
	e->sums = xlarge(e->n_sums, sizeof(float));
	e->transformed = xlarge(e->n_transformed, sizeof(float));
	e->statistics = xaligned(e->n_statistics, sizeof *e->statistics);
	for (int i = 0; i < threads; i++) {
		e->hand[i].scratch = xlarge(e->n_scratch, sizeof(float));
		e->hand[i].x = xmalloc((size_t)e->n_segments, sizeof *e->hand[i].x);
		e->hand[i].n = xmalloc((size_t)e->n_segments, sizeof *e->hand[i].n);
	}
	return e;
}

static void *fast_open_best(const struct network *n, int batch, int threads)
{
	return fast_open(n, batch, threads, cpu_isa(), GRADIENT_FLOATS);
}

const struct train_engine train_fast = { "cpu", fast_open_best, fast_forward, fast_backward, fast_close };
