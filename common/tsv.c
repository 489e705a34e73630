#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/tsv.h"

static bool slurp_stdin(char **data, size_t *n)
{
	size_t room = 1 << 16;
	ptrdiff_t r;

	*data = xmalloc(room + 1, 1);
	*n = 0;
	while ((r = io_read(STDIN_FILENO, *data + *n, room - *n)) > 0) {
		*n += (size_t)r;
		if (*n < room)
			break;
		if (room > memory_limit / 2)
			return fail(XDATA, "standard input is longer than the limit of %zu MiB (--memory raises it)", memory_limit >> 20);
		*data = xrealloc(*data, (room *= 2) + 1, 1);
	}
	if (r < 0)
		return fail_sys("cannot read standard input");
	(*data)[*n] = 0;
	return true;
}

/* Ends s at the first `end` and returns what follows it, NULL if it does not occur. */
static char *cut(char *s, char end)
{
	char *p = strchr(s, end);

	if (!p)
		return NULL;
	*p = 0;
	return p + 1;
}

static bool parse(double *v, const char *s)
{
	char *end;

	*v = NAN;
	if (!*s || !strcmp(s, "-") || !strcasecmp(s, "na"))
		return true;
	*v = strtod(s, &end);
	return end != s && !*end && !isspace((unsigned char)*s);
}

static bool add_name(struct tsv *t, char *s, const char *file)
{
	if (!*s)
		return fail(XDATA, "%s, line 1: column %d has no name", file, t->n_columns + 1);
	if (tsv_column(t, s) >= 0)
		return fail(XDATA, "%s, line 1: two columns are called %s", file, s);
	t->name = xrealloc(t->name, (size_t)t->n_columns + 1, sizeof *t->name);
	t->name[t->n_columns++] = s;
	return true;
}

static bool add_row(struct tsv *t, char *line, size_t number, const char *file)
{
	char **cell;
	int n = 0;

	if ((t->n_rows & (t->n_rows - 1)) == 0)         /* room is the next power of two */
		t->cell = xrealloc(t->cell, (t->n_rows ? 2 * t->n_rows : 1) * (size_t)t->n_columns, sizeof *t->cell);
	cell = t->cell + t->n_rows * (size_t)t->n_columns;
	for (char *s = line, *next; s; s = next, n++) {
		next = cut(s, '\t');
		if (n < t->n_columns)
			cell[n] = s;
	}
	t->n_rows++;
	return n == t->n_columns || fail(XDATA, "%s, line %zu: there are %d cells where line 1 has %d", file, number, n, t->n_columns);
}

static bool read_lines(struct tsv *t, const char *file)
{
	size_t number = 1;

	for (char *line = t->text, *next; line; line = next, number++) {
		size_t n;
		next = cut(line, '\n');
		n = strlen(line);
		if (n && line[n - 1] == '\r')
			line[--n] = 0;
		if (!n && !next)                        /* what follows the last newline */
			break;
		if (number > 1) {
			if (!add_row(t, line, number, file))
				return false;
			continue;
		}
		for (char *s = line, *after; s; s = after) {
			after = cut(s, '\t');
			if (!add_name(t, s, file))
				return false;
		}
	}
	return t->n_columns > 0 || fail(XDATA, "%s is empty", file);
}

/* A column is text if none of its cells is a number; otherwise all must be. */
static bool find_text(struct tsv *t, const char *file)
{
	t->is_text = xcalloc((size_t)t->n_columns, sizeof *t->is_text);
	for (int c = 0; c < t->n_columns; c++) {
		size_t numbers = 0, bad = t->n_rows;
		for (size_t r = t->n_rows; r-- > 0;) {
			double v;
			const char *s = t->cell[r * (size_t)t->n_columns + (size_t)c];
			if (!parse(&v, s))
				bad = r;
			else if (!isnan(v) || !strcasecmp(s, "nan"))
				numbers++;
		}
		t->is_text[c] = numbers == 0;
		if (numbers && bad < t->n_rows)
			return fail(XDATA, "%s, line %zu, column %s: '%s' is not a number", file, bad + 2, t->name[c],
			            t->cell[bad * (size_t)t->n_columns + (size_t)c]);
	}
	return true;
}

bool tsv_read(struct tsv *t, const char *path)
{
	bool from_stdin = !path || !strcmp(path, "-");
	const char *file = from_stdin ? "standard input" : path;
	size_t n;

	*t = (struct tsv){0};
	if (!(from_stdin ? slurp_stdin(&t->text, &n) : io_slurp(path, memory_limit, &t->text, &n)))
		return false;
	if (strlen(t->text) != n)
		return fail(XDATA, "%s holds a zero byte; it is no table of text", file);
	return read_lines(t, file) && find_text(t, file);
}

int tsv_column(const struct tsv *t, const char *name)
{
	for (int i = 0; i < t->n_columns; i++)
		if (!strcmp(t->name[i], name))
			return i;
	return -1;
}

const char *tsv_cell(const struct tsv *t, size_t row, int column)
{
	return t->cell[row * (size_t)t->n_columns + (size_t)column];
}

double tsv_number(const struct tsv *t, size_t row, int column)
{
	double v;

	parse(&v, tsv_cell(t, row, column));
	return v;
}

void tsv_free(struct tsv *t)
{
	free(t->text);
	free(t->name);
	free(t->cell);
	free(t->is_text);
	*t = (struct tsv){0};
}

void tsv_put_digits(FILE *out, double v, int digits)
{
	if (isnan(v))
		fputs("\tnan", out);                    /* printf may write -nan */
	else
		fprintf(out, "\t%.*g", digits, v);
}

void tsv_put(FILE *out, double v)
{
	tsv_put_digits(out, v, 9);
}
