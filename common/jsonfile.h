/* jsonfile: the values of a JSON file; what is missing or of another type is named with its file and its place in it.
 *
 * A struct json is one value and where it stands.  json_read() owns the tree until json_free(); all others are views of
 * it.  Functions that return false, NULL or -1 have called fail(): XDATA, or XIO when the file cannot be read.
 * NaN and Infinity, which Python writes, are numbers; numbers such as 3.0 are whole; the order of keys is kept. */
#ifndef COMMON_JSONFILE_H
#define COMMON_JSONFILE_H
#include <json-c/json.h>
#include <stdbool.h>

struct json {
	const char *file;
	char place[160];         /* "configurations.2d.patch_size"; empty at the top */
	json_object *o;
};

bool json_read(struct json *top, const char *path);              /* an object; path is kept, not copied */
void json_free(struct json *top);

bool json_has(const struct json *j, const char *key);            /* there and not null; false if j is no object */
bool json_get(struct json *v, const struct json *j, const char *key);   /* fails when missing; null is a value */
bool json_at(struct json *v, const struct json *j, int i);       /* element i of an array, i below its length */
/* fail()s with "FILE: PLACE: text". */
bool json_bad(const struct json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool json_is(const struct json *v, enum json_type type);
bool json_is_object(const struct json *v);                          /* is it an object? */
int json_length(const struct json *v, int lo, int hi);           /* of an array of lo..hi elements */
bool json_int(int *out, const struct json *v, int lo, int hi);
bool json_real(double *out, const struct json *v);
bool json_flag(bool *out, const struct json *v);
const char *json_text(const struct json *v);                     /* valid as long as the tree */
/* Arrays of lo..hi values into out; their number. */
int json_ints(int *out, const struct json *v, int lo, int hi, int min, int max);
int json_reals(double *out, const struct json *v, int lo, int hi);
#endif
