#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "common/tsv.h"
#include "filters/score/table.h"

/* Columns stand in the order of their ranks, and of their first occurrence within a rank. */
static int rank_of(const char *name)
{
	static const char *const first[] = { "slice", "dice", "mask_pixels", "contour_pixels" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(name, first[i]))
			return i;
	for (int i = 0; map_kinds[i]; i++)
		if (!strcmp(name, map_kinds[i]))
			return 10 + i;                  /* below 29 */
	if (!strcmp(name, "members"))
		return 100;
	if (!strncmp(name, "dice:", 5))                /* classes and regions come after what is of the whole case */
		return 30;
	return strchr(name, ':') ? 31 : 29;
}

/* A cell or name on one line and in one column. */
static char *clean(const char *s)
{
	char *t = xstrdup(s);

	for (char *p = t; *p; p++)
		if (*p == '\t' || *p == '\n' || *p == '\r')
			*p = ' ';
	return t;
}

/* Columns of a row come in the order of the rows before, so the search begins behind the last one. */
static int find(struct table *t, const char *name)
{
	char *cleaned = clean(name);

	for (int i = 0; i < t->n_columns; i++) {
		int c = (t->next + i) % t->n_columns;
		if (!strcmp(t->column[c].name, cleaned)) {
			free(cleaned);
			t->next = c + 1;
			return c;
		}
	}
	t->column = xrealloc(t->column, (size_t)t->n_columns + 1, sizeof *t->column);
	t->column[t->n_columns] = (struct column){ cleaned, rank_of(cleaned) };
	t->next = ++t->n_columns;
	return t->n_columns - 1;
}

void table_column(struct table *t, const char *name)
{
	find(t, name);
}

void table_row(struct table *t, const char *name)
{
	if ((t->n_rows & (t->n_rows - 1)) == 0)         /* room is the next power of two */
		t->row = xrealloc(t->row, t->n_rows ? 2 * (size_t)t->n_rows : 1, sizeof *t->row);
	t->row[t->n_rows++] = (struct row){ .name = clean(name) };
}

void table_subset(struct table *t, const char *subset)
{
	struct row *r = &t->row[t->n_rows - 1];

	free(r->subset);
	r->subset = clean(subset);
}

void table_put(struct table *t, const char *column, double value)
{
	struct row *r = &t->row[t->n_rows - 1];
	int c = find(t, column);

	if (c >= r->n) {
		r->value = xrealloc(r->value, (size_t)c + 1, sizeof *r->value);
		while (r->n <= c)
			r->value[r->n++] = NAN;
	}
	r->value[c] = value;
}

void table_flag(struct table *t, const char *flag)
{
	struct row *r = &t->row[t->n_rows - 1];
	char *old = r->flags, *one = clean(flag);

	r->flags = old ? xasprintf("%s,%s", old, one) : xstrdup(one);
	free(old);
	free(one);
}

void table_reason(struct table *t, const char *reason)
{
	struct row *r = &t->row[t->n_rows - 1];

	free(r->reason);
	r->reason = clean(reason);
}

char *table_text(struct table *t, size_t *length)
{
	char *text;
	int *order = xmalloc((size_t)t->n_columns, sizeof *order), n = 0;
	bool subsets = false;
	FILE *out = open_memstream(&text, length);

	if (!out)
		die_sys("cannot make a table");
	for (int rank = 0; rank <= 100; rank++)
		for (int c = 0; c < t->n_columns; c++)
			if (t->column[c].rank == rank)
				order[n++] = c;
	for (int k = 0; k < t->n_rows; k++)
		subsets |= t->row[k].subset != NULL;
	fputs(subsets ? "case\tsubset" : "case", out);
	for (int i = 0; i < n; i++)
		fprintf(out, "\t%s", t->column[order[i]].name);
	fputs("\tflags\treason\n", out);
	for (int k = 0; k < t->n_rows; k++) {
		const struct row *r = &t->row[k];
		fputs(r->name, out);
		if (subsets)
			fprintf(out, "\t%s", r->subset ? r->subset : "-");
		for (int i = 0; i < n; i++)
			tsv_put(out, order[i] < r->n ? r->value[order[i]] : NAN);
		fprintf(out, "\t%s\t%s\n", r->flags ? r->flags : "-", r->reason && *r->reason ? r->reason : "-");
	}
	free(order);
	if (fclose(out))
		die_sys("cannot make a table");
	return text;
}

void table_free(struct table *t)
{
	for (int i = 0; i < t->n_rows; i++) {
		free(t->row[i].name);
		free(t->row[i].subset);
		free(t->row[i].flags);
		free(t->row[i].reason);
		free(t->row[i].value);
	}
	for (int i = 0; i < t->n_columns; i++)
		free(t->column[i].name);
	free(t->row);
	free(t->column);
	*t = (struct table){0};
}
