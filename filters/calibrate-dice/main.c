/* calibrate-dice: expected Dice from a score, with a bound that new patients keep to. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cohort.h"
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/calibrate-dice/fit.h"
#include "filters/calibrate-dice/model.h"

static const char *score = "class_entropy", *against = "dice", *orientation, *promise = "case", *output, *file;
static double alpha = 0.1, share = 0.5;
static bool no_bound, fit_only[8];
static int seed = 1;
static const struct opt opts[] = {
	{ OPT_T_STRING, 'x', "score", &score, "COLUMN", "fit: the score that is to tell Dice", 0, 0, NULL, &fit_only[0] },
	{ OPT_T_STRING, 'y', "against", &against, "COLUMN", "fit: the column that is expected", 0, 0, NULL, &fit_only[1] },
	{ OPT_T_CHOICE, 0, "orient", &orientation, "WAY", "fit: read the score so, not by the rule of correlate", 0, 0,
	  "uncertainty|confidence", &fit_only[2] },
	{ OPT_T_DOUBLE, 'a', "alpha", &alpha, "ALPHA", "fit: share of new cases that may lie below the bound", 1e-6, 0.5, NULL, &fit_only[3] },
	{ OPT_T_CHOICE, 0, "promise", &promise, "WHAT", "fit: the bound holds for a case of a new patient, or for all cases of one at once",
	  0, 0, "case|patient", &fit_only[4] },
	{ OPT_T_DOUBLE, 0, "share", &share, "SHARE", "fit: share of patients that the curve is fitted on; the others give the bound",
	  0.05, 0.95, NULL, &fit_only[5] },
	{ OPT_T_FLAG, 0, "no-bound", &no_bound, NULL, "fit: the curve alone, on all patients", 0, 0, NULL, &fit_only[6] },
	OPT_CLUSTERS,
	{ OPT_T_INT, 0, "seed", &seed, "N", "fit: which patients are held out", 0, 2147483647, NULL, &fit_only[7] },
	OPT_STRING('o', "output", &output, "FILE", "fit: write the model into FILE, whole or not at all (standard output)"),
	OPT_STRING('m', "model", &file, "FILE", "apply: the model that fit wrote"),
	OPT_END
};

static void fit(const struct tsv *t, const char *table)
{
	struct model m;
	struct clusters clusters;
	struct fitting how = { .with_bound = !no_bound, .whole = !strcmp(promise, "patient"), .alpha = alpha, .share = share,
		.seed = (uint64_t)seed };
	int cx = column_needed(t, score, table), cy = column_needed(t, against, table);

	if (column_bad(against) != BAD_SMALL)
		opt_usage("-y %s: only columns whose small values are the bad ones can be expected, such as dice and surface_dice", against);
	how.confident = orientation ? *orientation == 'c' : column_confident(score);
	if (!clusters_find(&clusters, t, table) || !model_fit(&m, t, cx, cy, &clusters, &how) || !model_write(output, &m))
		die_failed();
	if (m.held_out.cases)
		say("curve from %d cases of %d patients; margin %.4g from %d cases of %d others, where it errs by %.4g on average",
		    m.fit.cases, m.fit.patients, m.margin, m.held_out.cases, m.held_out.patients, m.error);
	clusters_free(&clusters);
	model_free(&m);
}

/* Is this more doubtful than all that the curve was fitted on? */
static bool beyond(const struct model *m, double x)
{
	return m->confident ? x < m->curve.x[0] : x > m->curve.x[m->curve.n - 1];
}

static void apply_row(const struct tsv *t, size_t r, const struct model *m, double x)
{
	double expected = curve_at(&m->curve, x);

	for (int c = 0; c < t->n_columns; c++)
		printf(c ? "\t%s" : "%s", t->cell[r * (size_t)t->n_columns + (size_t)c]);
	tsv_put(stdout, expected);
	if (m->held_out.cases)
		tsv_put(stdout, isnan(expected) ? NAN : fmax(0, expected - m->margin));
	putchar('\n');
}

/* How the predictions fared, where the table knows. */
static void judge(const struct tsv *t, int cx, const struct model *m)
{
	int cy = tsv_column(t, m->against);
	double error = 0, kept = 0, n = 0;

	for (size_t r = 0; cy >= 0 && !t->is_text[cy] && r < t->n_rows; r++) {
		double y = tsv_number(t, r, cy), e = curve_at(&m->curve, tsv_number(t, r, cx));
		if (isnan(e) || !isfinite(y))
			continue;
		error += fabs(e - y);
		kept += y >= fmax(0, e - m->margin);
		n++;
	}
	if (n > 0)
		say("%.0f cases have %s: the mean error is %.4g", n, m->against, error / n);
	if (n > 0 && m->held_out.cases)
		say("%.1f %% of them are not below %s_lower; promised are %g %%", 100 * kept / n, m->against, 100 * (1 - m->alpha));
}

static void apply(const struct tsv *t, const char *table)
{
	struct model m;
	char *expected, *lower;
	size_t far = 0;
	int cx;

	if (!model_read(&m, file))
		die_failed();
	cx = column_needed(t, m.score, table);
	expected = xasprintf("expected_%s", m.against);
	lower = xasprintf("%s_lower", m.against);
	if (tsv_column(t, expected) >= 0 || tsv_column(t, lower) >= 0)
		die(XDATA, "%s has a column %s already", table, tsv_column(t, expected) >= 0 ? expected : lower);
	for (int c = 0; c < t->n_columns; c++)
		printf(c ? "\t%s" : "%s", t->name[c]);
	printf("\t%s", expected);
	printf(m.held_out.cases ? "\t%s\n" : "\n", lower);
	for (size_t r = 0; r < t->n_rows; r++) {
		double x = tsv_number(t, r, cx);
		apply_row(t, r, &m, x);
		far += !isnan(x) && beyond(&m, x);
	}
	if (far)
		warn("%zu of %zu cases are more doubtful than all that the curve was fitted on, so less than its end may be expected of them",
		     far, t->n_rows);
	judge(t, cx, &m);
	free(expected);
	free(lower);
	model_free(&m);
}

int main(int argc, char **argv)
{
	struct tsv t;
	const char *table;
	bool fitting;

	opt_parse(&argc, &argv, opts, "fit|apply [FILE]", "expected Dice from a score, with a bound that new patients keep to");
	if (argc < 1 || argc > 2 || (strcmp(argv[0], "fit") && strcmp(argv[0], "apply")))
		opt_usage("the operands are 'fit' or 'apply', and a table");
	fitting = !strcmp(argv[0], "fit");
	if (fitting && file)
		opt_usage("-m belongs to apply");
	if (!fitting && !file)
		opt_usage("apply needs -m FILE");
	for (int i = 0; !fitting && i < 8; i++)
		if (fit_only[i] || output || cluster_regex || cluster_column)
			opt_usage("apply takes no option but -m");
	if (!tsv_read(&t, argc > 1 ? argv[1] : NULL))
		die_failed();
	table = argc > 1 && strcmp(argv[1], "-") ? argv[1] : "standard input";
	if (fitting)
		fit(&t, table);
	else
		apply(&t, table);
	tsv_free(&t);
	io_close_stdout();
	return XOK;
}
