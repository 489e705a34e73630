#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/tsv.h"
#include "filters/calibrate/report.h"

static FILE *begin(char **text, size_t *length)
{
	FILE *out = open_memstream(text, length);

	if (!out)
		die_sys("cannot make a table");
	return out;
}

static void end(FILE *out)
{
	if (fclose(out))
		die_sys("cannot make a table");
}

static void put(FILE *out, double v) { tsv_put_digits(out, v, 15); }
static void put_count(FILE *out, uint64_t n) { fprintf(out, "\t%llu", (unsigned long long)n); }

/* The first target that is foreground: classes follow top_label and background. */
static int first_foreground(const struct counts *s) { return s->regions ? 0 : 2; }

/* The mean of n rows of measures without those that have no voxels; voxels and zeros are summed.  Returns how many counted. */
static int mean_of(struct measures *mean, const struct measures *const *m, int n)
{
	int counted = 0;

	*mean = (struct measures){0};
	for (int i = 0; i < n; i++) {
		counted += m[i]->n > 0;
		mean->n += m[i]->n;
		mean->zeros += m[i]->zeros;
		for (int k = 0; m[i]->n && k < N_MEASURES; k++)
			mean->value[k] += m[i]->value[k];
	}
	for (int k = 0; k < N_MEASURES; k++)
		mean->value[k] = counted ? mean->value[k] / counted : NAN;
	return counted;
}

struct scope { const char *name, *of_case; int *cases; };        /* cases: [n_targets] */

static void put_row(FILE *out, const struct scope *scope, int cases, const char *of, const char *name, const struct measures *m)
{
	fprintf(out, "%s\t%s\t%s\t%s\t%d", scope->name, scope->of_case, of, name, cases);
	put_count(out, m->n);
	for (int i = 0; i < N_MEASURES; i++)
		put(out, m->value[i]);
	put_count(out, m->zeros);
	fputs("\t-\n", out);
}

/* A row a target, then their foreground mean. */
static void put_scope(FILE *out, const struct counts *s, const struct scope *scope, const struct measures *m)
{
	int first = first_foreground(s), n = s->n_targets - first;
	const struct measures **foreground = xmalloc((size_t)s->n_targets + 1, sizeof *foreground);
	struct measures mean;

	for (int t = 0; t < s->n_targets; t++) {
		put_row(out, scope, scope->cases[t], s->target[t].of, s->target[t].name, &m[t]);
		if (t >= first)
			foreground[t - first] = &m[t];
	}
	if (n > 0) {
		mean_of(&mean, foreground, n);
		mean.n = m[first].n;                    /* the same voxels each time */
		put_row(out, scope, scope->cases[first], "foreground_mean", "-", &mean);
	}
	free(foreground);
}

static void put_pooled(FILE *out, const struct counts *s)
{
	int *cases = xcalloc((size_t)s->n_targets, sizeof *cases);
	struct measures *m = xmalloc((size_t)s->n_targets, sizeof *m);
	const struct measures **of_cases = xmalloc((size_t)s->n_cases, sizeof *of_cases);

	for (int t = 0; t < s->n_targets; t++) {
		tally_measure(&m[t], &s->all.tally[t]);
		for (int i = 0; i < s->n_cases; i++)
			cases[t] += s->row[i].m && s->row[i].m[t].n > 0;
	}
	put_scope(out, s, &(struct scope){ "pooled", "-", cases }, m);
	for (int t = 0; t < s->n_targets; t++) {
		int n = 0;
		for (int i = 0; i < s->n_cases; i++)
			if (s->row[i].m)
				of_cases[n++] = &s->row[i].m[t];
		mean_of(&m[t], of_cases, n);
	}
	put_scope(out, s, &(struct scope){ "case_mean", "-", cases }, m);
	free(cases);
	free(m);
	free(of_cases);
}

static void put_case(FILE *out, const struct counts *s, const struct case_row *r)
{
	int *one = xmalloc((size_t)s->n_targets, sizeof *one);

	for (int t = 0; t < s->n_targets; t++)
		one[t] = 1;
	if (r->m) {
		put_scope(out, s, &(struct scope){ "case", r->name, one }, r->m);
	} else {
		fprintf(out, "case\t%s\tfailed\t-\t0\t0", r->name);
		for (int i = 0; i < N_MEASURES; i++)
			fputs("\tnan", out);
		fprintf(out, "\t0\t%s\n", *r->reason ? r->reason : "-");
	}
	free(one);
}

char *report_measures(size_t *length, const struct counts *s, bool per_case)
{
	char *text;
	FILE *out = begin(&text, length);

	fputs("scope\tcase\tof\tname\tcases\tvoxels", out);
	for (int i = 0; i < N_MEASURES; i++)
		fprintf(out, "\t%s", measure_name[i]);
	fputs("\tzeros\treason\n", out);
	put_pooled(out, s);
	for (int i = 0; per_case && i < s->n_cases; i++)
		put_case(out, s, &s->row[i]);
	end(out);
	return text;
}

char *report_reliability(size_t *length, const struct counts *s)
{
	char *text;
	FILE *out = begin(&text, length);

	fputs("of\tname\tbin\tlow\thigh\tvoxels\tconfidence\tfrequency\n", out);
	for (int t = 0; t < s->n_targets; t++) {
		for (int b = 0; b < s->n_bins; b++) {
			const struct bin *bin = &s->all.tally[t].bin[b];
			fprintf(out, "%s\t%s\t%d", s->target[t].of, s->target[t].name, b + 1);
			put(out, (double)b / s->n_bins);
			put(out, (double)(b + 1) / s->n_bins);
			put_count(out, bin->n);
			put(out, bin->n ? bin_sum(bin) / (double)bin->n : NAN);
			put(out, bin->n ? (double)bin->events / (double)bin->n : NAN);
			fputc('\n', out);
		}
	}
	end(out);
	return text;
}

char *report_fit(size_t *length, const struct counts *s)
{
	struct temperature row[2];
	char *text;
	FILE *out = begin(&text, length);
	const double lowest = fit_step_temperature(0), highest = fit_step_temperature(FIT_STEPS - 1);

	switch (fit_solve(&row[0], &row[1], &s->all.fit)) {
	case FIT_INSIDE:
		break;
	case FIT_AT_END:
		warn("the best temperature lies outside %g to %g; the nearest end is taken", lowest, highest);
		break;
	case FIT_NOTHING:
		warn("every temperature is as good as any other; 1 is taken");
		break;
	}
	fputs("state\ttemperature\tnll\tece\n", out);
	for (int i = 0; i < 2; i++) {
		fputs(i ? "after" : "before", out);
		put(out, row[i].t);
		put(out, row[i].nll);
		put(out, row[i].ece);
		fputc('\n', out);
	}
	end(out);
	return text;
}
