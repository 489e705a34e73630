#include <math.h>
#include "common/cohort.h"
#include "common/die.h"
#include "filters/report/html.h"
#include "filters/report/page.h"

/* Columns of triage -t. */
enum { BUDGET, CASES, THRESHOLD, CAUGHT, LOW, HIGH, MISSED, N, FAILED, CLUSTERS, SCORE, FAILURE, N_NEEDED };
static const char *const needed[N_NEEDED] = {
	"budget", "cases", "threshold", "caught", "caught_low", "caught_high", "missed", "n", "failed", "clusters",
	"score", "failure"
};

static double number(const struct tsv *t, size_t row, int column) { return t->is_text[column] ? NAN : tsv_number(t, row, column); }

static void put_percent(FILE *out, double share)
{
	if (isnan(share))
		fputs("\xe2\x80\x93", out);
	else
		fprintf(out, "%.3g %%", 100 * share);
}

static void put_number(FILE *out, const char *cell)
{
	fputs("<td class=\"number\">", out);
	put_cell(out, cell);
	fputs("</td>", out);
}

static void put_line(FILE *out, const struct tsv *t, const int *c, size_t row)
{
	double caught = number(t, row, c[CAUGHT]);

	fputs("<tr><th scope=\"row\" class=\"number\">", out);
	put_percent(out, number(t, row, c[BUDGET]));
	fputs("</th><td class=\"number strong\">", out);
	put_percent(out, caught);
	fprintf(out, "</td><td><span class=\"share\"><i style=\"width:%.0f%%\"></i></span></td><td class=\"number\">", isnan(caught) ? 0 : 100 * caught);
	put_percent(out, number(t, row, c[LOW]));
	fputs(" to ", out);
	put_percent(out, number(t, row, c[HIGH]));
	fputs("</td>", out);
	put_number(out, tsv_cell(t, row, c[MISSED]));
	put_number(out, tsv_cell(t, row, c[CASES]));
	put_number(out, tsv_cell(t, row, c[THRESHOLD]));
	fputs("</tr>\n", out);
}

bool decision_check(const struct tsv *t, const char *file)
{
	for (int i = 0; i < N_NEEDED; i++)
		if (tsv_column(t, needed[i]) < 0)
			return fail(XDATA, "%s has no column %s; it is no table of triage -t", file, needed[i]);
	return t->n_rows > 0 || fail(XDATA, "%s has no line", file);
}

void put_decision(FILE *out, const struct report *r)
{
	const struct tsv *t = &r->triage;
	double clusters;
	int c[N_NEEDED];

	if (!t->n_columns)
		return;
	for (int i = 0; i < N_NEEDED; i++)
		c[i] = tsv_column(t, needed[i]);
	clusters = number(t, 0, c[CLUSTERS]);
	fputs("<section aria-labelledby=\"decision-heading\">\n<h2 id=\"decision-heading\">How many to look at</h2>\n", out);
	fprintf(out, "<p>Measured on %.0f cases", number(t, 0, c[N]));
	if (clusters < number(t, 0, c[N]))
		fprintf(out, " of %.0f patients", clusters);
	fprintf(out, " whose labels are known; %.0f of them failed (", number(t, 0, c[FAILED]));
	html_text(out, tsv_cell(t, 0, c[FAILURE]));
	fputs("). Looking first at the cases that are the most doubtful by ", out);
	html_text(out, tsv_cell(t, 0, c[SCORE]));
	fprintf(out, " finds this share of the failed ones.%s</p>\n",
	        clusters < CLUSTERS_FEW ? " With so few patients the figures are <strong>indicative</strong> only." : "");
	fprintf(out, "<div class=\"wide\"><table class=\"plain\">\n<thead><tr><th scope=\"col\" class=\"number\">look at</th>"
	        "<th scope=\"col\" class=\"number\">failed ones found</th><td></td><th scope=\"col\" class=\"number\">interval</th>"
	        "<th scope=\"col\" class=\"number\">missed</th><th scope=\"col\" class=\"number\">cases to look at</th>"
	        "<th scope=\"col\" class=\"number\">score %s</th></tr></thead>\n<tbody>\n", r->confident ? "up to" : "from");
	for (size_t i = 0; i < t->n_rows; i++)
		put_line(out, t, c, i);
	fputs("</tbody></table></div>\n</section>\n", out);
}
