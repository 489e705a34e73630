/* Time of each layer of a forward pass of the CPU engine, and its share of what the cores can multiply and add. */
#include <stdio.h>
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/cpu_plan.h"
#include "filters/infer-checkpoint/engine.h"
#include "tests/bench/peak.h"
#include "tests/bench/subject.h"

static int hands = 1, rounds = 3;
static const struct opt opts[] = {
	OPT_INT('j', "hands", &hands, "N", 1, 1024, "threads that share a patch"),
	OPT_INT('r', "rounds", &rounds, "N", 1, 1000, "passes, of which a layer's median counts"),
	OPT_END
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The name of the weight without its ending, which says where in the network the layer is. */
static const char *layer_name(const struct network *n, const struct node *node)
{
	static char name[200];

	snprintf(name, sizeof name, "%s", node->weight >= 0 ? n->parameter[node->weight].name : "pool");
	if (strlen(name) > 7 && !strcmp(name + strlen(name) - 7, ".weight"))
		name[strlen(name) - 7] = 0;
	return name;
}

static double layer_flops(const struct network *n, const struct node *node)
{
	const int64_t *size = n->value[node->kind == NODE_TCONV ? node->in : node->out].size;
	int n_taps = taps(node->kind == NODE_TCONV ? node->stride : node->kernel);

	return node->kind == NODE_POOL ? 0 : 2.0 * node->c_in * node->c_out * n_taps * (double)(size[0] * size[1] * size[2]);
}

/* peak_flops: what is possible in a second. */
static void print_layer(const struct network *n, const struct step *s, double time, double total, double peak_flops)
{
	static const char *const method[] = { [METHOD_DIRECT] = "direct", [METHOD_WINOGRAD] = "Winograd", [METHOD_UPSAMPLE] = "transposed",
	                                      [METHOD_POOL] = "pool" };
	const struct node *node = s->node;
	const int64_t *size = n->value[node->out].size;
	double flops = layer_flops(n, node);

	printf("%s\t%s\t%d\t%d\t%dx%dx%d\t%dx%dx%d\t%dx%dx%d\t%.4f\t%.4f\t%.1f\t%.1f\t%.1f\n", layer_name(n, node), method[s->method],
	       node->c_in, node->c_out, node->kernel[0], node->kernel[1], node->kernel[2], node->stride[0], node->stride[1],
	       node->stride[2], (int)size[0], (int)size[1], (int)size[2], flops * 1e-9, time * 1e3, flops / time * 1e-9,
	       100 * flops / time / peak_flops, 100 * time / total);
}

static void add_peak(void *sums, int i, int worker)
{
	(void)worker;
	((double *)sums)[i] = peak();
}

/* Of all cores at once. */
static double peak_together(void)
{
	double *each = xcalloc((size_t)hands, sizeof *each), sum = 0;

	parallel_for(hands, hands, add_peak, each);
	for (int i = 0; i < hands; i++)
		sum += each[i];
	free(each);
	return sum;
}

/* Median seconds of each step: [steps]. */
static double *step_times(const struct network *n, int steps, const float *weights)
{
	double *seconds = xcalloc((size_t)(rounds * steps), sizeof *seconds), *median = xcalloc((size_t)steps, sizeof *median);
	double *column = xcalloc((size_t)rounds, sizeof *column);
	float *in = xmalloc((size_t)n->n_inputs * patch_voxels(n), sizeof *in);
	void *e = cpu_open(n, 1, hands, 1, cpu_isa());

	random_fill(in, (size_t)n->n_inputs * patch_voxels(n));
	engine_cpu.load(e, 0, split(n, weights), hands);
	cpu_time_steps(seconds, e, 0, in, 1);              /* the first pass pays for fresh memory */
	for (int r = 0; r < rounds; r++)
		cpu_time_steps(seconds + r * steps, e, 0, in, 1);
	for (int i = 0; i < steps; i++) {
		for (int r = 0; r < rounds; r++)
			column[r] = seconds[r * steps + i];
		qsort(column, (size_t)rounds, sizeof *column, ascending);
		median[i] = column[rounds / 2];
	}
	engine_cpu.close(e);
	free(in);
	free(column);
	free(seconds);
	return median;
}

int main(int argc, char **argv)
{
	struct network n;
	struct schedule s;
	float *weights;
	double *seconds, total = 0, peak_flops;

	opt_parse(&argc, &argv, opts, "NETWORK|CHECKPOINT", "measure each layer of the CPU engine");
	if (argc != 1)
		opt_usage("which network?");
	subject_open(&n, &weights, argv[0]);
	schedule_make(&s, &n, cpu_isa());
	peak_flops = peak_together();
	seconds = step_times(&n, s.n_steps, weights);
	for (int i = 0; i < s.n_steps; i++)
		total += seconds[i];
	puts("layer\tmethod\tinputs\toutputs\tkernel\tstride\tsize\tgflop\tms\tgflop_s\tpeak_percent\ttime_percent");
	for (int i = 0; i < s.n_steps; i++)
		print_layer(&n, &s.step[i], seconds[i], total, peak_flops);
	printf("all\t-\t%d\t%d\t-\t-\t%dx%dx%d\t%.4f\t%.4f\t%.1f\t%.1f\t100\n", n.n_inputs, n.n_outputs, (int)n.patch[0],
	       (int)n.patch[1], (int)n.patch[2], n.flops * 1e-9, total * 1e3, n.flops / total * 1e-9, 100 * n.flops / total / peak_flops);
	printf("peak\t-\t-\t-\t-\t-\t-\t-\t-\t%.1f\t100\t-\n", peak_flops * 1e-9);
	schedule_free(&s);
	network_free(&n);
	free(weights);
	free(seconds);
	return 0;
}
