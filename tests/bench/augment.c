/* usage: augment THREADS ITERATIONS NETWORK ...: time of augmenting one batch.
 *
 * NETWORK is 2d_8-32, 2d_32-512 or 3d_32-320, or NAME:BATCH:PATCH, as in 3d_32-320:2:128x128x128.  Patches have two channels and
 * three labels.  What is drawn for a batch decides how long it takes: 20 ITERATIONS of them are measured, and the mean counts.
 * Prints TSV: network, batch, patch, threads, mean seconds of wall clock, mean seconds of CPU, peak MiB of the process. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "common/augment.h"
#include "common/die.h"
#include "common/parallel.h"
#include "common/random.h"

enum { CHANNELS = 2, MOST_BATCH = 64 };

struct job {
	struct augmenter a;
	float *image, *out[MOST_BATCH];
	uint16_t *label, *out_label[MOST_BATCH];
	int batch, iteration;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The larger patch of sample-patches, for the patches measured here: none is flat or long. */
static void larger(int64_t from[3], const int64_t to[3])
{
	double half = sqrt(3) / 2;

	for (int d = 0; d < 3; d++) {
		double most = (double)to[d];
		for (int e = 0; e < 3; e++)
			if (e != d && to[0] > 1)
				most = fmax(most, half * (double)to[d] + 0.5 * (double)to[e]);
			else if (e && d && e != d)
				most = fmax(most, (double)to[e]);
		from[d] = d || to[0] > 1 ? (int64_t)(most / 0.85) : 1;
	}
}

static void read_network(struct job *j, const char *name)
{
	static const struct { const char *name; int batch; int64_t patch[3]; } network[] = {
		{ "2d_8-32", 12, { 1, 192, 160 } }, { "2d_32-512", 12, { 1, 160, 160 } }, { "3d_32-320", 2, { 64, 64, 64 } } };
	const char *more = strchr(name, ':');
	size_t n = strcspn(name, ":");
	long long z, y, x;

	for (size_t k = 0; k < sizeof network / sizeof *network; k++)
		if (strlen(network[k].name) == n && !strncmp(name, network[k].name, n)) {
			j->batch = network[k].batch;
			memcpy(j->a.to, network[k].patch, sizeof j->a.to);
		}
	if (more && sscanf(more, ":%d:%lldx%lldx%lld", &j->batch, &z, &y, &x) == 4)
		memcpy(j->a.to, (int64_t[]){ z, y, x }, sizeof j->a.to);
	else if (more && sscanf(more, ":%d:%lldx%lld", &j->batch, &y, &x) == 3)
		memcpy(j->a.to, (int64_t[]){ 1, y, x }, sizeof j->a.to);
	if (!j->batch || j->batch > MOST_BATCH)
		die(XUSAGE, "no network is called '%s'", name);
}

/* Two balls, one in the other, and noise. */
static void make_patch(struct job *j)
{
	const int64_t *s = j->a.from;
	size_t n = (size_t)(s[0] * s[1] * s[2]);

	j->image = xmalloc(CHANNELS * n, sizeof *j->image);
	j->label = xmalloc(n, sizeof *j->label);
	for (size_t i = 0; i < n; i++) {
		double z = (double)(i / (size_t)(s[1] * s[2])) / (double)s[0] - 0.5, y = (double)(i / (size_t)s[2] % (size_t)s[1]) / (double)s[1] - 0.5;
		double x = (double)(i % (size_t)s[2]) / (double)s[2] - 0.5, r = sqrt((s[0] > 1 ? z * z : 0) + y * y + x * x);
		j->label[i] = r < 0.15 ? 2 : r < 0.25;
		for (size_t c = 0; c < CHANNELS; c++)
			j->image[c * n + i] = (float)(random_unit(1, c, i) + j->label[i]);
	}
	for (int k = 0; k < j->batch; k++) {
		size_t to = (size_t)(j->a.to[0] * j->a.to[1] * j->a.to[2]);
		j->out[k] = xcalloc(CHANNELS * to, sizeof *j->out[k]);
		j->out_label[k] = xcalloc(to, sizeof *j->out_label[k]);
	}
}

static void one(void *job, int k, int worker)
{
	struct job *j = job;
	struct augmentation d;

	(void)worker;
	augment_draw(&d, &j->a, 0, j->iteration, k);
	augment(j->out[k], j->out_label[k], j->image, j->label, &d, &j->a);
}

static void measure(const char *name, int threads, int iterations)
{
	struct job j = { .a = { .channels = CHANNELS, .kinds = (1U << AUGMENT_KINDS) - 1 } };
	struct rusage use;
	double wall = 0, cpu = 0;

	read_network(&j, name);
	larger(j.a.from, j.a.to);
	make_patch(&j);
	for (j.iteration = 0; j.iteration <= 20 * iterations; j.iteration++) {
		double begin = seconds(CLOCK_MONOTONIC), begin_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
		parallel_for(threads, j.batch, one, &j);
		if (j.iteration) {                      /* the first one warms up */
			wall += seconds(CLOCK_MONOTONIC) - begin;
			cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu;
		}
	}
	getrusage(RUSAGE_SELF, &use);
	printf("%s\t%d\t%lldx%lldx%lld\t%d\t%.6f\t%.6f\t%.1f\n", name, j.batch, (long long)j.a.to[0], (long long)j.a.to[1], (long long)j.a.to[2],
	       threads, wall / (20 * iterations), cpu / (20 * iterations), (double)use.ru_maxrss / 1024);
	for (int k = 0; k < j.batch; k++) {
		free(j.out[k]);
		free(j.out_label[k]);
	}
	free(j.image);
	free(j.label);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die(XUSAGE, "usage: augment THREADS ITERATIONS NETWORK ...");
	printf("network\tbatch\tpatch\tthreads\tseconds\tcpu_seconds\tpeak_mib\n");
	for (int i = 3; i < argc; i++)
		measure(argv[i], atoi(argv[1]), atoi(argv[2]));
	return 0;
}
