/* correlate: how well each score of a table tells Dice: correlations and a line fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/stats.h"
#include "common/tsv.h"

static const char *against = "dice", *columns;
static const struct opt opts[] = {
	OPT_STRING('y', "against", &against, "COLUMN", "the column that the others are to tell"),
	OPT_STRING('x', "columns", &columns, "COLUMN,...", "the scores to look at (all columns of numbers but slice, members and dice)"),
	OPT_END
};

/* Columns that describe a case instead of rating it. */
static bool is_score(const struct tsv *t, int c, int y)
{
	return c != y && !t->is_text[c] && strcmp(t->name[c], "members") && strcmp(t->name[c], "slice") &&
	       strcmp(t->name[c], "dice") && strncmp(t->name[c], "dice:", 5);
}

/* The rows where both are finite, x and y: [n_rows]. */
static size_t finite_rows(double *x, double *y, const struct tsv *t, int cx, int cy)
{
	size_t n = 0;

	for (size_t r = 0; r < t->n_rows; r++) {
		x[n] = tsv_number(t, r, cx);
		y[n] = tsv_number(t, r, cy);
		n += isfinite(x[n]) && isfinite(y[n]);
	}
	return n;
}

static bool constant(const double *x, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (x[i] != x[0])
			return false;
	return true;
}

static void one_score(const struct tsv *t, int cx, int cy, double *x, double *y)
{
	size_t n = finite_rows(x, y, t, cx, cy);
	struct fit fit = { NAN, NAN, NAN };
	double pearson = NAN, spearman = NAN, kendall = NAN;

	if (n < 2) {
		warn("%s: %zu of %zu rows have a finite value of it and of %s; two are needed", t->name[cx], n, t->n_rows, t->name[cy]);
	} else {
		if (constant(x, n) || constant(y, n))
			warn("%s: %s is the same in all %zu rows, so nothing can be said", t->name[cx], t->name[constant(x, n) ? cx : cy], n);
		pearson = stats_pearson(x, y, n);
		spearman = stats_spearman(x, y, n);
		kendall = stats_kendall(x, y, n);
		fit = stats_fit(x, y, n);
	}
	printf("%s\t%zu\t%zu", t->name[cx], n, t->n_rows - n);
	tsv_put(stdout, pearson);
	tsv_put(stdout, spearman);
	tsv_put(stdout, kendall);
	tsv_put(stdout, fit.slope);
	tsv_put(stdout, fit.intercept);
	tsv_put(stdout, fit.r2);
	putchar('\n');
}

static int need_column(const struct tsv *t, const char *name, const char *file)
{
	int c = tsv_column(t, name);

	if (c < 0)
		die(XDATA, "%s has no column %s%s", file, name, strcmp(name, "dice") ? "" : "; score -r makes it");
	if (t->is_text[c])
		die(XDATA, "%s: no cell of column %s is a number", file, name);
	return c;
}

static void chosen(const struct tsv *t, const char *file, int cy, double *x, double *y)
{
	char *list = xstrdup(columns);

	for (char *s = list, *next; s; s = next) {
		next = strchr(s, ',');
		if (next)
			*next++ = 0;
		one_score(t, need_column(t, s, file), cy, x, y);
	}
	free(list);
}

int main(int argc, char **argv)
{
	struct tsv t;
	const char *file;
	double *x, *y;
	int cy;

	opt_parse(&argc, &argv, opts, "[FILE]", "how well each score of a table tells Dice: correlations and a line fit");
	if (argc > 1)
		opt_usage("there are %d operands where one table is read", argc);
	if (!tsv_read(&t, argc ? argv[0] : NULL))
		die_failed();
	file = argc && strcmp(argv[0], "-") ? argv[0] : "standard input";
	if (t.n_rows == 0)
		die(XDATA, "%s has a line of names but no cases", file);
	cy = need_column(&t, against, file);
	x = xmalloc(t.n_rows + 1, sizeof *x);
	y = xmalloc(t.n_rows + 1, sizeof *y);
	puts("score\tn\tdropped\tpearson\tspearman\tkendall\tslope\tintercept\tr2");
	if (columns)
		chosen(&t, file, cy, x, y);
	for (int c = 0; !columns && c < t.n_columns; c++)
		if (is_score(&t, c, cy))
			one_score(&t, c, cy, x, y);
	free(x);
	free(y);
	tsv_free(&t);
	io_close_stdout();
	return XOK;
}
