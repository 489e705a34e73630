/* infer-checkpoint: predict class probabilities with the networks of nnU-Net checkpoints. */
#include <malloc.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "filters/infer-checkpoint/batch.h"
#include "filters/infer-checkpoint/dryrun.h"

static struct ensemble_options ensemble_options = { .device = "auto", .mirror = true };
static struct predict_options predict_options = { .step = 0.5 };
static bool no_mirroring, dry;
static const char *emit = "probs", *grid = "image", *precision = "auto", *members = "checkpoints";
static const struct opt opts[] = {
	OPT_STRING('m', "model", &ensemble_options.model, "MODEL", "model folder; else that above each checkpoint's fold"),
	OPT_STRING('d', "device", &ensemble_options.device, "BACKEND", "what computes: auto, cuda, cuda:N, cpu or ref"),
	OPT_CHOICE(0, "precision", &precision, "WHAT", "auto|fp32|tf32|fp16|bf16", "in what the network is computed; auto: fp16 on cuda, else fp32"),
	OPT_FLAG(0, "deterministic", &ensemble_options.deterministic, "the same bytes on every run on cuda: nothing is chosen by timing"),
	OPT_INT('j', "threads", &ensemble_options.threads, "N", 0, 1024, "threads; 0: one for each processor"),
	OPT_DOUBLE(0, "step-size", &predict_options.step, "SHARE", 0.01, 1, "distance of neighbouring windows as a share of the patch"),
	OPT_FLAG(0, "disable-tta", &no_mirroring, "do not average over mirrored images"),
	OPT_FLAG(0, "parity", &ensemble_options.parity, "round sums to half precision as nnU-Net does"),
	OPT_FLAG(0, "average-logits", &predict_options.average, "the checkpoints are folds of one network: write their mean"),
	OPT_CHOICE(0, "emit", &emit, "KIND", "probs|logits|label", "what to write"),
	OPT_CHOICE(0, "grid", &grid, "GRID", "image|network", "grid on which to write it"),
	OPT_CHOICE(0, "members", &members, "WHAT", "checkpoints|mirrors", "what a member is: a checkpoint or each of its mirrored predictions"),
	OPT_FLAG(0, "dry-run", &dry, "say what would be done, and what it needs, and end"),
	OPT_FLAG(0, "allow-equal", &ensemble_options.allow_equal, "accept checkpoints with equal weights"),
	OPT_KEEP_GOING,
	OPT_PROGRESS,
	OPT_END
};

static enum precision precision_of(const char *name)
{
	static const char *const names[] = {
		[PRECISION_FP16] = "fp16", [PRECISION_BF16] = "bf16", [PRECISION_TF32] = "tf32", [PRECISION_FP32] = "fp32", [PRECISION_AUTO] = "auto"
	};
	int p = 0;

	while (strcmp(name, names[p]))
		p++;
	return (enum precision)p;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* A name that comes twice would look like another member of the case downstream. */
static bool seen_before(const char *name)
{
	static void *seen;
	char *copy = xstrdup(name);
	bool again = *(char **)tsearch(copy, &seen, by_name) != copy;

	if (again)
		free(copy);
	return again;
}

static void one_case(struct batch *b, struct source *in, struct frame *f)
{
	bool image = !f->failed && frame_layer(f, "image"), again = image && seen_before(f->name);

	if (image && !again) {
		batch_add(b, in);
		return;
	}
	batch_run(b);                   /* cases stay in order */
	if (!again)
		sink_pass(b->out, in, f);
	else if (!fail(XDATA, "a case of this name came before"))
		case_failed(b->out, in, f);
	progress_step(f->name);
}

int main(int argc, char **argv)
{
	struct ensemble e;
	struct batch b = { .e = &e, .o = &predict_options };
	struct source *in;
	struct frame *f;

	mallopt(M_MMAP_THRESHOLD, 1 << 20);     /* what is large goes back when it is freed: memory is what --dry-run says */
	opt_parse(&argc, &argv, opts, "CHECKPOINT ...", "predict class probabilities with the networks of nnU-Net checkpoints");
	if (!argc)
		opt_usage("a checkpoint is missing");
	if (!backend_known(ensemble_options.device))
		opt_usage("--device %s: auto, cuda, cuda:N, cpu and ref are possible", ensemble_options.device);
	ensemble_options.precision = precision_of(precision);
	if (!ensemble_options.threads)
		ensemble_options.threads = parallel_cpus();
	ensemble_options.mirror = !no_mirroring;
	ensemble_options.mirrors_apart = !strcmp(members, "mirrors");
	ensemble_options.average = predict_options.average;
	predict_options.parity = ensemble_options.parity;
	predict_options.threads = ensemble_options.threads;
	predict_options.logits = !strcmp(emit, "logits");
	predict_options.label = !strcmp(emit, "label");
	if (ensemble_options.mirrors_apart && predict_options.average)
		opt_usage("--members mirrors and --average-logits exclude each other");
	if (predict_options.label && !predict_options.average && (argc > 1 || ensemble_options.mirrors_apart))
		opt_usage("--emit label takes one checkpoint, or folds with --average-logits; 'average-probs | segment' makes it of others");
	predict_options.network_grid = !strcmp(grid, "network");
	if (!ensemble_open(&e, argv, argc, &ensemble_options))          /* while the stages before this one get going */
		die_failed();
	if (dry) {
		int status;
		if (!dry_run(&status, &e, &predict_options))
			die_failed();
		ensemble_close(&e);
		return status;
	}
	in = source_open(NULL);
	b.out = sink_open(in);
	progress_begin(source_cases(in));
	while (source_next(in, f = batch_frame(&b))) {
		one_case(&b, in, f);
		if (!source_waiting(in))
			batch_run(&b);
	}
	batch_run(&b);
	progress_end();
	batch_free(&b);
	ensemble_close(&e);
	return filter_end(in, b.out);
}
