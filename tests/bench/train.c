/* Time of one training iteration: forward, Dice and cross-entropy with deep supervision, backward, clipping, SGD.
 * usage: train [THREADS ITERATIONS NETWORK ...]   NETWORK: a name below, or NAME:BATCH:PATCH, as in 3d_32-320:2:96x96x96
 * Prints TSV as train.py does for PyTorch: network, batch, patch, threads, median seconds of wall clock, median seconds of CPU,
 * peak MiB of the process; QUALM_ENGINE=ref in the environment for the plain engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/train-checkpoints/engine.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/sgd.h"

struct subject { const char *name; int batch; int64_t patch[3]; int n_stages, feature[MAX_STAGES]; };

static const struct subject subjects[] = {
	{ "2d_8-32", 12, { 1, 192, 160 }, 5, { 8, 16, 32, 32, 32 } },
	{ "2d_32-512", 12, { 1, 160, 160 }, 6, { 32, 64, 128, 256, 512, 512 } },
	{ "3d_8-32", 2, { 64, 64, 64 }, 4, { 8, 16, 32, 32 } },
	{ "3d_32-320", 2, { 64, 64, 64 }, 5, { 32, 64, 128, 256, 320 } },
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *x, int n)
{
	qsort(x, (size_t)n, sizeof *x, ascending);
	return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* nnU-Net's plain U-Net with two convolutions a stage and kernels of 3. */
static void unet(struct network *n, const struct subject *s)
{
	struct architecture a = { .class = UNET_PLAIN, .dims = s->patch[0] > 1 ? 3 : 2, .n_stages = s->n_stages,
	                          .conv_bias = true, .norm = NORM_INSTANCE, .eps = 1e-5, .slope = 0.01 };

	for (int i = 0; i < s->n_stages; i++) {
		a.features[i] = s->feature[i];
		a.n_conv_encoder[i] = a.n_conv_decoder[i] = 2;
		for (int k = 0; k < 3; k++) {
			bool flat = k == 0 && a.dims == 2;
			a.kernel[i][k] = flat ? 1 : 3;
			a.stride[i][k] = flat || i == 0 ? 1 : 2;
		}
	}
	if (!network_build_training(n, &a, 1, 2, s->patch))
		die_failed();
}

static float *random_floats(size_t n, float scale)
{
	float *x = xmalloc(n, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = ((float)rand() / (float)RAND_MAX * 2 - 1) * scale;
	return x;
}

static void two_classes(struct labels *l)
{
	static int value[] = { 0, 1 };
	static struct label entry[] = { { .name = (char *)"background", .n = 1, .value = &value[0] },
	                                { .name = (char *)"object", .n = 1, .value = &value[1] } };

	*l = (struct labels){ .n = 2, .entry = entry, .ignore = -1 };
	if (!labels_finish(l))
		die_failed();
}

/* One network's line; iterations are timed after a first one. */
static void measure(const struct subject *s, int threads, int iterations)
{
	struct labels labels;
	struct rusage usage;
	struct network n;
	double *wall = xmalloc((size_t)iterations, sizeof *wall), *cpu = xmalloc((size_t)iterations, sizeof *cpu);
	float *logits[MAX_STAGES] = { NULL }, *d_logits[MAX_STAGES] = { NULL }, *weights, *gradients, *momentum, *in;
	size_t voxels = (size_t)s->batch * (size_t)(s->patch[0] * s->patch[1] * s->patch[2]);
	uint16_t *target = xmalloc(voxels, sizeof *target);
	const char *name = getenv("QUALM_ENGINE");
	const struct train_engine *engine = name && !strcmp(name, "ref") ? &train_ref : &train_fast;
	struct loss *loss;
	void *e;

	two_classes(&labels);
	unet(&n, s);
	weights = random_floats(n.n_weights, 0.1f);
	gradients = xmalloc(n.n_weights, sizeof *gradients);
	momentum = xcalloc(n.n_weights, sizeof *momentum);
	in = random_floats(voxels, 1);
	for (size_t i = 0; i < voxels; i++)
		target[i] = rand() % 2;
	for (int i = 0; i < n.n_heads; i++) {
		const struct value *v = network_head_value(&n, i);
		size_t count = (size_t)(s->batch * n.n_outputs) * (size_t)(v->size[0] * v->size[1] * v->size[2]);
		if (loss_weight(n.n_heads, i) == 0)
			continue;
		logits[i] = xmalloc(count, sizeof(float));
		d_logits[i] = xmalloc(count, sizeof(float));
	}
	e = engine->open(&n, s->batch, threads);
	if (!e)
		die_failed();
	loss = loss_open(&n, &labels, s->batch, s->patch[0] == 1, threads);
	for (int i = -1; i < iterations; i++) {
		double begin = now(CLOCK_MONOTONIC), begin_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
		if (!loss_targets(loss, target))
			die_failed();
		engine->forward(e, weights, in, logits);
		loss_value(loss, (const float *const *)logits, d_logits);
		engine->backward(e, d_logits, gradients);
		sgd_step(&sgd_nnunet, &n, weights, momentum, gradients, 0.01, threads);
		if (i < 0)
			continue;
		wall[i] = now(CLOCK_MONOTONIC) - begin;
		cpu[i] = now(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%s\t%d\t%lldx%lldx%lld\t%d\t%.4f\t%.4f\t%ld\n", s->name, s->batch, (long long)s->patch[0], (long long)s->patch[1],
	       (long long)s->patch[2], threads, median(wall, iterations), median(cpu, iterations), usage.ru_maxrss >> 10);
	fflush(stdout);
	engine->close(e);
	loss_close(loss);
	for (int i = 0; i < n.n_heads; i++) {
		free(logits[i]);
		free(d_logits[i]);
	}
	network_free(&n);
	free(weights);
	free(gradients);
	free(momentum);
	free(in);
	free(target);
	free(wall);
	free(cpu);
}

/* NAME or NAME:BATCH:PATCH */
static struct subject subject_of(const char *text)
{
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		struct subject s = subjects[i];
		size_t length = strlen(s.name);
		long long size[3];
		int n;
		if (strncmp(text, s.name, length) || (text[length] && text[length] != ':'))
			continue;
		if (!text[length])
			return s;
		n = sscanf(text + length, ":%d:%lldx%lldx%lld", &s.batch, &size[0], &size[1], &size[2]) - 1;
		if (n != 2 && n != 3)
			break;
		s.patch[0] = 1;
		for (int k = 0; k < n; k++)
			s.patch[3 - n + k] = size[k];
		return s;
	}
	die(XUSAGE, "no such network: %s", text);
}

int main(int argc, char **argv)
{
	struct subject s = subject_of("2d_8-32:2:64x64");

	if (argc < 4)
		measure(&s, 1, 1);
	for (int i = 3; i < argc; i++) {
		s = subject_of(argv[i]);
		measure(&s, atoi(argv[1]), atoi(argv[2]));
	}
	return 0;
}
