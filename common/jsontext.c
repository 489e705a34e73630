#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsontext.h"

void json_real_text(char out[32], double v)
{
	char text[32], *e;
	int digits = 0, exponent;

	if (!isfinite(v)) {
		snprintf(out, 32, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
		return;
	}
	do
		snprintf(text, sizeof text, "%.*e", digits, v);
	while (strtod(text, NULL) != v && ++digits < 17);
	e = strchr(text, 'e');
	exponent = atoi(e + 1);
	if (exponent >= 16 || exponent < -4)
		snprintf(out, 32, "%.*se%c%02d", (int)(e - text), text, exponent < 0 ? '-' : '+', abs(exponent));
	else
		snprintf(out, 32, "%.*f", digits > exponent ? digits - exponent : 1, v);
}

static void put_text(FILE *f, const char *s)
{
	json_object *o = json_object_new_string(s);

	fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), f);
	json_object_put(o);
}

static void new_line(FILE *f, int depth) { fprintf(f, "\n%*s", 4 * depth, ""); }

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void put(FILE *f, json_object *o, enum json_order order, int depth);

static void put_object(FILE *f, json_object *o, enum json_order order, int depth)
{
	const char **key = xmalloc((size_t)json_object_object_length(o) + 1, sizeof *key);
	int n = 0;

	json_object_object_foreach(o, name, value) {
		(void)value;
		key[n++] = name;
	}
	if (order == JSON_SORTED)
		qsort(key, (size_t)n, sizeof *key, by_name);
	putc('{', f);
	for (int i = 0; i < n; i++) {
		if (i)
			putc(',', f);
		new_line(f, depth + 1);
		put_text(f, key[i]);
		fputs(": ", f);
		put(f, json_object_object_get(o, key[i]), order, depth + 1);
	}
	if (n)
		new_line(f, depth);
	putc('}', f);
	free(key);
}

static void put_array(FILE *f, json_object *o, enum json_order order, int depth)
{
	size_t n = json_object_array_length(o);

	putc('[', f);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc(',', f);
		new_line(f, depth + 1);
		put(f, json_object_array_get_idx(o, i), order, depth + 1);
	}
	if (n)
		new_line(f, depth);
	putc(']', f);
}

static void put(FILE *f, json_object *o, enum json_order order, int depth)
{
	char real[32];

	switch (json_object_get_type(o)) {
	case json_type_object: put_object(f, o, order, depth); break;
	case json_type_array: put_array(f, o, order, depth); break;
	case json_type_string: put_text(f, json_object_get_string(o)); break;
	case json_type_double: json_real_text(real, json_object_get_double(o)); fputs(real, f); break;
	case json_type_int: fprintf(f, "%lld", (long long)json_object_get_int64(o)); break;
	case json_type_boolean: fputs(json_object_get_boolean(o) ? "true" : "false", f); break;
	case json_type_null: fputs("null", f); break;
	}
}

char *json_python_text(json_object *o, enum json_order order, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	if (!f)
		die(XIO, "out of memory");
	put(f, o, order, 0);
	if (fclose(f))
		die(XIO, "out of memory");
	return text;
}

bool json_python_write_in(enum json_order order, const char *path, json_object *o)
{
	struct outfile out;
	size_t n;
	char *text;

	if (!outfile_open(&out, path))
		return false;
	text = json_python_text(o, order, &n);
	if (!io_write(out.fd, text, n)) {
		fail_sys("cannot write %s", path);
		outfile_abort(&out);
		free(text);
		return false;
	}
	free(text);
	return outfile_commit(&out);
}

bool json_python_write(const char *path, json_object *o) { return json_python_write_in(JSON_SORTED, path, o); }
