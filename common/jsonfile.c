#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsonfile.h"

enum { DEPTH = 32 };
static const size_t file_limit = (size_t)64 << 20;

bool json_bad(const struct json *j, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return fail(XDATA, "%s: %s%s%s", j->file, j->place, *j->place ? ": " : "", text);
}

/* 1-based line of an offset, for messages. */
static int line_of(const char *text, size_t offset)
{
	int line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

bool json_read(struct json *top, const char *path)
{
	char *text;
	size_t n;
	json_tokener *t;
	enum json_tokener_error e;

	*top = (struct json){ .file = path };
	if (!io_slurp(path, file_limit, &text, &n))
		return false;
	if (memchr(text, 0, n)) {
		free(text);
		return fail(XDATA, "%s: it holds a zero byte and is no JSON", path);
	}
	t = json_tokener_new_ex(DEPTH);
	if (!t)
		die(XIO, "out of memory");
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	top->o = json_tokener_parse_ex(t, text, (int)n + 1);     /* the zero byte after the text ends a number */
	e = json_tokener_get_error(t);
	if (e == json_tokener_continue)
		fail(XDATA, "%s: it ends in the middle of a value", path);
	else if (e != json_tokener_success)
		fail(XDATA, "%s: line %d: %s", path, line_of(text, json_tokener_get_parse_end(t)), json_tokener_error_desc(e));
	json_tokener_free(t);
	free(text);
	if (e == json_tokener_success && json_object_get_type(top->o) == json_type_object)
		return true;
	if (e == json_tokener_success)
		fail(XDATA, "%s: it holds no JSON object", path);
	json_free(top);
	return false;
}

void json_free(struct json *top)
{
	json_object_put(top->o);
	top->o = NULL;
}

bool json_is(const struct json *v, enum json_type type) { return json_object_get_type(v->o) == type; }

bool json_has(const struct json *j, const char *key)
{
	json_object *o;

	return json_is(j, json_type_object) && json_object_object_get_ex(j->o, key, &o) && o;
}

bool json_get(struct json *v, const struct json *j, const char *key)
{
	struct json got = { .file = j->file };

	if (!json_is_object(j))
		return false;
	snprintf(got.place, sizeof got.place, "%.80s%s%.70s", j->place, *j->place ? "." : "", key);
	if (!json_object_object_get_ex(j->o, key, &got.o))
		return json_bad(&got, "this key is missing");
	*v = got;
	return true;
}

bool json_at(struct json *v, const struct json *j, int i)
{
	struct json got = { .file = j->file };

	if (!json_is(j, json_type_array) || i < 0 || (size_t)i >= json_object_array_length(j->o))
		return json_bad(j, "it has no element %d", i);
	snprintf(got.place, sizeof got.place, "%.140s[%d]", j->place, i);
	got.o = json_object_array_get_idx(j->o, (size_t)i);
	*v = got;
	return true;
}

static bool expected(const struct json *v, const char *what)
{
	char shown[48];

	snprintf(shown, sizeof shown, "%s", v->o ? json_object_to_json_string_ext(v->o, JSON_C_TO_STRING_PLAIN) : "null");
	return json_bad(v, "expected %s, found %s%s", what, shown, strlen(shown) == sizeof shown - 1 ? "..." : "");
}

bool json_is_object(const struct json *v) { return json_is(v, json_type_object) || expected(v, "an object"); }

int json_length(const struct json *v, int lo, int hi)
{
	char what[80];
	size_t n;

	if (!json_is(v, json_type_array))
		return expected(v, "a list"), -1;
	n = json_object_array_length(v->o);
	if (n >= (size_t)lo && n <= (size_t)hi)
		return (int)n;
	snprintf(what, sizeof what, lo == hi ? "a list of %d" : "a list of %d to %d", lo, hi);
	return expected(v, what), -1;
}

bool json_real(double *out, const struct json *v)
{
	if (!json_is(v, json_type_double) && !json_is(v, json_type_int))
		return expected(v, "a number");
	*out = json_object_get_double(v->o);
	return true;
}

bool json_int(int *out, const struct json *v, int lo, int hi)
{
	char what[80];
	double x = NAN;

	if (json_is(v, json_type_double) || json_is(v, json_type_int))
		x = json_object_get_double(v->o);
	if (x >= lo && x <= hi && x == floor(x)) {
		*out = (int)x;
		return true;
	}
	snprintf(what, sizeof what, hi == INT_MAX ? "a whole number of at least %d" : "a whole number from %d to %d", lo, hi);
	return expected(v, what);
}

bool json_flag(bool *out, const struct json *v)
{
	if (!json_is(v, json_type_boolean))
		return expected(v, "true or false");
	*out = json_object_get_boolean(v->o);
	return true;
}

const char *json_text(const struct json *v)
{
	if (!json_is(v, json_type_string)) {
		expected(v, "a text");
		return NULL;
	}
	if (strlen(json_object_get_string(v->o)) != (size_t)json_object_get_string_len(v->o)) {
		json_bad(v, "the text holds a zero byte");
		return NULL;
	}
	return json_object_get_string(v->o);
}

int json_ints(int *out, const struct json *v, int lo, int hi, int min, int max)
{
	int n = json_length(v, lo, hi);
	struct json e;

	for (int i = 0; i < n; i++)
		if (!json_at(&e, v, i) || !json_int(&out[i], &e, min, max))
			return -1;
	return n;
}

int json_reals(double *out, const struct json *v, int lo, int hi)
{
	int n = json_length(v, lo, hi);
	struct json e;

	for (int i = 0; i < n; i++)
		if (!json_at(&e, v, i) || !json_real(&out[i], &e))
			return -1;
	return n;
}
