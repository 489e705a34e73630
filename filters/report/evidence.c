#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/report/html.h"
#include "filters/report/page.h"

const char *const plot_names[4] = { "scatter", "risk-coverage", "reliability", "members" };

static const struct { const char *heading, *words; } figures[4] = {
	{ "Score and Dice", "A point is a case. Points should fall from the upper left to the lower right: the more doubt, the lower Dice." },
	{ "What is left when the most doubtful cases are set aside", "Mean error (1 \xe2\x88\x92 Dice) of the cases that are kept. The sooner the line falls "
	  "towards the left, the better the score finds the bad cases; a score that knows nothing stays level." },
	{ "Are the probabilities honest?", "How often a predicted probability came true. On the diagonal probabilities mean what they say; "
	  "below it the network is too sure." },
	{ "Number of members", "What another checkpoint in the ensemble gains." },
};

bool plots_read(struct report *r, const char *folder)
{
	bool any = false;

	for (int i = 0; i < 4; i++) {
		char *path = xasprintf("%s/%s.svg", folder, plot_names[i]);
		struct stat st;
		bool there = !stat(path, &st), ok = !there || io_slurp(path, memory_limit, &r->plot[i].svg, &r->plot[i].n);
		any = any || there;
		free(path);
		if (!ok)
			return false;
	}
	if (!any)
		warn("%s holds none of scatter.svg, risk-coverage.svg, reliability.svg, members.svg; 'qualm plot' draws them", folder);
	return true;
}

void plots_free(struct report *r)
{
	for (int i = 0; i < 4; i++)
		free(r->plot[i].svg);
}

void put_cell(FILE *out, const char *cell)
{
	char *end, text[32];
	double v = strtod(cell, &end);

	if (*end || end == cell) {
		html_text(out, cell);
		return;
	}
	if (isnan(v))
		fputs("\xe2\x80\x93", out);             /* an en dash: not there */
	else if (v == floor(v) && fabs(v) < 1e9)
		fprintf(out, "%.0f", v);
	else {
		snprintf(text, sizeof text, "%.4g", v);
		fprintf(out, "%s%s", *text == '-' ? "\xe2\x88\x92" : "", text + (*text == '-'));
	}
}

static bool row_has(const struct tsv *t, size_t row, const char *word)
{
	for (int c = 0; word && c < t->n_columns; c++)
		if (!strcmp(tsv_cell(t, row, c), word))
			return true;
	return false;
}

/* Any table as it stands, names first; rows with the cell `chosen` stand out. */
static void put_table(FILE *out, const struct tsv *t, const char *chosen)
{
	fputs("<div class=\"wide\"><table class=\"plain\">", out);
	fputs("\n<thead><tr>", out);
	for (int c = 0; c < t->n_columns; c++) {
		fprintf(out, "<th scope=\"col\"%s>", t->is_text[c] ? "" : " class=\"number\"");
		html_text(out, t->name[c]);
		fputs("</th>", out);
	}
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < t->n_rows; i++) {
		fprintf(out, "<tr%s>", row_has(t, i, chosen) ? " class=\"chosen\"" : "");
		for (int c = 0; c < t->n_columns; c++) {
			const char *tag = c ? "td" : "th";
			fprintf(out, "<%s%s%s>", tag, c ? "" : " scope=\"row\"", t->is_text[c] ? "" : " class=\"number\"");
			put_cell(out, tsv_cell(t, i, c));
			fprintf(out, "</%s>", tag);
		}
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

void put_evidence(FILE *out, const struct report *r)
{
	bool any = false;

	for (int i = 0; i < 4; i++)
		any = any || r->plot[i].svg;
	if (!any)
		return;
	fputs("<section aria-labelledby=\"evidence-heading\">\n<h2 id=\"evidence-heading\">How far the score can be trusted</h2>\n", out);
	fputs("<div class=\"plots\">\n", out);
	for (int i = 0; i < 4; i++) {
		if (!r->plot[i].svg)
			continue;
		fprintf(out, "<figure><figcaption><b>%s</b> %s</figcaption><img alt=\"%s\" src=\"data:image/svg+xml;base64,", figures[i].heading,
		        figures[i].words, figures[i].heading);
		html_base64(out, (const unsigned char *)r->plot[i].svg, r->plot[i].n);
		fputs("\"></figure>\n", out);
	}
	fputs("</div>\n", out);
	fputs("</section>\n", out);
}

void put_scores(FILE *out, const struct report *r)
{
	if (!r->correlation.n_columns)
		return;
	fputs("<section aria-labelledby=\"scores-heading\">\n<h2 id=\"scores-heading\">How well each score tells Dice</h2>\n", out);
	put_table(out, &r->correlation, r->score < 0 ? NULL : r->table.name[r->score]);
	fputs("</section>\n", out);
}
