/* Passes of a network on a backend as whole volumes make them, windows and mirrored positions in its batches, gathering and adding up
 * included: for each line "SECONDS" on standard input a line with the milliseconds of one image (a window in one mirrored position).
 * First prints "ready", the seconds of opening, images of a batch, GFLOP of an image, and the name of the backend. */
#include <stdio.h>
#include <time.h>
#include "common/opt.h"
#include "filters/infer-checkpoint/backend.h"
#include "filters/infer-checkpoint/windows.h"
#include "tests/bench/subject.h"

static const char *device = "cuda", *precision = "fp16";
static bool no_mirroring;
static const struct opt opts[] = {
	OPT_STRING('d', "device", &device, "BACKEND", "what computes"),
	OPT_CHOICE(0, "precision", &precision, "WHAT", "fp16|bf16|tf32|fp32", "in what"),
	OPT_FLAG(0, "disable-tta", &no_mirroring, "do not mirror"),
	OPT_END
};

struct bench {
	struct network n;
	const struct backend *backend;
	void *b;
	float *image, **plane, *out;
	int mirrors, windows;           /* of a call */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum precision precision_of(const char *name)
{
	return !strcmp(name, "fp16") ? PRECISION_FP16 : !strcmp(name, "bf16") ? PRECISION_BF16 : !strcmp(name, "tf32") ? PRECISION_TF32
	                                                                                                                 : PRECISION_FP32;
}

static void bench_open(struct bench *b, const char *name)
{
	struct backend_options o = { .threads = 1, .gaussian = true, .n_members = 1, .precision = precision_of(precision) };
	unsigned subset[8];
	float *weights;
	int64_t planes;

	subject_open(&b->n, &weights, name);
	for (int axis = b->n.patch[0] > 1 ? 0 : 1; axis < 3 && !no_mirroring; axis++)
		o.mirror_axis[o.n_mirror++] = axis;
	b->mirrors = windows_mirrors(subset, o.mirror_axis, o.n_mirror);
	b->b = backend_open(&b->backend, device, &b->n, &o);
	if (!b->b || !b->backend->load(b->b, 0, split(&b->n, weights)))
		die_failed();
	free(weights);
	b->windows = b->backend->batch(b->b, 1, false);
	planes = b->n.n_inputs * b->n.patch[0];
	b->image = xmalloc((size_t)b->n.n_inputs * patch_voxels(&b->n), sizeof *b->image);
	random_fill(b->image, (size_t)b->n.n_inputs * patch_voxels(&b->n));
	b->plane = xmalloc((size_t)planes, sizeof *b->plane);
	for (int64_t i = 0; i < planes; i++)
		b->plane[i] = b->image + i * b->n.patch[1] * b->n.patch[2];
	b->out = xmalloc((size_t)b->n.n_outputs * patch_voxels(&b->n), sizeof *b->out);
}

/* Seconds of an image as large as a patch whose only window runs `calls` times as often as the backend takes at a time. */
static double once(struct bench *b, int calls)
{
	static const int64_t none[3] = {0};
	const int64_t *p = b->n.patch;
	int culprit = 0;
	struct backend_case c = { .plane = b->plane, .shape = { p[0], p[1], p[2] }, .n_members = 1, .culprit = &culprit, .depth = p[0],
	                          .rows = p[0] * p[1] };
	struct backend_window *w = xcalloc((size_t)b->windows, sizeof *w);
	double begin = now(), end;

	w[0].stay = b->backend->begin(b->b, &c);
	if (!w[0].stay)
		die_failed();
	for (int i = 1; i < b->windows; i++)
		w[i] = w[0];
	for (int i = 0; i < calls; i++)
		b->backend->windows(b->b, w, b->windows);
	if (!b->backend->take(b->b, w[0].stay, b->out, none, p))
		die_failed();
	end = now();
	b->backend->end(b->b, w[0].stay);
	free(w);
	return end - begin;
}

/* Milliseconds of an image: what further calls take, so that neither the way up nor the way down counts. */
static double measure(struct bench *b, double seconds)
{
	double one = once(b, 1);
	int more = one > 0 && seconds / one < 1000 ? (int)(seconds / one) : 1000;

	more = more < 1 ? 1 : more;
	return 1e3 * (once(b, 1 + more) - one) / ((double)more * b->windows * b->mirrors);
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	double begin = now(), seconds;

	opt_parse(&argc, &argv, opts, "NETWORK|CHECKPOINT", "time passes of a backend as whole volumes make them");
	if (argc != 1)
		opt_usage("one network");
	bench_open(&b, argv[0]);
	once(&b, 1);            /* as whole volumes do, but for the first: recorded */
	once(&b, 1);
	printf("ready\t%.4f\t%d\t%.6g\t%s\n", now() - begin, b.windows * b.mirrors, b.n.flops * 1e-9, b.backend->name);
	fflush(stdout);
	while (scanf("%lf", &seconds) == 1) {
		printf("%.6f\n", measure(&b, seconds));
		fflush(stdout);
	}
	b.backend->close(b.b);
	network_free(&b.n);
	free(b.image);
	free(b.plane);
	free(b.out);
	return 0;
}
