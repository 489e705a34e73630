/* sample-patches: cut random patches out of the training cases as nnU-Net's data loader does. */
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "filters/sample-patches/sample.h"

static const char *output, *plans = "nnUNetPlans", *configuration, *fold = "0", *previous;
static int threads, epoch, epochs = 1, iterations = 250, batch, seed = 0;
static double oversample = 0.33;
static bool validation, list;

static const struct opt opts[] = {
	OPT_STRING('c', "configuration", &configuration, "NAME", "2d, 3d_fullres ..."),
	OPT_STRING('p', "plans", &plans, "NAME", "the plans"),
	OPT_STRING('f', "fold", &fold, "FOLD", "number of a fold in splits_final.json, or all"),
	OPT_FLAG(0, "validation", &validation, "the fold's validation cases, patches of the network's size"),
	OPT_FLAG(0, "list", &list, "print the fold's cases with their files and draw nothing"),
	OPT_STRING(0, "previous", &previous, "FOLDER", "label maps of the previous stage of a cascade"),
	OPT_INT('e', "epoch", &epoch, "N", 0, 1000000, "first epoch"),
	OPT_INT(0, "epochs", &epochs, "N", 1, 1000000, "number of epochs"),
	OPT_INT('i', "iterations", &iterations, "N", 1, 1000000, "batches an epoch"),
	OPT_INT('b', "batch-size", &batch, "N", 0, 65535, "patches a batch; 0: as the plans say"),
	OPT_DOUBLE(0, "oversample", &oversample, "SHARE", 0, 1, "of a batch that is placed by its foreground"),
	OPT_INT(0, "seed", &seed, "N", 0, 2147483647, "of all random numbers"),
	OPT_STRING('o', "preprocessed", &output, "FOLDER", "where plans and splits are ($nnUNet_preprocessed/DATASET)"),
	OPT_INT('j', "threads", &threads, "N", 0, 1024, "cases prepared at a time; 0: one for each processor"),
	OPT_PROGRESS,
	OPT_END
};

struct job {
	struct training_set set;
	struct plan plan;
	const char *reader;
	char *splits_path;
	json_object *splits;             /* splits_final.json */
	int n;
	const struct training_case **c;  /* [n] of the fold */
	struct prepared *p;              /* [n] */
	size_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void add_named(struct job *j, const char *name, const char *file)
{
	for (int i = 0; i < j->set.n; i++)
		if (!strcmp(j->set.c[i].name, name)) {
			j->c[j->n++] = &j->set.c[i];
			return;
		}
	die(XDATA, "%s names case %s, which the data set does not have", file, name);
}

/* splits_final.json is a list, which json_read() does not take. */
static void choose_cases(struct job *j)
{
	char *path = j->splits_path = xasprintf("%s/splits_final.json", j->set.preprocessed), *end;
	long k = strtol(fold, &end, 10);
	json_object *part = NULL, *names = NULL;

	j->c = xcalloc((size_t)j->set.n, sizeof *j->c);
	if (!strcmp(fold, "all")) {
		for (int i = 0; i < j->set.n; i++)
			j->c[j->n++] = &j->set.c[i];
		return;
	}
	if (end == fold || *end || k < 0)
		opt_usage("--fold: '%s' is neither a number nor all", fold);
	j->splits = json_object_from_file(path);
	if (json_object_is_type(j->splits, json_type_array) && (size_t)k < json_object_array_length(j->splits))
		part = json_object_array_get_idx(j->splits, (size_t)k);
	if (!json_object_object_get_ex(part, validation ? "val" : "train", &names) || !json_object_is_type(names, json_type_array))
		die(XDATA, "%s has no fold %ld; 'split' makes the file", path, k);
	for (size_t i = 0; i < json_object_array_length(names) && j->n < j->set.n; i++) {
		json_object *name = json_object_array_get_idx(names, i);
		if (!json_object_is_type(name, json_type_string))
			die(XDATA, "%s: the cases of fold %ld are no names", path, k);
		add_named(j, json_object_get_string(name), path);
	}
	if (!j->n)
		die(XDATA, "%s: fold %ld has no cases", path, k);
}

static void prepare_case(void *job, int i, int worker)
{
	struct job *j = job;
	bool ok = prepare(&j->p[i], j->c[i], &j->set, &j->plan, j->reader, previous);

	(void)worker;
	pthread_mutex_lock(&lock);
	if (!ok)
		die(failed_code(), "%s: %s", j->c[i]->name, failed_text());
	j->bytes += j->p[i].bytes;
	if (j->bytes > memory_limit)
		die(XDATA, "the preprocessed cases need more than %zu MiB (--memory raises it)", memory_limit >> 20);
	progress_step(j->c[i]->name);
	pthread_mutex_unlock(&lock);
}

static void put_frame(struct sink *out, struct frame *f, const struct sampler *s, const struct job *j, const struct sample *at,
                      const int number[3])
{
	const struct prepared *p = &j->p[at->c];
	char *name = xasprintf("e%04d_i%04d_s%03d_%s", number[0], number[1], number[2], p->name);
	struct layer *image, *label, *outside;
	int64_t masked[MAX_CHANNELS];
	msgpack_object map = mpk_map();

	for (int c = 0; c < j->plan.n_channels; c++)
		masked[c] = j->plan.use_mask[c];
	frame_reset(f, name);
	image = frame_add(f, "image", DT_F4, p->channels);
	label = frame_add(f, "label", DT_U2, 1);
	outside = frame_add(f, "outside", DT_U1, 1);
	frame_grid(f, s->patch, p->g.network_spacing, 0);
	if (!frame_alloc_volume(f))
		die_failed();
	sample_cut(image->data, label->data, outside->data, p, at->begin, s->patch);
	mpk_put(f->zone, &map, "case", mpk_str(f->zone, p->name));
	mpk_put(f->zone, &map, "number", mpk_ints(f->zone, (int64_t[]){ number[0], number[1], number[2] }, 3));
	mpk_put(f->zone, &map, "begin", mpk_ints(f->zone, at->begin, 3));
	mpk_put(f->zone, &map, "final", mpk_ints(f->zone, s->final, 3));
	mpk_put(f->zone, &map, "masked", mpk_ints(f->zone, masked, j->plan.n_channels));
	mpk_put(f->zone, &map, "previous", mpk_int(p->channels - j->plan.n_channels));
	mpk_put(f->zone, &map, "validation", mpk_bool(validation));
	mpk_put(f->zone, &map, "structure", mpk_str(f->zone, at->structure < 0 ? "" :
		at->structure == labels_n_structures(s->labels) ? "annotated" : labels_structure(s->labels, at->structure)->name));
	frame_put(f, "sample", map);
	labels_to_frame(f, s->labels);
	sink_volume(out, f);
	free(name);
}

static void open_plan(struct job *j)
{
	char *path = xasprintf("%s/%s.json", j->set.preprocessed, plans);

	if (!plan_read(&j->plan, path, configuration))
		die_failed();
	free(path);
	j->reader = j->plan.reader;
	if (j->plan.previous_stage && !previous)
		opt_usage("configuration %s needs the label maps that %s predicted: --previous FOLDER", configuration,
		          j->plan.previous_stage);
	if (!j->plan.previous_stage && previous)
		opt_usage("configuration %s has no previous stage, but --previous is given", configuration);
	if (!batch && !j->plan.batch_size)
		opt_usage("configuration %s of %s has no batch size; -b gives one", configuration, plans);
}

static void prepare_all(struct job *j)
{
	j->p = xcalloc((size_t)j->n, sizeof *j->p);
	progress_begin(j->n);
	parallel_for(threads ? threads : parallel_cpus(), j->n, prepare_case, j);
	progress_end();
	say("%d cases on the network's grid, %zu MiB", j->n, j->bytes >> 20);
}

static int write_samples(struct sink *out, const struct job *j)
{
	struct sampler s = { .labels = &j->set.dataset.labels, .batch = batch ? batch : j->plan.batch_size,
	                     .oversample = oversample, .seed = (uint64_t)seed };
	struct frame f = {0};

	memcpy(s.final, j->plan.patch_size, sizeof s.final);
	memcpy(s.patch, s.final, sizeof s.patch);
	if (!validation)
		sampler_patch(s.patch, s.final, j->plan.is_2d);
	sink_expect(out, (int64_t)epochs * iterations * s.batch);
	for (int e = epoch; e < epoch + epochs; e++)
		for (int i = 0; i < iterations; i++)
			for (int k = 0; k < s.batch; k++) {
				struct sample at = sample_place(&s, j->p, j->n, e, i, k);
				put_frame(out, &f, &s, j, &at, (int[]){ e, i, k });
			}
	frame_free(&f);
	return filter_end(NULL, out);
}

static int print_cases(const struct job *j)
{
	puts("case\tlabel\timages");
	for (int i = 0; i < j->n; i++) {
		printf("%s\t%s", j->c[i]->name, j->c[i]->label);
		for (int k = 0; k < j->c[i]->n_images; k++)
			printf("\t%s", j->c[i]->image[k]);
		putchar('\n');
	}
	io_close_stdout();
	return XOK;
}

int main(int argc, char **argv)
{
	struct job j = {0};
	struct sink *out = NULL;
	int status;

	opt_parse(&argc, &argv, opts, "DATASET", "cut random patches out of the training cases as nnU-Net's data loader does");
	if (argc != 1 || !configuration)
		opt_usage(configuration ? "expected one operand, the data set" : "-c CONFIGURATION is missing");
	if (!training_set_open(&j.set, argv[0], output) || !training_set_cases(&j.set))
		die_failed();
	if (!j.set.preprocessed)
		opt_usage("where the plans are is not known: -o FOLDER names it, or the environment variable nnUNet_preprocessed");
	open_plan(&j);
	choose_cases(&j);
	if (!list) {
		out = sink_open(NULL);          /* refuses a terminal before, not after, all the work */
		prepare_all(&j);
	}
	status = list ? print_cases(&j) : write_samples(out, &j);
	for (int i = 0; j.p && i < j.n; i++)
		prepared_free(&j.p[i]);
	json_object_put(j.splits);
	free(j.splits_path);
	free(j.p);
	free(j.c);
	plan_free(&j.plan);
	training_set_free(&j.set);
	return status;
}
