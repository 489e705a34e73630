#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/calibrate/counts.h"

void part_make(struct part *p, const struct counts *s)
{
	*p = (struct part){ .tally = xcalloc((size_t)s->n_targets, sizeof *p->tally) };
	for (int t = 0; t < s->n_targets; t++)
		tally_make(&p->tally[t], s->n_bins);
	if (s->with_fit)
		fit_make(&p->fit, s->regions ? s->n_targets : 1, s->n_bins);
}

void part_clear(struct part *p, const struct counts *s)
{
	for (int t = 0; t < s->n_targets; t++)
		tally_clear(&p->tally[t]);
	if (s->with_fit)
		fit_clear(&p->fit);
}

void part_free(struct part *p, const struct counts *s)
{
	for (int t = 0; p->tally && t < s->n_targets; t++)
		tally_free(&p->tally[t]);
	free(p->tally);
	fit_free(&p->fit);
	*p = (struct part){0};
}

void part_join(struct part *p, const struct part *other, const struct counts *s)
{
	for (int t = 0; t < s->n_targets; t++)
		tally_join(&p->tally[t], &other->tally[t]);
	if (s->with_fit)
		fit_join(&p->fit, &other->fit);
}

/* Tabs and ends of lines would end a cell of the tables. */
static char *clean(const char *text)
{
	char *s = xstrdup(text);

	for (char *p = s; *p; p++)
		if (*p == '\t' || *p == '\n' || *p == '\r')
			*p = ' ';
	return s;
}

static const char *class_name(const struct labels *l, int value)
{
	for (int i = 0; i < l->n; i++)
		if (l->entry[i].value[0] == value)
			return l->entry[i].name;
	return "background";
}

static const char target_of_top[] = "top_label", target_of_class[] = "class", target_of_region[] = "region";

const char *target_word(const char *of)
{
	const char *const words[] = { target_of_top, target_of_class, target_of_region };

	for (int i = 0; i < 3; i++)
		if (!strcmp(of, words[i]))
			return words[i];
	return NULL;
}

/* Target t of a network with these labels; the name is malloc'ed. */
static struct target target_of(const struct labels *l, int t)
{
	if (l->has_regions)
		return (struct target){ target_of_region, clean(labels_structure(l, t)->name) };
	return t ? (struct target){ target_of_class, clean(class_name(l, t - 1)) } : (struct target){ target_of_top, xstrdup("-") };
}

static bool fits(const struct counts *s, int n_targets)
{
	size_t each = CELLS * sizeof(struct cell) + (size_t)s->n_bins * sizeof(struct bin) * (s->with_fit ? 1 + FIT_STEPS : 1);

	return 2 * each * (size_t)n_targets <= memory_limit ||
	       fail(XDATA, "counts of %d classes need %zu MiB, over the limit of %zu MiB (--memory raises it)", n_targets,
	            2 * each * (size_t)n_targets >> 20, memory_limit >> 20);
}

void targets_free(struct target *target, int n)
{
	for (int t = 0; t < n; t++)
		free(target[t].name);
	free(target);
}

static bool same_targets(const struct counts *s, const struct target *target, int n)
{
	if (s->n_targets != n)
		return fail(XDATA, "there are %d classes or regions where cases before have %d", n, s->n_targets);
	for (int t = 0; t < n; t++)
		if (strcmp(target[t].of, s->target[t].of) || strcmp(target[t].name, s->target[t].name))
			return fail(XDATA, "the %s '%s' was the %s '%s' in cases before", target[t].of, target[t].name, s->target[t].of,
			            s->target[t].name);
	return true;
}

bool counts_targets(struct counts *s, struct target *target, int n)
{
	if (s->n_targets || !fits(s, n)) {
		bool same = s->n_targets && same_targets(s, target, n);
		targets_free(target, n);
		return same;
	}
	s->regions = !strcmp(target[0].of, target_of_region);
	s->n_targets = n;
	s->target = target;
	part_make(&s->all, s);
	return true;
}

bool counts_labels(struct counts *s, const struct labels *l)
{
	int n = l->n_outputs + !l->has_regions;
	struct target *target = xmalloc((size_t)n, sizeof *target);

	for (int t = 0; t < n; t++)
		target[t] = target_of(l, t);
	return counts_targets(s, target, n);
}

struct case_row *counts_row(struct counts *s, const char *name, const char *reason)
{
	if ((s->n_cases & (s->n_cases - 1)) == 0)       /* room is the next power of two */
		s->row = xrealloc(s->row, s->n_cases ? 2 * (size_t)s->n_cases : 1, sizeof *s->row);
	s->row[s->n_cases] = (struct case_row){ .name = clean(name), .reason = reason ? clean(reason) : NULL };
	return &s->row[s->n_cases++];
}

void counts_add(struct counts *s, const char *name, const struct part *p)
{
	struct case_row *r = counts_row(s, name, NULL);

	r->m = xmalloc((size_t)s->n_targets, sizeof *r->m);
	for (int t = 0; t < s->n_targets; t++)
		tally_measure(&r->m[t], &p->tally[t]);
	part_join(&s->all, p, s);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct case_row *)a)->name, ((const struct case_row *)b)->name);
}

bool counts_sort(struct counts *s)
{
	if (s->n_cases)
		qsort(s->row, (size_t)s->n_cases, sizeof *s->row, by_name);
	for (int i = 1; i < s->n_cases; i++)
		if (!by_name(&s->row[i - 1], &s->row[i]))
			return fail(XDATA, "case %s occurs twice", s->row[i].name);
	return true;
}

void counts_free(struct counts *s)
{
	part_free(&s->all, s);
	targets_free(s->target, s->n_targets);
	for (int i = 0; i < s->n_cases; i++) {
		free(s->row[i].name);
		free(s->row[i].reason);
		free(s->row[i].m);
	}
	free(s->row);
	*s = (struct counts){0};
}
