#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/report/report.h"

struct place { size_t row; int kind; double doubt; };

/* Failed cases, then by doubt, then those without a score; equals as they stand in the table. */
static int by_doubt(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	if (p->kind != q->kind)
		return p->kind - q->kind;
	if (p->kind == 1 && p->doubt != q->doubt)
		return p->doubt < q->doubt ? 1 : -1;
	return p->row < q->row ? -1 : 1;
}

static bool find_columns(struct report *r, const char *score)
{
	bool all_failed = true;

	r->name = tsv_column(&r->table, "case");
	r->score = tsv_column(&r->table, score);
	r->dice = tsv_column(&r->table, "dice");
	r->flags = tsv_column(&r->table, "flags");
	r->reason = tsv_column(&r->table, "reason");
	for (size_t i = 0; i < r->table.n_rows; i++)
		all_failed = all_failed && has_flag(r, i, "failed");
	if (r->dice >= 0 && r->table.is_text[r->dice])
		r->dice = -1;                           /* nan in every case */
	if (r->name < 0)
		return fail(XDATA, "%s has no column case", r->file);
	if (r->score < 0 && !all_failed)
		return fail(XDATA, "%s has no column %s; -x names another", r->file, score);
	if (r->score >= 0 && r->table.is_text[r->score] && !all_failed)
		return fail(XDATA, "%s: no cell of column %s is a number", r->file, score);
	if (all_failed)
		r->score = -1;
	return true;
}

/* Rows of subsets of the members (average-probs --subsets) leave the table: a case is that of all members. */
static void leave_subsets_out(struct tsv *t)
{
	int c = tsv_column(t, "subset");
	size_t kept = 0, width = (size_t)t->n_columns;

	for (size_t i = 0; c >= 0 && i < t->n_rows; i++)
		kept += !strcmp(tsv_cell(t, i, c), "all");
	if (!kept)
		return;
	kept = 0;
	for (size_t i = 0; i < t->n_rows; i++)
		if (!strcmp(tsv_cell(t, i, c), "all"))
			memmove(t->cell + kept++ * width, t->cell + i * width, width * sizeof *t->cell);
	t->n_rows = kept;
}

bool report_order(struct report *r, const char *score)
{
	size_t n;
	struct place *p;

	leave_subsets_out(&r->table);
	n = r->table.n_rows;
	if (!n)
		return fail(XDATA, "%s has a line of names but no cases", r->file);
	if (!find_columns(r, score))
		return false;
	p = xcalloc(n, sizeof *p);
	for (size_t i = 0; i < n; i++) {
		double v = r->score < 0 ? NAN : tsv_number(&r->table, i, r->score);
		if (isfinite(v) && v > r->largest)
			r->largest = v;
		p[i] = (struct place){ i, has_flag(r, i, "failed") ? 0 : isnan(v) ? 2 : 1, r->confident ? -v : v };
	}
	qsort(p, n, sizeof *p, by_doubt);
	r->order = xcalloc(n, sizeof *r->order);
	for (size_t i = 0; i < n; i++)
		r->order[i] = p[i].row;
	free(p);
	return true;
}

void report_free(struct report *r)
{
	pictures_free(r);
	plots_free(r);
	tsv_free(&r->table);
	tsv_free(&r->correlation);
	tsv_free(&r->triage);
	free(r->order);
	free(r->count);
	free(r->commands);
	free(r->history);
}
