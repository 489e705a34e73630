/* The fast engine against the plain one: random small graphs of everything that network.h can describe, at every
 * instruction set of this machine.
 * usage: cpu [GRAPHS] */
#include "filters/infer-checkpoint/cpu_plan.h"
#include "tests/network/engines.h"

#ifdef __SANITIZE_ADDRESS__
enum { GRAPHS = 25 };
#else
enum { GRAPHS = 100 };
#endif
enum { MAX_NODES = 16 };

/* Of the largest value. */
static const double tolerance[LEVELS] = { 2e-5, 2e-5, 2e-5, 0.05 };
static const int one[3] = { 1, 1, 1 };
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

/* All remainders of every vector's lanes, and values of many blocks. */
static int channels(void) { return pick(8) ? 1 + pick(40) : 41 + pick(40); }

/* A stem, a few nodes on the values so far, the head.  flat: of one plane, as networks for slices are. */
static void make(struct network *n, struct node *node, struct value *value, struct parameter *parameter, bool flat)
{
	int64_t size[3] = { flat ? 1 : 1 + pick(3) * pick(4), 1 + pick(25), 1 + pick(25) };
	int kernel[3], stride[3], v, steps = 1 + pick(5);

	*n = (struct network){ .node = node, .value = value, .parameter = parameter };
	n->n_inputs = 1 + pick(4);
	n->n_outputs = 2 + pick(6);
	memcpy(n->patch, size, sizeof size);
	v = add_value(n, n->n_inputs, size);
	v = add(n, NODE_CONV, v, -1, -1, channels(), (int[]){ flat ? 1 : 1 + 2 * pick(2), 3, 1 + 2 * pick(3) }, one, false);
	for (int i = 0; i < steps; i++) {
		int c = channels(), what = pick(8), in2 = -1, residual = -1;
		const struct value *x = &n->value[v];
		for (int k = 0; k < 3; k++) {
			kernel[k] = pick(3) ? 3 : pick(3) ? 1 : 5;
			stride[k] = pick(3) || x->size[k] < 2 ? 1 : 2;
		}
		if (flat)
			kernel[0] = stride[0] = 1;
		for (int u = 1; u < n->n_values - 1; u++)
			if (!memcmp(n->value[u].size, x->size, sizeof x->size) && pick(2))
				in2 = residual = u;
		if (what == 0) {
			v = add(n, NODE_POOL, v, -1, -1, x->channels, stride, stride, true);
		} else if (what == 1 && x->size[0] * x->size[1] * x->size[2] < 1000) {
			stride[0] = flat ? 1 : 1 + pick(3);
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

/* How many steps each method takes. */
static void count_methods(int count[4], const struct network *n, enum isa level)
{
	struct schedule s;

	schedule_make(&s, n, level);
	for (int i = 0; i < s.n_steps; i++)
		count[s.step[i].method]++;
	schedule_free(&s);
}

/* Images of ordinary, large, tiny and denormal values; values larger still where the first step has an instance norm. */
static float scale(const struct network *n, int graph)
{
	static const float factor[] = { 1, 1, 1e15f, 1e-20f, 1e-40f };
	const struct node *stem = &n->node[0];
	int i = graph % 5;

	return i == 2 && stem->norm && stem->norm_op == NORM_INSTANCE ? 1e30f : factor[i];
}

int main(int argc, char **argv)
{
	struct node node[MAX_NODES];
	struct value value[MAX_NODES];
	struct parameter parameter[MAX_NODES * 6];
	double worst[LEVELS] = {0};
	int wrong = 0, methods[LEVELS][4] = { {0} }, graphs = argc > 1 ? atoi(argv[1]) : GRAPHS;

	for (int graph = 0; graph < graphs; graph++) {
		struct network n;
		char name[32];
		snprintf(name, sizeof name, "graph %d", graph);
		state = (unsigned long long)graph * 977 + 5;
		make(&n, node, value, parameter, graph % 3 == 1);
		wrong += check_network(worst, &n, graph % 3 == 0 ? 5 : 0, scale(&n, graph), tolerance, name);
		for (int isa = 0; isa <= last_level(); isa++)
			count_methods(methods[isa], &n, (enum isa)isa);
	}
	for (int isa = 0; isa <= last_level(); isa++) {
		const int *m = methods[isa];
		printf("note: %s: %d graphs, largest error %.1e of the largest value\n", isa_name[isa], graphs, worst[isa]);
		if (graphs == GRAPHS && (m[METHOD_DIRECT] < GRAPHS || m[METHOD_WINOGRAD] < GRAPHS / 4 ||
		                         m[METHOD_UPSAMPLE] < GRAPHS / 8 || m[METHOD_POOL] < GRAPHS / 8)) {
			printf("too few cases: %d direct, %d winograd, %d upsample, %d pool\n", m[0], m[1], m[2], m[3]);
			wrong++;
		}
	}
	return wrong > 0;
}
