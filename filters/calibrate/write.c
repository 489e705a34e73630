/* The file of sums: lines of tab-separated cells.
 *
 *	calibration  1  BINS  all|foreground  fit|-  TARGETS
 *	target  OF  NAME                             each target
 *	case  NAME                                   each good case by name, followed for each target by
 *	of-case  N  ZEROS  MEASURE...
 *	failed  NAME  REASON                         each failed case, among the others
 *	tally  ZEROS  BRIER  NLL                     each target, followed by those of its counts that are not 0
 *	bin  B  N  EVENTS  P
 *	cell  I  N  EVENTS  OFFSET  LOW  HIGH
 *	fit  N  NLL...                               with fit and targets, followed by those of its bins that are not empty
 *	step  I  N  EVENTS  P
 *	end
 *
 * Sums of 128 bits are hexadecimal; measures have the 17 digits from which a double comes back. */
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/tsv.h"
#include "filters/calibrate/counts.h"

static void put_count(FILE *out, uint64_t v) { fprintf(out, "\t%llu", (unsigned long long)v); }
static void put_wide(FILE *out, unsigned __int128 v) { fprintf(out, "\t%llx%016llx", (unsigned long long)(v >> 64), (unsigned long long)v); }

static void put_bins(FILE *out, const char *what, const struct bin *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!b[i].n)
			continue;
		fprintf(out, "%s\t%zu", what, i);
		put_count(out, b[i].n);
		put_count(out, b[i].events);
		put_wide(out, b[i].p);
		fputc('\n', out);
	}
}

static void put_tally(FILE *out, const struct tally *t)
{
	fputs("tally", out);
	put_count(out, t->zeros);
	put_wide(out, t->brier);
	put_wide(out, t->nll);
	fputc('\n', out);
	put_bins(out, "bin", t->bin, (size_t)t->n_bins);
	for (int i = tally_next(t, 0); i < CELLS; i = tally_next(t, i + 1)) {
		fprintf(out, "cell\t%d", i);
		put_count(out, t->cell[i].n);
		put_count(out, t->cell[i].events);
		put_count(out, t->cell[i].offset);
		put_count(out, t->cell[i].low);
		put_count(out, t->cell[i].high);
		fputc('\n', out);
	}
}

static void put_case(FILE *out, const struct case_row *r, int n_targets)
{
	if (r->reason) {
		fprintf(out, "failed\t%s\t%s\n", r->name, r->reason);
		return;
	}
	fprintf(out, "case\t%s\n", r->name);
	for (int t = 0; t < n_targets; t++) {
		fputs("of-case", out);
		put_count(out, r->m[t].n);
		put_count(out, r->m[t].zeros);
		for (int i = 0; i < N_MEASURES; i++)
			tsv_put_digits(out, r->m[t].value[i], 17);
		fputc('\n', out);
	}
}

static void put_fit(FILE *out, const struct fit *f)
{
	fputs("fit", out);
	put_count(out, f->n);
	for (int k = 0; k < FIT_STEPS; k++)
		put_wide(out, f->nll[k]);
	fputc('\n', out);
	put_bins(out, "step", f->bin, fit_n_bins(f));
}

char *counts_text(const struct counts *s, size_t *length)
{
	char *text;
	FILE *out = open_memstream(&text, length);

	if (!out)
		die_sys("cannot make the text of sums");
	fprintf(out, "calibration\t1\t%d\t%s\t%s\t%d\n", s->n_bins, s->foreground ? "foreground" : "all", s->with_fit ? "fit" : "-",
	        s->n_targets);
	for (int t = 0; t < s->n_targets; t++)
		fprintf(out, "target\t%s\t%s\n", s->target[t].of, s->target[t].name);
	for (int i = 0; i < s->n_cases; i++)
		put_case(out, &s->row[i], s->n_targets);
	for (int t = 0; t < s->n_targets; t++)
		put_tally(out, &s->all.tally[t]);
	if (s->with_fit && s->n_targets)
		put_fit(out, &s->all.fit);
	fputs("end\n", out);
	if (fclose(out))
		die_sys("cannot make the text of sums");
	return text;
}
