/* mpk: msgpack maps as mutable trees in a zone, and the scan that makes foreign headers safe to unpack.
 *
 * msgpack-c allocates by the counts that the bytes declare, so every header is scanned first: depth, number of
 * objects and length are bounded before msgpack-c sees it.  Nothing here does I/O or exits on bad bytes. */
#ifndef COMMON_MPK_H
#define COMMON_MPK_H
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MPK_DEPTH = 16, MPK_OBJECTS = 1 << 17, MPK_BYTES = 1 << 24 };   /* limits of one header */

/* Finds where the first object of a buffer ends; begin with a zeroed one.  Nothing is looked at twice when bytes arrive
 * one by one: call again with the same bytes and more behind them (they may have moved). */
struct mpk_scan {
	uint64_t left[MPK_DEPTH + 1];   /* objects still to come at each depth */
	size_t at, objects;             /* bytes and objects passed; at is the object's length in the end */
	int depth;
	bool begun;
};
enum mpk_found { MPK_WHOLE, MPK_SHORT, MPK_BAD };
/* MPK_WHOLE: buf[0..s->at) is an object; MPK_SHORT: it needs more bytes; MPK_BAD: deeper, longer or of more objects than a
 * header may be, or not msgpack; *why says it in words. */
enum mpk_found mpk_scan(struct mpk_scan *s, const void *buf, size_t n, const char **why);

/* One object out of exactly n scanned bytes, copied into the zone.  False if malformed. */
bool mpk_unpack(msgpack_zone *zone, msgpack_object *out, const void *buf, size_t n);

/* Values.  Text is copied into the zone. */
msgpack_object mpk_bool(bool v);
msgpack_object mpk_int(int64_t v);
msgpack_object mpk_real(double v);
msgpack_object mpk_str(msgpack_zone *zone, const char *s);
msgpack_object mpk_bin(msgpack_zone *zone, const void *data, size_t n);
msgpack_object mpk_map(void);                                   /* empty; grows by mpk_put */
msgpack_object mpk_array(void);                                 /* empty; grows by mpk_append */
msgpack_object mpk_ints(msgpack_zone *zone, const int64_t *v, int n);
msgpack_object mpk_reals(msgpack_zone *zone, const double *v, int n);
msgpack_object mpk_copy(msgpack_zone *zone, msgpack_object o);  /* deep copy into another zone */

void mpk_put(msgpack_zone *zone, msgpack_object *map, const char *key, msgpack_object value);   /* replaces or appends */
/* The same of n different keys at once, which takes the room of one map instead of n. */
void mpk_put_all(msgpack_zone *zone, msgpack_object *map, const char *const *key, const msgpack_object *value, uint32_t n);
void mpk_append(msgpack_zone *zone, msgpack_object *array, msgpack_object value);
void mpk_remove(msgpack_object *map, const char *key);

/* Look-ups.  NULL, or the default, when the key is missing or of another type; map may be NULL or no map. */
msgpack_object *mpk_get(const msgpack_object *map, const char *key);
msgpack_object *mpk_get_map(const msgpack_object *map, const char *key);
msgpack_object *mpk_get_array(const msgpack_object *map, const char *key);
const char *mpk_get_str(const msgpack_object *map, const char *key, const char *otherwise);   /* zero-terminated, in the zone */
int64_t mpk_get_int(const msgpack_object *map, const char *key, int64_t otherwise);
double mpk_get_real(const msgpack_object *map, const char *key, double otherwise);            /* integers count as numbers */
/* Exactly n numbers into v; false if missing, of another length or not numbers. */
bool mpk_get_ints(const msgpack_object *map, const char *key, int64_t *v, int n);
bool mpk_get_reals(const msgpack_object *map, const char *key, double *v, int n);

bool mpk_is_str(const msgpack_object *o, const char *s);
bool mpk_as_real(const msgpack_object *o, double *v);
bool mpk_as_int(const msgpack_object *o, int64_t *v);
const char *mpk_as_str(const msgpack_object *o);                /* NULL if it is no text */
bool mpk_equal(const msgpack_object *a, const msgpack_object *b);   /* same bytes when packed; NULL equals NULL only */
#endif
