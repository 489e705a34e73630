/* Speed of a forward pass of the CPU engine, as a share of what the cores can multiply and add; or, with --serve, one side of
 * a comparison with another program on the same weights and input (tests/bench/peer.py has the protocol). */
#include <stdio.h>
#include "common/io.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/engine.h"
#include "tests/bench/peak.h"
#include "tests/bench/subject.h"

static double seconds;
static int hands = 1, workers = 1, batch = 1;
static const char *input, *output, *engine = "cpu";
static bool serve, list, shape;
static const struct opt opts[] = {
	OPT_DOUBLE('s', "seconds", &seconds, "SECONDS", 0, 3600, "time for each network (default: next to none)"),
	OPT_INT('j', "hands", &hands, "N", 1, 1024, "threads that share a patch"),
	OPT_INT('w', "workers", &workers, "N", 1, 1024, "threads that each take a patch"),
	OPT_INT('b', "batch", &batch, "N", 1, 1024, "patches in a pass"),
	OPT_CHOICE('e', "engine", &engine, "ENGINE", "cpu|ref", "what computes"),
	OPT_STRING('i', "input", &input, "FILE", "fp32, first [batch][inputs][patch] (default: random)"),
	OPT_STRING('o', "output", &output, "FILE", "where the outputs go, fp32 [batch][outputs][patch]"),
	OPT_FLAG(0, "serve", &serve, "for each line 'PATCHES SECONDS' make passes for so long and print the time of each"),
	OPT_FLAG(0, "list", &list, "print the networks: name, patch, features and residual blocks of the stages"),
	OPT_FLAG(0, "shape", &shape, "print inputs, outputs, patch and GFLOP of the network"),
	OPT_END
};

struct bench {
	struct network n;
	const struct engine *engine;
	void *e;
	float *in, *out;                        /* out: NULL, or where results are kept */
	double load, start;                     /* seconds of transforming the weights, and with a first pass */
};

static double wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* With one thread other programs on the same processors do not count. */
static double now(void) { return hands == 1 && workers == 1 && !serve ? thread_seconds() : wall(); }

/* Patches in groups of as many as the engine takes at once, but enough groups for all workers. */
struct round { const struct bench *b; int patches, most; };

static void one_group(void *arg, int i, int worker)
{
	const struct round *r = arg;
	const struct bench *b = r->b;
	size_t voxels = patch_voxels(&b->n), n_in = (size_t)b->n.n_inputs * voxels, n_out = (size_t)b->n.n_outputs * voxels;
	int first = i * r->most, n = r->patches - first < r->most ? r->patches - first : r->most;
	const float *out = b->engine->forward(b->e, 0, worker, b->in + (size_t)first * n_in, n);

	if (b->out)
		memcpy(b->out + (size_t)first * n_out, out, (size_t)n * n_out * sizeof *out);
}

static double pass(struct bench *b, int patches)
{
	int share = (patches + workers - 1) / workers, images = b->engine->images(b->e);
	struct round r = { b, patches, share < images ? share : images };
	int groups = (patches + r.most - 1) / r.most;
	double begin = now();

	if (workers > 1)
		parallel_for(workers, groups, one_group, &r);
	else
		for (int i = 0; i < groups; i++)
			one_group(&r, i, 0);
	return now() - begin;
}

static void read_input(float *in, size_t n)
{
	FILE *f = fopen(input, "rb");

	if (!f || fread(in, sizeof *in, n, f) != n)
		die(XDATA, "%s does not hold %zu numbers", input, n);
	fclose(f);
}

static void write_output(const float *out, size_t n)
{
	struct outfile f;

	if (!outfile_open(&f, output))
		die_failed();
	if (!io_write(f.fd, out, n * sizeof *out))
		die(XIO, "%s cannot be written", output);
	if (!outfile_commit(&f))
		die_failed();
}

/* With weights loaded and the first pass behind it, whose output is written. */
static void bench_open(struct bench *b, const char *name)
{
	size_t voxels;
	float *weights;
	double begin;

	subject_open(&b->n, &weights, name);
	voxels = patch_voxels(&b->n);
	b->in = xmalloc((size_t)(batch * b->n.n_inputs) * voxels, sizeof *b->in);
	if (input)
		read_input(b->in, (size_t)(batch * b->n.n_inputs) * voxels);
	else
		random_fill(b->in, (size_t)(batch * b->n.n_inputs) * voxels);
	b->engine = !strcmp(engine, "ref") ? &engine_ref : &engine_cpu;
	b->e = b->engine == &engine_cpu ? cpu_open(&b->n, workers, hands, 1, cpu_isa()) : b->engine->open(&b->n, workers, 1);
	begin = now();
	b->engine->load(b->e, 0, split(&b->n, weights), hands > workers ? hands : workers);
	b->load = now() - begin;
	pass(b, 1);
	b->start = now() - begin;
	free(weights);
	if (output) {
		b->out = xmalloc((size_t)(batch * b->n.n_outputs) * voxels, sizeof *b->out);
		pass(b, batch);
		write_output(b->out, (size_t)(batch * b->n.n_outputs) * voxels);
		free(b->out);
		b->out = NULL;
	}
}

static void bench_close(struct bench *b)
{
	b->engine->close(b->e);
	network_free(&b->n);
	free(b->in);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

enum { MOST = 1000 };

/* Times of passes for so many seconds, one at least.  Returns how many. */
static int passes(struct bench *b, double time[MOST], int patches, double length)
{
	int n = 0;

	for (double end = now() + length; n < MOST && (n == 0 || now() < end); n++)
		time[n] = pass(b, patches);
	return n;
}

static void measure(const char *name, double peak_flops)
{
	static const char *const isa_name[] = { "base", "v3", "v4" };
	struct bench b = {0};
	double time[MOST];

	bench_open(&b, name);
	int n = passes(&b, time, batch, seconds);
	qsort(time, (size_t)n, sizeof *time, ascending);
	double median = time[n / 2], flops = b.n.flops * batch;
	printf("note: %s %s: %.2f ms (%.2f-%.2f, %d runs), %.3f GFLOP, %.1f GFLOP/s, %.0f %% of peak; load %.0f ms\n", name,
	       isa_name[cpu_isa()], median * 1e3, time[0] * 1e3, time[n - 1] * 1e3, n, flops * 1e-9, flops / median * 1e-9,
	       100 * flops / median / peak_flops / (hands * workers), b.load * 1e3);
	bench_close(&b);
}

static void answer(const char *name)
{
	struct bench b = {0};
	double time[MOST], length;
	int patches;

	bench_open(&b, name);
	printf("ready\t%.4f\n", b.start);
	fflush(stdout);
	while (scanf("%d %lf", &patches, &length) == 2 && patches > 0 && patches <= batch) {
		int n = passes(&b, time, patches, length);
		for (int i = 0; i < n; i++)
			printf("%s%.6f", i ? "\t" : "", time[i]);
		puts("");
		fflush(stdout);
	}
	bench_close(&b);
}

static void print_list(void)
{
	for (int i = 0; i < N_SUBJECTS; i++) {
		const struct subject *s = &subjects[i];
		printf("%s\t%d %d %d\t", s->name, (int)s->patch[0], (int)s->patch[1], (int)s->patch[2]);
		for (int k = 0; k < s->n_stages; k++)
			printf("%s%d", k ? " " : "", s->feature[k]);
		for (int k = 0; k < s->n_stages && s->blocks[0]; k++)
			printf("%s%d", k ? " " : "\t", s->blocks[k]);
		puts("");
	}
}

static void print_shape(const char *name)
{
	struct network n;
	float *weights;

	subject_open(&n, &weights, name);
	printf("%d %d %d %d %d %.6g\n", n.n_inputs, n.n_outputs, (int)n.patch[0], (int)n.patch[1], (int)n.patch[2], n.flops * 1e-9);
	network_free(&n);
	free(weights);
}

int main(int argc, char **argv)
{
	opt_parse(&argc, &argv, opts, "[NETWORK|CHECKPOINT]", "measure forward passes of the CPU engine");
	if (argc > 1 || ((serve || shape) && !argc) || (hands > 1 && workers > 1))
		opt_usage("one network, and threads either share a patch or take one each");
	if (list) {
		print_list();
		return 0;
	}
	if (serve || shape) {
		(serve ? answer : print_shape)(argv[0]);
		return 0;
	}
	double best = peak();
	printf("note: peak of one core: %.1f GFLOP/s in fp32\n", best * 1e-9);
	if (argc)
		measure(argv[0], best);
	for (int i = 0; i < N_SUBJECTS && !argc; i++)
		if (subjects[i].quick)
			measure(subjects[i].name, best);
	return 0;
}
