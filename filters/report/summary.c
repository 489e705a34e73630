#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/report/html.h"
#include "filters/report/page.h"
#include "filters/report/words.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The finite values of a column, ascending: [n], malloc'ed. */
static double *finite_values(size_t *n, const struct report *r, int column)
{
	double *v = xmalloc(r->table.n_rows, sizeof *v);

	*n = 0;
	for (size_t i = 0; column >= 0 && i < r->table.n_rows; i++) {
		v[*n] = tsv_number(&r->table, i, column);
		*n += isfinite(v[*n]);
	}
	qsort(v, *n, sizeof *v, by_value);
	return v;
}

static double median(const double *v, size_t n) { return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2; }

static void put_range(FILE *out, const char *what, const double *v, size_t n)
{
	if (n)
		fprintf(out, "<div><dt>%s, median</dt><dd>%.4g <small>from %.4g to %.4g</small></dd></div>\n", what, median(v, n), v[0], v[n - 1]);
}

static void put_flags(FILE *out, const struct report *r)
{
	for (int i = 0; i < r->n_counts; i++) {
		const struct flag_count *c = &r->count[i];
		fprintf(out, "<li%s>", flag_is_note(c->flag.name, c->flag.length) ? "" : " class=\"warning\"");
		if (flag_is_common(r, &c->flag))
			fprintf(out, "<b>All</b> %zu%s: ", r->table.n_rows, c->cases < r->table.n_rows ? ", but for those that failed" : "");
		else
			fprintf(out, "<b>%zu</b> of %zu: ", c->cases, r->table.n_rows);
		put_flag(out, &c->flag);
		fputs("</li>\n", out);
	}
}

void put_summary(FILE *out, const struct report *r)
{
	size_t n_score, n_dice, failed = 0;
	double *score = finite_values(&n_score, r, r->score), *dice = finite_values(&n_dice, r, r->dice), mean = 0;
	int members = tsv_column(&r->table, "members");

	for (size_t i = 0; i < r->table.n_rows; i++)
		failed += has_flag(r, i, "failed");
	for (size_t i = 0; i < n_dice; i++)
		mean += dice[i] / (double)n_dice;
	fprintf(out, "<dl class=\"figures\">\n<div><dt>cases</dt><dd>%zu%s</dd></div>\n", r->table.n_rows, failed ? "" : " <small>none failed</small>");
	if (failed)
		fprintf(out, "<div><dt>failed</dt><dd>%zu <small>have no segmentation</small></dd></div>\n", failed);
	if (r->score >= 0)
		put_range(out, r->table.name[r->score], score, n_score);
	if (n_dice)
		fprintf(out, "<div><dt>Dice, mean</dt><dd>%.3f <small>of %zu with reference labels</small></dd></div>\n", mean, n_dice);
	else
		fputs("<div><dt>Dice</dt><dd>unknown <small>no reference labels</small></dd></div>\n", out);
	if (members >= 0 && !r->table.is_text[members]) {
		size_t n;
		double *m = finite_values(&n, r, members);
		if (n && m[0] == m[n - 1])
			fprintf(out, "<div><dt>members</dt><dd>%.0f <small>checkpoints averaged</small></dd></div>\n", m[0]);
		else if (n)
			fprintf(out, "<div><dt>members</dt><dd>%.0f to %.0f <small>checkpoints averaged</small></dd></div>\n", m[0], m[n - 1]);
		free(m);
	}
	fputs("</dl>\n", out);
	if (r->n_counts) {
		fputs("<ul class=\"flags\">\n", out);
		put_flags(out, r);
		fputs("</ul>\n", out);
	}
	free(score);
	free(dice);
}

void put_limits(FILE *out, const struct report *r)
{
	size_t n;
	double *dice = finite_values(&n, r, r->dice);

	free(dice);
	fputs("<section class=\"limits\" aria-labelledby=\"limits-heading\">\n", out);
	if (!n)
		fputs("<h2 id=\"limits-heading\">What this page cannot know</h2>\n"
		      "<p>There are no reference labels, so <strong>nobody knows here how good any of these segmentations is</strong>. The score\n"
		      "says how much the members of the ensemble hesitate or contradict each other. It ranks the images of one model and one\n"
		      "kind of data: begin at the top of the list. It has no limit above which a case is wrong, its scale means nothing across\n"
		      "models, and a low score is no proof: members can agree on the same mistake.</p>\n", out);
	else
		fprintf(out, "<h2 id=\"limits-heading\">How to read this page</h2>\n"
		      "<p>Reference labels are known for %zu of %zu cases, so the page shows how well the score tells Dice on <em>these</em> images.\n"
		      "A score is a warning, not a proof: members can agree on the same mistake, its scale means nothing across models, and what\n"
		      "holds here need not hold for other scanners, patients or labels.</p>\n", n, r->table.n_rows);
	fputs("</section>\n", out);
}
