/* evaluate: compare label maps with references and write nnU-Net's summary.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsontext.h"
#include "common/opt.h"
#include "common/plans.h"
#include "common/progress.h"
#include "common/summary.h"
#include "common/tsv.h"

static const char *references, *dataset_json, *output;
static double tolerance_mm;
static bool surface, chill;

static const struct opt opts[] = {
	OPT_STRING('l', "labels", &references, "LABELS", "folder of reference label maps"),
	OPT_STRING(0, "dataset", &dataset_json, "FILE",
		"dataset.json with labels, regions and ignore label (PREDICTIONS/dataset.json)"),
	OPT_STRING('o', "output", &output, "FILE", "the summary (PREDICTIONS/summary.json)"),
	{ OPT_T_DOUBLE, 's', "surface", &tolerance_mm, "MM",
	  "also HD95, and surface Dice at this tolerance", 0, 1e6, NULL, &surface },
	OPT_FLAG(0, "chill", &chill, "evaluate what is there; by default every reference needs a prediction"),
	OPT_PROGRESS,
	OPT_KEEP_GOING,
	OPT_END
};

static void without_slashes(char *folder)
{
	for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
		folder[n - 1] = 0;
}

static struct labels read_labels(const char *folder)
{
	char *path = dataset_json ? xstrdup(dataset_json) : xasprintf("%s/dataset.json", folder);
	struct dataset d;
	struct labels l;

	if (!dataset_read(&d, path)) {
		if (!dataset_json && failed_code() == XIO)
			fail_prefix("the labels are not known without a dataset.json (--dataset)");
		die_failed();
	}
	l = d.labels;
	d.labels = (struct labels){ .ignore = -1 };
	dataset_free(&d);
	free(path);
	return l;
}

static bool evaluate(struct summary *s, struct labelmap m[2], const struct label_pair *p)
{
	double (*metric)[N_METRICS];

	if (!label_pair_read(&m[0], &m[1], p))
		return false;
	metric = xcalloc((size_t)s->n_structures, sizeof *metric);
	metrics_count(metric, m[0].value, m[1].value, m[0].voxels, s->labels);
	if (surface && !metrics_surface(metric, &m[0], &m[1], s->labels, tolerance_mm)) {
		free(metric);
		return false;
	}
	summary_add(s, p->prediction, p->reference, metric);
	return true;
}

/* A column's value in each row: the mean over the structures that have one, then theirs. */
static void columns(const struct summary *s, const struct summary_case *c, const char *name, enum metric m)
{
	double sum = 0;
	int n = 0;

	if (!c) {
		printf("\t%s", name);
		for (int k = 0; k < s->n_structures; k++)
			printf("\t%s:%s", name, labels_structure(s->labels, k)->name);
		return;
	}
	for (int k = 0; k < s->n_structures; k++)
		if (!isnan(c->metric[k][m])) {
			sum += c->metric[k][m];
			n++;
		}
	tsv_put(stdout, n ? sum / n : NAN);
	for (int k = 0; k < s->n_structures; k++)
		tsv_put(stdout, c->metric[k][m]);
}

/* name: of the case, or "case" for the line of names (c is NULL). */
static void row(const struct summary *s, const struct summary_case *c, const char *name)
{
	progress_clear();               /* which may be on the same terminal */
	fputs(name, stdout);
	columns(s, c, "dice", M_DICE);
	if (surface) {
		columns(s, c, "hd95", M_HD95);
		columns(s, c, "surface_dice", M_SURFACE_DICE);
	}
	putchar('\n');
}

static void need_all(const struct label_pairs *p, const char *predictions)
{
	if (p->n_missing && !chill)
		die(XDATA, "%s: %d of the references have no prediction in %s%s (--chill evaluates what is there)", p->missing,
		    p->n_missing, predictions, p->n_missing > 1 ? "; this is the first" : "");
	if (p->n_missing)
		say("%d references have no prediction; the first is %s", p->n_missing, p->missing);
}

static void write_summary(struct summary *s, const char *predictions)
{
	char *path = output ? xstrdup(output) : xasprintf("%s/summary.json", predictions);
	json_object *json;

	summary_means(s);
	json = summary_json(s, true);
	if (!json_python_write(path, json))
		die_failed();
	say("foreground mean of Dice: %.6f", s->foreground_mean[M_DICE]);
	json_object_put(json);
	free(path);
}

int main(int argc, char **argv)
{
	struct label_pairs pairs;
	struct labelmap maps[2] = {0};
	struct summary s;
	struct labels labels;
	bool failed = false;

	opt_parse(&argc, &argv, opts, "PREDICTIONS", "compare label maps with references and write nnU-Net's summary.json");
	if (argc != 1 || !references)
		opt_usage(references ? "one folder of predictions is needed" : "-l LABELS is missing");
	char *predictions = argv[0], *folder = xstrdup(references);
	without_slashes(predictions);
	without_slashes(folder);
	labels = read_labels(predictions);
	if (!label_pairs_find(&pairs, predictions, folder))
		die_failed();
	need_all(&pairs, predictions);
	summary_begin(&s, &labels, surface);
	row(&s, NULL, "case");
	progress_begin(pairs.n);
	for (int i = 0; i < pairs.n; i++) {
		int before = s.n_cases;
		if (evaluate(&s, maps, &pairs.pair[i])) {
			row(&s, &s.c[before], pairs.pair[i].name);
		} else {
			if (!keep_going)
				die(failed_code(), "%s: %s", pairs.pair[i].name, failed_text());
			warn("%s: %s", pairs.pair[i].name, failed_text());
			failed = true;
		}
		progress_step(pairs.pair[i].name);
	}
	progress_end();
	write_summary(&s, predictions);
	summary_free(&s);
	label_pairs_free(&pairs);
	labelmap_free(&maps[0]);
	labelmap_free(&maps[1]);
	labels_free(&labels);
	free(folder);
	io_close_stdout();
	return failed ? XDATA : XOK;
}
