/* train-checkpoints: train a network on patches with a cyclic learning rate and keep checkpoints of each cycle. */
#include <stdio.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "filters/train-checkpoints/train.h"

static struct training t = {
	.plans = "nnUNetPlans", .fold = "0", .save_every = 50,
	.schedule = { .epochs = 1200, .cycles = 3, .gamma = 0.8, .rate = 0.01, .restart_rate = 0.1 },
	.keep = { .late = 10, .sparse = 6 },
};
static const char *validation, *pretrained, *rule = "late", *backend = "cpu";
static int seed;
static bool go_on, clean, as_coded, dry_run;

static const struct opt opts[] = {
	OPT_STRING('c', "configuration", &t.configuration, "NAME", "2d, 3d_fullres ..."),
	OPT_STRING('p', "plans", &t.plans, "NAME", "the plans"),
	OPT_STRING('f', "fold", &t.fold, "FOLD", "number of the fold that the patches are of, or all"),
	OPT_STRING('o', "model", &t.model, "FOLDER", "model folder; checkpoints go into its fold_FOLD"),
	OPT_STRING(0, "validation", &validation, "FILE", "patches of the validation cases, for pseudo-Dice and the best checkpoint"),
	OPT_INT(0, "epochs", &t.schedule.epochs, "N", 1, 1000000, "of the whole training"),
	OPT_INT(0, "cycles", &t.schedule.cycles, "N", 1, 1000000, "of the learning rate; 1: it only falls, as nnU-Net's"),
	OPT_DOUBLE(0, "gamma", &t.schedule.gamma, "SHARE", 0, 1, "of a cycle after which the rate stays"),
	OPT_DOUBLE(0, "rate", &t.schedule.rate, "RATE", 0, 1000, "from which a cycle decays"),
	OPT_DOUBLE(0, "restart-rate", &t.schedule.restart_rate, "RATE", 0, 1000, "of the first epoch of a cycle"),
	OPT_CHOICE(0, "keep", &rule, "RULE", "none|late|sparse|both", "epochs of a cycle that leave a checkpoint"),
	OPT_INT(0, "late", &t.keep.late, "N", 1, 1000000, "last epochs of each cycle that 'late' keeps"),
	OPT_INT(0, "sparse", &t.keep.sparse, "N", 1, 1000000, "epochs of each cycle that 'sparse' keeps"),
	OPT_FLAG(0, "as-coded", &as_coded, "learning rates and kept epochs of UnnUNet's code"),
	OPT_INT(0, "save-every", &t.save_every, "N", 1, 1000000, "epochs between two checkpoints to continue from"),
	OPT_STRING(0, "pretrained", &pretrained, "FILE", "begin with the weights of a checkpoint, but for the heads"),
	OPT_FLAG(0, "continue", &go_on, "go on from the folder's latest checkpoint"),
	OPT_FLAG(0, "clean", &clean, "remove checkpoints that are there and begin again"),
	OPT_FLAG('n', "dry-run", &dry_run, "print the learning rate of each epoch and what is kept"),
	OPT_INT(0, "seed", &seed, "N", 0, 2147483647, "of the weights to begin with"),
	OPT_CHOICE('d', "device", &backend, "BACKEND", "cpu|ref", "what computes; ref is plain, exact and slow"),
	OPT_INT('j', "threads", &t.threads, "N", 0, 1024, "threads; 0: one for each processor"),
	OPT_PROGRESS,
	OPT_END
};

static void check_options(int operands)
{
	static const char *const rules[] = { "none", "late", "sparse", "both" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(rule, rules[i]))
			t.keep.rule = (enum keep_rule)i;
	if (t.schedule.epochs % t.schedule.cycles)
		opt_usage("%d epochs cannot be divided into %d cycles", t.schedule.epochs, t.schedule.cycles);
	if (as_coded && t.keep.rule == KEEP_SPARSE)
		opt_usage("UnnUNet's code (--as-coded) fails with --keep sparse; late and both work");
	t.engine = strcmp(backend, "ref") ? &train_fast : &train_ref;
	t.keep.epochs = t.schedule.epochs;
	t.keep.cycles = t.schedule.cycles;
	t.keep.as_coded = t.schedule.as_coded = as_coded;
	if (dry_run && !operands)
		return;
	if (operands != 1 || !t.configuration || !t.model)
		opt_usage(!t.configuration ? "-c CONFIGURATION is missing" : !t.model ? "-o MODEL is missing" :
		          "expected one operand, the folder of plans and dataset.json");
	if (strcmp(t.fold, "all") && (!*t.fold || t.fold[strspn(t.fold, "0123456789")]))
		opt_usage("--fold: '%s' is neither a number nor all", t.fold);
	if (go_on && (pretrained || clean))
		opt_usage("--continue goes on with weights that are there; %s begins again", clean ? "--clean" : "--pretrained");
}

static void print_schedule(void)
{
	fputs("epoch\tcycle\trate\tkept\n", stdout);
	for (int e = 0; e < t.schedule.epochs; e++) {
		int kept = keep_epoch(&t.keep, e);
		printf("%d\t%d\t%.9g\t", e, e / (t.schedule.epochs / t.schedule.cycles), schedule_rate(&t.schedule, e));
		if (kept & KEPT)
			printf("checkpoint_%d.pth", e);
		if (kept & KEPT_APART)
			printf("%se_checkpoint_%d.pth", kept & KEPT ? "," : "", e);
		putchar('\n');
	}
	io_close_stdout();
}

static void train(void)
{
	struct batches patches, checks = {0};
	bool found = false;

	if (!training_open(&t) || (go_on && !training_continue(&t, &found)))
		die_failed();
	if (go_on && !found)
		warn("%s holds no checkpoint to go on from; a new training begins", t.folder);
	if (!found && !training_begin(&t, (uint64_t)seed, pretrained))
		die_failed();
	if (!training_claim(&t, clean, go_on))
		die_failed();
	if (t.state.epoch >= t.schedule.epochs) {
		say("all %d epochs are done", t.schedule.epochs);
		return;
	}
	batches_open(&patches, NULL, &t.network, &t.dataset.labels);
	if (validation)
		batches_open(&checks, validation, &t.network, &t.dataset.labels);
	if (!training_run(&t, &patches, validation ? &checks : NULL))
		die_failed();
	batches_close(&patches);
	batches_close(&checks);
}

int main(int argc, char **argv)
{
	opt_parse(&argc, &argv, opts, "[PREPROCESSED]",
	          "train a network on patches with a cyclic learning rate and keep checkpoints of each cycle");
	check_options(argc);
	t.preprocessed = argv[0];
	if (!t.threads)
		t.threads = parallel_cpus();
	if (dry_run)
		print_schedule();
	else
		train();
	training_free(&t);
	return 0;
}
