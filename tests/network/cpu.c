/* The fast engine against the plain one: random small graphs of everything that network.h can describe, at every
 * instruction set of this machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/cpu_plan.h"
#include "filters/infer-checkpoint/engine.h"

enum { MAX_NODES = 16, GRAPHS = 150 };

static const int one[3] = { 1, 1, 1 };
static unsigned long long state;

static int pick(int n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (int)(state >> 33) % n;
}

static float uniform(void) { return (float)pick(1 << 20) / (1 << 19) - 1; }

static int add_parameter(struct network *n, size_t count)
{
	n->parameter[n->n_parameters] = (struct parameter){ .offset = n->n_weights, .count = count };
	n->n_weights += count;
	return n->n_parameters++;
}

static int add_value(struct network *n, int channels, const int64_t size[3])
{
	n->value[n->n_values] = (struct value){ .channels = channels, .size = { size[0], size[1], size[2] } };
	return n->n_values++;
}

/* Adds a node with random extras and returns its output. */
static int add(struct network *n, enum node_kind kind, int in, int in2, int residual, int c_out, const int kernel[3],
               const int stride[3], bool plain)
{
	struct node *o = &n->node[n->n_nodes++];
	const struct value *x = &n->value[in];
	int64_t size[3];
	size_t c = (size_t)c_out;

	*o = (struct node){ .kind = kind, .in = in, .in2 = in2, .residual = residual, .c_in = x->channels, .c_out = c_out,
	                    .eps = 1e-5f, .slope = 0.01f, .weight = -1, .bias = -1, .gamma = -1, .beta = -1, .mean = -1,
	                    .var = -1 };
	if (in2 >= 0)
		o->c_in += n->value[in2].channels;
	for (int i = 0; i < 3; i++) {
		o->kernel[i] = kernel[i];
		o->stride[i] = stride[i];
		size[i] = kind == NODE_TCONV ? x->size[i] * stride[i] : kind == NODE_POOL ? x->size[i] / stride[i]
		                                                                         : (x->size[i] - 1) / stride[i] + 1;
	}
	if (kind != NODE_POOL) {
		o->weight = add_parameter(n, (size_t)(o->c_in * kernel[0] * kernel[1] * kernel[2]) * c);
		if (plain || pick(2))
			o->bias = add_parameter(n, c);
	}
	if (kind == NODE_CONV && !plain) {
		o->norm = pick(5) > 0;
		o->leaky = pick(4) > 0;
		o->nonlin_first = pick(4) == 0;
		o->norm_op = pick(3) ? NORM_INSTANCE : NORM_BATCH;
		if (o->norm) {
			o->gamma = add_parameter(n, c);
			o->beta = add_parameter(n, c);
		}
		if (o->norm && o->norm_op == NORM_BATCH) {
			o->mean = add_parameter(n, c);
			o->var = add_parameter(n, c);
		}
	}
	return o->out = add_value(n, c_out, size);
}

/* A stem, a few nodes on the values so far, the head. */
static void make(struct network *n, struct node *node, struct value *value, struct parameter *parameter)
{
	static const int channels[] = { 1, 3, 5, 8, 10, 16, 20, 24, 32, 40, 72 };
	int64_t size[3] = { 1 + pick(3) * pick(4), 2 + pick(24), 2 + pick(24) };
	int kernel[3], stride[3], v, steps = 1 + pick(5);

	*n = (struct network){ .node = node, .value = value, .parameter = parameter };
	n->n_inputs = 1 + pick(4);
	n->n_outputs = 2 + pick(6);
	memcpy(n->patch, size, sizeof size);
	v = add_value(n, n->n_inputs, size);
	v = add(n, NODE_CONV, v, -1, -1, channels[pick(11)], (int[]){ 1 + 2 * pick(2), 3, 1 + 2 * pick(3) }, one, false);
	for (int i = 0; i < steps; i++) {
		int c = channels[pick(11)], what = pick(8), in2 = -1, residual = -1;
		const struct value *x = &n->value[v];
		for (int k = 0; k < 3; k++) {
			kernel[k] = pick(3) ? 3 : pick(3) ? 1 : 5;
			stride[k] = pick(3) || x->size[k] % 2 ? 1 : 2;
		}
		for (int u = 1; u < n->n_values - 1; u++)
			if (!memcmp(n->value[u].size, x->size, sizeof x->size) && pick(2))
				in2 = residual = u;
		if (what == 0) {
			v = add(n, NODE_POOL, v, -1, -1, x->channels, stride, stride, true);
		} else if (what == 1 && x->size[0] * x->size[1] * x->size[2] < 1000) {
			stride[0] = 1 + pick(3);
			v = add(n, NODE_TCONV, v, -1, -1, c, stride, stride, true);
		} else if (what == 2 && residual >= 0) {
			v = add(n, NODE_CONV, v, -1, residual, n->value[residual].channels, kernel, one, false);
		} else if (what == 3 && in2 >= 0) {
			v = add(n, NODE_CONV, v, in2, -1, c, kernel, one, false);
		} else {
			if (x->size[0] > 4)
				stride[0] = 3;
			v = add(n, NODE_CONV, v, -1, -1, c, kernel, what < 5 ? stride : one, false);
		}
	}
	v = add(n, NODE_CONV, v, -1, -1, n->n_outputs, one, one, true);
	for (int i = 0; i < n->n_nodes; i++) {
		value[node[i].in].last_use = i;
		if (node[i].in2 >= 0)
			value[node[i].in2].last_use = i;
		if (node[i].residual >= 0)
			value[node[i].residual].last_use = i;
	}
	value[v].last_use = n->n_nodes;
}

static void random_weights(float *w, const struct network *n)
{
	for (size_t i = 0; i < n->n_weights; i++)
		w[i] = uniform();
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		if (o->var >= 0)
			for (int c = 0; c < o->c_out; c++)
				w[n->parameter[o->var].offset + (size_t)c] = 1 + (float)(o->c_in * o->kernel[0]);
		if (o->bias >= 0)
			for (int c = 0; c < o->c_out; c++)
				w[n->parameter[o->bias].offset + (size_t)c] *= 8;
	}
}

/* How many steps each method takes. */
static void count_methods(int count[4], const struct network *n, enum isa level)
{
	struct schedule s;

	schedule_make(&s, n, level);
	for (int i = 0; i < s.n_steps; i++)
		count[s.step[i].method]++;
	schedule_free(&s);
}

/* Largest difference relative to the largest value. */
static double difference(const float *a, const float *b, size_t n)
{
	double most = 0, largest = 1e-30;

	for (size_t i = 0; i < n; i++) {
		if (isnan(a[i]) != isnan(b[i]))
			return INFINITY;
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
		largest = fmax(largest, fabs((double)b[i]));
	}
	return most / largest;
}

static const char *const isa_name[] = { "base", "v3", "v4" };

/* Two workers on the same input at the same time. */
struct job { void *engine; const float *in; float *out[2]; size_t count; };

static void forward(void *arg, int i, int worker)
{
	const struct job *j = arg;

	memcpy(j->out[i], engine_cpu.forward(j->engine, 1, worker, j->in), j->count * sizeof(float));
}

/* Returns the largest relative error at one instruction set; infinity if two workers, or one with three hands, differ in a bit. */
static double run(const struct network *n, enum isa isa, const float *weights, const float *in, const float *expected,
                  size_t count)
{
	struct job j = { cpu_open(n, 2, 1, 2, isa), in, { xcalloc(count, sizeof(float)), xcalloc(count, sizeof(float)) }, count };
	void *shared = cpu_open(n, 1, 3, 1, isa);
	double d;

	engine_cpu.load(j.engine, 1, weights, 2);
	parallel_for(2, 2, forward, &j);
	engine_cpu.load(shared, 0, weights, 2);
	d = memcmp(j.out[0], j.out[1], count * sizeof(float)) ||
	    memcmp(j.out[0], engine_cpu.forward(shared, 0, 0, in), count * sizeof(float)) ? INFINITY : difference(j.out[0], expected, count);
	engine_cpu.close(shared);
	engine_cpu.close(j.engine);
	free(j.out[0]);
	free(j.out[1]);
	return d;
}

static float *random_input(const struct network *n, float mean)
{
	size_t count = (size_t)n->n_inputs * (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	float *in = xmalloc(count, sizeof *in);

	for (size_t i = 0; i < count; i++)
		in[i] = uniform() + mean;
	return in;
}

static float *reference(const struct network *n, const float *weights, const float *in, size_t count)
{
	float *out = xmalloc(count, sizeof *out);
	void *e = engine_ref.open(n, 1, 1);

	engine_ref.load(e, 0, weights, 1);
	memcpy(out, engine_ref.forward(e, 0, 0, in), count * sizeof *out);
	engine_ref.close(e);
	return out;
}

int main(void)
{
	struct node node[MAX_NODES];
	struct value value[MAX_NODES];
	struct parameter parameter[MAX_NODES * 6];
	double worst[3] = {0};
	int wrong = 0, methods[3][4] = { {0} };

	for (int graph = 0; graph < GRAPHS; graph++) {
		struct network n;
		state = (unsigned long long)graph * 977 + 5;
		make(&n, node, value, parameter);
		const struct value *last = &value[n.n_values - 1];
		size_t count = (size_t)n.n_outputs * (size_t)(last->size[0] * last->size[1] * last->size[2]);
		float *weights = xmalloc(n.n_weights, sizeof *weights);
		random_weights(weights, &n);
		float *in = random_input(&n, graph % 3 == 0 ? 5 : 0), *expected = reference(&n, weights, in, count);
		for (int isa = 0; isa <= (int)cpu_isa(); isa++) {
			double d = run(&n, (enum isa)isa, weights, in, expected, count);
			count_methods(methods[isa], &n, (enum isa)isa);
			worst[isa] = fmax(worst[isa], d);
			if (d > 2e-5) {
				printf("graph %d at %s: %g of the largest value\n", graph, isa_name[isa], d);
				wrong++;
			}
		}
		free(weights);
		free(in);
		free(expected);
	}
	for (int isa = 0; isa <= (int)cpu_isa(); isa++) {
		const int *m = methods[isa];
		printf("note: %s: %d graphs, largest error %.1e of the largest value\n", isa_name[isa], GRAPHS, worst[isa]);
		if (m[METHOD_DIRECT] < 50 || m[METHOD_WINOGRAD] < 30 || m[METHOD_UPSAMPLE] < 20 || m[METHOD_POOL] < 20) {
			printf("too few cases: %d matrix, %d winograd, %d upsample, %d pool\n", m[0], m[1], m[2], m[3]);
			wrong++;
		}
	}
	return wrong > 0;
}
