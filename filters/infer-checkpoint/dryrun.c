#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "common/die.h"
#include "filters/infer-checkpoint/dryrun.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Bytes of memory that are in use; the most that were where /proc is missing. */
static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages;
	struct rusage r;
	bool ok = f && fscanf(f, "%*u %lu", &pages) == 1;

	if (f)
		fclose(f);
	getrusage(RUSAGE_SELF, &r);
	return ok ? pages * (size_t)sysconf(_SC_PAGESIZE) : (size_t)r.ru_maxrss << 10;
}

static void print_network(const struct ensemble *e)
{
	const struct network *n = &e->network;
	const struct architecture *a = &e->plan.arch;

	printf("configuration\t%s of %s, plan %s\n", e->plan.configuration, e->plan.plans_name, e->plan.hash);
	printf("network\t%s, %d stages of %d to %d features, %.4g million weights\n",
	       a->class == UNET_PLAIN ? "PlainConvUNet" : "ResidualEncoderUNet", a->n_stages, a->features[0],
	       a->features[a->n_stages - 1], (double)n->n_weights * 1e-6);
	printf("patch\t%lldx%lldx%lld, %d input channels, %d output channels\n", (long long)n->patch[0], (long long)n->patch[1],
	       (long long)n->patch[2], n->n_inputs, n->n_outputs);
	printf("backend\t%s\n", e->backend->name);
	for (int i = 0; i < e->n_checkpoints; i++) {
		const struct member *m = &e->member[i * e->per_checkpoint];
		printf("checkpoint\t%s\tfold %s\tweights %.16s\n", e->path[i], m->fold ? m->fold : "?", m->weights);
	}
}

/* One window of an image of zeros, in all mirrored positions: how long one takes when all threads are busy; *bytes: what the
 * program holds for any case. */
static bool measure(double *seconds, size_t *bytes, const struct ensemble *e)
{
	const int64_t *p = e->network.patch;
	int n = e->backend->batch(e->b, 1, false), culprit = -1;
	struct backend_case c = { .shape = { p[0], p[1], p[2] }, .n_members = 1, .culprit = &culprit, .depth = p[0], .rows = p[0] * p[1] };
	int64_t planes = e->network.n_inputs * p[0];
	struct backend_window *w = xcalloc((size_t)n, sizeof *w);
	size_t voxels = (size_t)(p[0] * p[1] * p[2]);
	float *out = xmalloc((size_t)(e->head ? e->body.n_outputs : e->network.n_outputs), voxels * sizeof *out);
	float *image = xcalloc((size_t)(planes * p[1] * p[2]), sizeof *image), **plane = xmalloc((size_t)planes, sizeof *plane);
	double start;
	void *stay;

	for (int64_t i = 0; i < planes; i++)
		plane[i] = image + i * p[1] * p[2];
	c.plane = plane;
	stay = e->backend->begin(e->b, &c);
	for (int i = 0; i < n; i++)
		w[i].stay = stay;
	if (stay) {
		start = now();
		e->backend->windows(e->b, w, n);
		e->backend->take(e->b, stay, out, (int64_t[3]){0}, p);          /* a backend may be at work until then */
		*seconds = (now() - start) / n;
		e->backend->end(e->b, stay);
	}
	free(w);
	free(out);
	free(image);
	free(plane);
	*bytes = resident();
	if (stay && culprit >= 0)
		fail(XDATA, "checkpoint %s, of an image of zeros: logits that are not finite numbers", e->path[culprit]);
	return stay && culprit < 0;
}

bool dry_run(int *status, const struct ensemble *e, const struct predict_options *o)
{
	struct frame f = {0};
	struct source *in;
	double seconds = 0;
	size_t fixed;

	*status = XOK;
	print_network(e);
	if (!measure(&seconds, &fixed, e))
		return false;
	printf("window\t%d mirrored positions, %.3g s\n", e->n_mirrors, seconds);
	printf("memory\t%zu MiB before the first case\n", fixed >> 20);
	if (fflush(stdout))
		return fail_sys("cannot write standard output");
	if (isatty(STDIN_FILENO))
		return true;
	in = source_open(NULL);
	while (source_next(in, &f)) {
		struct predict_cost cost;
		bool image = !f.failed && frame_layer(&f, "image");
		if (image && !predict_cost(&cost, &f, e, o)) {
			case_failed(NULL, in, &f);
			*status = XDATA;
			continue;
		}
		if (image) {
			printf("case\t%s\t%d windows\t%zu MiB\t", f.name, cost.windows, (fixed + cost.bytes) >> 20);
			if (cost.device)
				printf("%.3g MiB on the device\t", (double)cost.device / (1 << 20));
			printf("%.3g s\n", cost.windows * seconds * e->n_checkpoints);
		}
		source_skip(in, &f);
	}
	frame_free(&f);
	if (filter_end(in, NULL) != XOK)
		*status = XDATA;
	return !fflush(stdout) || fail_sys("cannot write standard output");
}
