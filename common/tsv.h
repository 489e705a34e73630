/* tsv: a table of tab-separated text as numbers, with errors that name the line; and how a number is written in one. */
#ifndef COMMON_TSV_H
#define COMMON_TSV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct tsv {
	char *text;              /* owner of names and cells */
	int n_columns;
	size_t n_rows;
	char **name;             /* [n_columns] */
	char **cell;             /* [n_rows][n_columns] */
	bool *is_text;           /* [n_columns]: no cell of it is a number */
};

/* path: a file, or NULL or "-" for standard input.  fail()s XDATA ("FILE, line N: ...") or XIO. */
bool tsv_read(struct tsv *t, const char *path);
int tsv_column(const struct tsv *t, const char *name);     /* -1 if there is none */
const char *tsv_cell(const struct tsv *t, size_t row, int column);
/* A cell of a column that is no text; NaN where it is empty, "-", NA or nan. */
double tsv_number(const struct tsv *t, size_t row, int column);
void tsv_free(struct tsv *t);

/* A tab and a number of nine digits, or as many as told, inf, -inf or nan. */
void tsv_put(FILE *out, double v);
void tsv_put_digits(FILE *out, double v, int digits);
#endif
