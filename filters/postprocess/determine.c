#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsontext.h"
#include "common/plans.h"
#include "common/summary.h"
#include "common/tsv.h"
#include "filters/postprocess/postprocess.h"
#include "filters/postprocess/rules.h"

struct job {
	struct labels labels;
	struct label_pairs pairs;
	struct rules rules;              /* accepted so far */
	struct labelmap map[2];          /* prediction, reference */
	int n;                           /* structures */
};

/* Mean Dice of each structure, over the cases that have it. */
struct dice { double *sum; int *n; };

static struct dice dice_new(int n)
{
	return (struct dice){ xcalloc((size_t)n, sizeof(double)), xcalloc((size_t)n, sizeof(int)) };
}

static void dice_free(struct dice *d)
{
	free(d->sum);
	free(d->n);
}

static void dice_add(struct dice *d, double (*metric)[N_METRICS], int n)
{
	for (int s = 0; s < n; s++)
		if (!isnan(metric[s][M_DICE])) {
			d->sum[s] += metric[s][M_DICE];
			d->n[s]++;
		}
}

static double mean_of(const struct dice *d, int s) { return d->n[s] ? d->sum[s] / d->n[s] : NAN; }

static double mean_of_all(const struct dice *d, int n)
{
	double sum = 0;

	for (int s = 0; s < n; s++)
		sum += mean_of(d, s);
	return sum / n;
}

static void read_pair(struct job *j, int i)
{
	if (!label_pair_read(&j->map[0], &j->map[1], &j->pairs.pair[i]))
		die(failed_code(), "%s: %s", j->pairs.pair[i].name, failed_text());
	rules_apply(&j->map[0], &j->rules);
}

/* Dice of all cases after the accepted rules, in d[0], and after one candidate more each, in d[1 + k].
 * summary: NULL, or receives the metrics of the former. */
static void measure(struct job *j, struct summary *summary, const struct rule *candidate, int n, struct dice *d)
{
	double (*metric)[N_METRICS] = xcalloc((size_t)j->n, sizeof *metric), (*before)[N_METRICS];
	const struct labelmap *ref = &j->map[1];

	for (int i = 0; i < j->pairs.n; i++) {
		uint16_t *saved;
		read_pair(j, i);
		before = xcalloc((size_t)j->n, sizeof *before);
		metrics_count(before, j->map[0].value, ref->value, ref->voxels, &j->labels);
		dice_add(&d[0], before, j->n);
		saved = xmalloc(ref->voxels, sizeof *saved);
		memcpy(saved, j->map[0].value, ref->voxels * sizeof *saved);
		for (int k = 0; k < n; k++) {
			if (rule_apply(&j->map[0], &candidate[k]) == 0) {
				dice_add(&d[1 + k], before, j->n);
				continue;
			}
			metrics_count(metric, j->map[0].value, ref->value, ref->voxels, &j->labels);
			dice_add(&d[1 + k], metric, j->n);
			memcpy(j->map[0].value, saved, ref->voxels * sizeof *saved);
		}
		free(saved);
		if (summary)
			summary_add(summary, j->pairs.pair[i].prediction, j->pairs.pair[i].reference, before);
		else
			free(before);
	}
	free(metric);
}

/* Accepted or not; says so in the table. */
static void decide(struct job *j, const struct rule *rule, const char *name, double before, double after, bool accept)
{
	fputs(name, stdout);
	tsv_put(stdout, before);
	tsv_put(stdout, after);
	puts(accept ? "\tyes" : "\tno");
	if (accept)
		rules_add(&j->rules, rule->form, rule->value, rule->n);
}

/* All foreground labels together: the mean must grow and no structure lose.  Comparisons with NaN are false. */
static void try_foreground(struct job *j, struct summary *baseline)
{
	struct rule all = { RULE_LIST, j->labels.n_foreground, j->labels.foreground };
	struct dice d[2] = { dice_new(j->n), dice_new(j->n) };
	double before, after;
	bool accept;

	measure(j, baseline, &all, 1, d);
	before = mean_of_all(&d[0], j->n);
	after = mean_of_all(&d[1], j->n);
	accept = after > before;
	for (int s = 0; s < j->n; s++)
		accept &= !(mean_of(&d[1], s) < mean_of(&d[0], s));
	decide(j, &all, "foreground", before, after, accept);
	dice_free(&d[0]);
	dice_free(&d[1]);
}

/* Each structure alone, on top of what was accepted before: its own Dice must grow.  Classes do not touch each other, so all of
 * them are tried in one pass; regions may overlap, and every one is tried after the decision on the last. */
static void try_structures(struct job *j)
{
	int batch = j->labels.has_regions ? 1 : j->n;
	struct rule *rule = xcalloc((size_t)j->n, sizeof *rule);
	struct dice *d = xcalloc((size_t)batch + 1, sizeof *d);

	for (int s = 0; s < j->n; s++) {
		const struct label *l = labels_structure(&j->labels, s);
		rule[s] = (struct rule){ j->labels.has_regions && l->is_list ? RULE_TUPLE : RULE_VALUE, l->n, l->value };
	}
	for (int first = 0; first < j->n; first += batch) {
		for (int k = 0; k <= batch; k++)
			d[k] = dice_new(j->n);
		measure(j, NULL, rule + first, batch, d);
		for (int k = 0; k < batch; k++) {
			int s = first + k;
			double before = mean_of(&d[0], s), after = mean_of(&d[1 + k], s);
			decide(j, &rule[s], labels_structure(&j->labels, s)->name, before, after, after > before);
		}
		for (int k = 0; k <= batch; k++)
			dice_free(&d[k]);
	}
	free(d);
	free(rule);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The result of all accepted rules: its summary and, if folder is not NULL, its files. */
static void finish(struct job *j, struct summary *s, const char *folder)
{
	for (int i = 0; i < j->pairs.n; i++) {
		const struct label_pair *p = &j->pairs.pair[i];
		double (*metric)[N_METRICS] = xcalloc((size_t)j->n, sizeof *metric);
		char *path = folder ? xasprintf("%s/%s", folder, base_name(p->prediction)) : xstrdup(p->prediction);
		read_pair(j, i);
		metrics_count(metric, j->map[0].value, j->map[1].value, j->map[0].voxels, &j->labels);
		if (folder && !labelmap_write(path, &j->map[0]))
			die(failed_code(), "%s: %s", p->name, failed_text());
		summary_add(s, path, p->reference, metric);
		free(path);
	}
}

static void write_summary(struct summary *s, const char *folder)
{
	char *path = xasprintf("%s/summary.json", folder);
	json_object *json;

	summary_means(s);
	json = summary_json(s, true);
	if (!json_python_write(path, json))
		die_failed();
	json_object_put(json);
	free(path);
}

static void write_rules(const struct rules *r, const struct summary *before, const struct summary *after, const char *folder)
{
	json_object *o = json_object_new_object();
	char *json = xasprintf("%s/postprocessing.json", folder), *pickle = xasprintf("%s/postprocessing.pkl", folder);

	json_object_object_add(o, "input_folder", summary_json(before, false));
	json_object_object_add(o, "postprocessed", summary_json(after, false));
	rules_to_json(o, r);
	if (!rules_write_pickle(pickle, r) || !json_python_write(json, o))
		die_failed();
	json_object_put(o);
	free(json);
	free(pickle);
}

static void begin(struct job *j, const char *predictions, const char *references, const char *dataset_json)
{
	char *path = dataset_json ? xstrdup(dataset_json) : xasprintf("%s/dataset.json", predictions);
	struct dataset d;

	*j = (struct job){0};
	if (!dataset_read(&d, path) || !label_pairs_find(&j->pairs, predictions, references))
		die_failed();
	j->labels = d.labels;
	d.labels = (struct labels){ .ignore = -1 };
	dataset_free(&d);
	j->n = labels_n_structures(&j->labels);
	if (j->pairs.n_missing)
		warn("%d references have no prediction, the first is %s; post-processing should be determined on all cases",
		     j->pairs.n_missing, j->pairs.missing);
	free(path);
}

void postprocess_determine(const char *predictions, const char *references, const char *dataset_json, bool keep)
{
	struct job j;
	struct summary before, after;
	char *folder = keep ? xasprintf("%s/postprocessed", predictions) : NULL;

	begin(&j, predictions, references, dataset_json);
	summary_begin(&before, &j.labels, false);
	summary_begin(&after, &j.labels, false);
	if (folder && !io_mkdirs(folder))
		die_failed();
	puts("keep_largest\tdice_before\tdice_after\taccepted");
	try_foreground(&j, &before);
	if (j.n > 1)
		try_structures(&j);
	finish(&j, &after, folder);
	write_summary(&before, predictions);
	if (folder)
		write_summary(&after, folder);
	else
		summary_means(&after);
	write_rules(&j.rules, &before, &after, predictions);
	summary_free(&before);
	summary_free(&after);
	label_pairs_free(&j.pairs);
	labels_free(&j.labels);
	labelmap_free(&j.map[0]);
	labelmap_free(&j.map[1]);
	rules_free(&j.rules);
	free(folder);
}
