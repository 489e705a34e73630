#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/die.h"
#include "common/volume.h"

bool text_line(const char **line, size_t *n, size_t *at, const char *text, size_t text_n)
{
	const char *end;

	if (*at >= text_n)
		return false;
	*line = text + *at;
	end = memchr(*line, '\n', text_n - *at);
	*n = end ? (size_t)(end - *line) : text_n - *at;
	*at += *n + (end != NULL);
	if (*n && (*line)[*n - 1] == '\r')
		--*n;
	return true;
}

static bool blank(char c) { return c == ' ' || c == '\t'; }

static void trim(const char **s, size_t *n)
{
	while (*n && blank(**s)) {
		++*s;
		--*n;
	}
	while (*n && blank((*s)[*n - 1]))
		--*n;
}

bool text_field(struct field *f, const char *line, size_t n, const char *separator)
{
	size_t width = strlen(separator), i = 0;

	while (i + width <= n && memcmp(line + i, separator, width))
		i++;
	if (i + width > n)
		return false;
	*f = (struct field){ .key = line, .key_n = i, .value = line + i + width, .n = n - i - width, .line = line, .line_n = n };
	trim(&f->key, &f->key_n);
	trim(&f->value, &f->n);
	return true;
}

static bool same(const char *s, size_t n, const char *word) { return strlen(word) == n && !strncasecmp(s, word, n); }
bool field_is(const struct field *f, const char *key) { return same(f->key, f->key_n, key); }
bool value_is(const struct field *f, const char *value) { return same(f->value, f->n, value); }
char *field_value(const struct field *f) { return xasprintf("%.*s", (int)f->n, f->value); }

int field_reals(double *v, int most, const struct field *f)
{
	char *s = field_value(f), *p = s, *end;
	int n = 0;

	for (; n <= most; n++, p = end) {
		double x = strtod(p, &end);
		if (end == p || n == most)
			break;
		v[n] = x;
	}
	while (isspace((unsigned char)*p))
		p++;
	if (*p || !n)
		n = -1;
	free(s);
	return n;
}

bool field_sizes(int64_t *v, int n, const struct field *f)
{
	double x[4];

	if (n > 4 || field_reals(x, 4, f) != n)
		return false;
	for (int i = 0; i < n; i++) {
		if (!(x[i] >= 1 && x[i] < 0x1p31) || x[i] != floor(x[i]))
			return false;
		v[i] = (int64_t)x[i];
	}
	return true;
}

bool volume_check(struct volume *v, const char *path)
{
	if (v->dims == 2)
		v->spacing[2] = 1;
	for (int i = 0; i < 3; i++) {
		v->spacing[i] = fabs(v->spacing[i]);
		if (!(v->spacing[i] > 0) || !isfinite(v->spacing[i]))
			return fail(XDATA, "%s: its spacing along axis %d is %g", path, i + 1, v->spacing[i]);
		for (int j = 0; j < 3; j++)
			if (!isfinite(v->direction[i][j]) || !isfinite(v->origin[i]))
				return fail(XDATA, "%s: its orientation or origin is no number", path);
	}
	return true;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	while (t->n + (size_t)n + 1 > t->capacity)
		t->s = xrealloc(t->s, t->capacity = t->capacity ? 2 * t->capacity : 1024, 1);
	va_start(ap, fmt);
	vsnprintf(t->s + t->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->n += (size_t)n;
}
