/* fingerprint: check the training cases of a data set and measure what plans are made from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/jsontext.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "common/progress.h"
#include "filters/fingerprint/fingerprint.h"

enum { ALL_SAMPLES = 100000000 };        /* of each channel, over all cases */

static const char *output;
static bool verify_only, clean;
static int threads;

static const struct opt opts[] = {
	OPT_STRING('o', "output", &output, "FOLDER", "where dataset_fingerprint.json goes ($nnUNet_preprocessed/DATASET)"),
	OPT_FLAG(0, "verify-only", &verify_only, "look for mistakes in the data set, write nothing"),
	OPT_FLAG(0, "clean", &clean, "measure again where a fingerprint is there"),
	OPT_INT('j', "threads", &threads, "N", 0, 1024, "cases at a time; 0: one for each processor"),
	OPT_PROGRESS,
	OPT_END
};

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_kept(const struct measured *m, int n)
{
	double *kept = xmalloc((size_t)n, sizeof *kept), median;

	for (int i = 0; i < n; i++)
		kept[i] = m[i].kept;
	qsort(kept, (size_t)n, sizeof *kept, by_value);
	median = n % 2 ? kept[n / 2] : (kept[n / 2 - 1] + kept[n / 2]) / 2;
	free(kept);
	return median;
}

static void put_real(json_object *o, const char *key, double v) { json_object_object_add(o, key, json_object_new_double(v)); }

static json_object *statistics_json(const struct intensities *s)
{
	json_object *o = json_object_new_object();

	put_real(o, "max", s->max);
	put_real(o, "mean", s->mean);
	put_real(o, "median", s->median);
	put_real(o, "min", s->min);
	put_real(o, "percentile_00_5", s->percentile_00_5);
	put_real(o, "percentile_99_5", s->percentile_99_5);
	put_real(o, "std", s->std);
	return o;
}

static json_object *fingerprint_json(const struct job *j, const struct intensities *channel)
{
	json_object *top = json_object_new_object(), *channels = json_object_new_object();
	json_object *shapes = json_object_new_array(), *spacings = json_object_new_array();
	bool whole = !strcmp(j->reader, "NaturalImage2DIO");    /* 999, 1, 1, not 999.0 */
	char key[16];

	for (int c = 0; c < j->set->dataset.n_channels; c++) {
		snprintf(key, sizeof key, "%d", c);
		json_object_object_add(channels, key, statistics_json(&channel[c]));
	}
	for (int i = 0; i < j->set->n; i++) {
		json_object *shape = json_object_new_array(), *spacing = json_object_new_array();
		for (int k = 0; k < 3; k++) {
			double mm = j->m[i].spacing[k];
			json_object_array_add(shape, json_object_new_int64(j->m[i].shape[k]));
			json_object_array_add(spacing, whole ? json_object_new_int64((int64_t)mm) : json_object_new_double(mm));
		}
		json_object_array_add(shapes, shape);
		json_object_array_add(spacings, spacing);
	}
	json_object_object_add(top, "foreground_intensity_properties_per_channel", channels);
	put_real(top, "median_relative_size_after_cropping", median_kept(j->m, j->set->n));
	json_object_object_add(top, "shapes_after_crop", shapes);
	json_object_object_add(top, "spacings", spacings);
	return top;
}

/* All that is wrong, in the order of the cases. */
static void report(const struct job *j)
{
	int wrong = 0, cases = 0;

	if (j->set->n != j->set->n_training) {
		warn("%s: numTraining is %d, but there are %d cases", j->set->dataset_json, j->set->n_training, j->set->n);
		wrong++;
	}
	for (int i = 0; i < j->set->n; i++) {
		cases += j->m[i].problems != NULL;
		for (char *line = j->m[i].problems, *end; line && *line; line = end + 1) {
			end = strchr(line, '\n');
			warn("%.*s", (int)(end - line), line);
			wrong++;
		}
	}
	if (wrong)
		die(XDATA, "%s: %d mistake%s; %d of %d cases are affected", j->set->name, wrong, wrong > 1 ? "s" : "", cases,
		    j->set->n);
}

static void put_table(const struct dataset *d, const struct intensities *s)
{
	puts("channel\tname\tmean\tstd\tmedian\tmin\tmax\tpercentile_00_5\tpercentile_99_5");
	for (int c = 0; c < d->n_channels; c++)
		printf("%d\t%s\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\n", c, d->channel_name[c], s[c].mean, s[c].std, s[c].median,
		       s[c].min, s[c].max, s[c].percentile_00_5, s[c].percentile_99_5);
}

static void write_fingerprint(struct job *j, const char *path)
{
	int n = j->set->dataset.n_channels;
	struct intensities *channel = xcalloc((size_t)n, sizeof *channel);
	bool some_empty = false;
	json_object *json;

	for (int i = 0; i < j->set->n; i++)
		some_empty |= j->m[i].empty;
	for (int c = 0; c < n; c++) {
		if (!j->tally[c].n)
			die(XDATA, "%s: no case has foreground", j->set->name);
		channel[c] = tally_statistics(&j->tally[c], some_empty);
	}
	json = fingerprint_json(j, channel);
	if (!json_python_write(path, json))
		die_failed();
	put_table(&j->set->dataset, channel);
	json_object_put(json);
	free(channel);
}

/* Reads, checks and measures all cases; path: of the fingerprint, NULL to write none. */
static void make(struct training_set *s, const char *path)
{
	struct job j = { .set = s };

	if (!training_set_cases(s) || !(j.reader = training_set_reader(s)))
		die_failed();
	j.m = xcalloc((size_t)s->n, sizeof *j.m);
	j.tally = xcalloc((size_t)s->dataset.n_channels, sizeof *j.tally);
	j.samples = path ? ALL_SAMPLES / (uint32_t)s->n : 0;
	progress_begin(s->n);
	parallel_for(threads ? threads : parallel_cpus(), s->n, measure_case, &j);
	progress_end();
	report(&j);
	if (path)
		write_fingerprint(&j, path);
	for (int c = 0; c < s->dataset.n_channels; c++)
		tally_free(&j.tally[c]);
	free(j.tally);
	free(j.m);
}

int main(int argc, char **argv)
{
	struct training_set s;
	char *path = NULL;

	opt_parse(&argc, &argv, opts, "DATASET", "check the training cases of a data set and measure what plans are made from");
	if (argc != 1)
		opt_usage("expected one operand, the data set");
	if (!training_set_open(&s, argv[0], output) || (!verify_only && !training_set_make_folder(&s)))
		die_failed();
	if (!verify_only)
		path = xasprintf("%s/dataset_fingerprint.json", s.preprocessed);
	if (path && !clean && !access(path, F_OK))
		warn("%s is there and stays as it is (--clean measures again)", path);
	else
		make(&s, path);
	free(path);
	training_set_free(&s);
	io_close_stdout();
	return XOK;
}
