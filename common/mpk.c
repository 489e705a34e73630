#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/mpk.h"

/* Length of the head of an object at p (type byte and length field), of its data, and the number of objects in it. */
static bool head(const unsigned char *p, size_t n, size_t *head_size, uint64_t *data, uint64_t *children)
{
	unsigned char t = *p;
	size_t field;                                   /* bytes of the length field */
	uint64_t v = 0;

	*data = *children = 0;
	*head_size = 1;
	if (t <= 0x7f || t >= 0xe0 || t == 0xc0 || t == 0xc2 || t == 0xc3)
		return true;
	if (t <= 0x8f) { *children = 2 * (uint64_t)(t & 15); return true; }
	if (t <= 0x9f) { *children = t & 15; return true; }
	if (t <= 0xbf) { *data = t & 31; return true; }
	if (t >= 0xcc && t <= 0xd3) { *data = (uint64_t)1 << (t & 3); return true; }   /* cc..cf, d0..d3: integers */
	if (t == 0xca || t == 0xcb) { *data = t == 0xca ? 4 : 8; return true; }
	if (t >= 0xd4 && t <= 0xd8) { *data = ((uint64_t)1 << (t - 0xd4)) + 1; return true; }   /* fixext */
	switch (t) {
	case 0xc4: case 0xc7: case 0xd9: field = 1; break;
	case 0xc5: case 0xc8: case 0xda: case 0xdc: case 0xde: field = 2; break;
	case 0xc6: case 0xc9: case 0xdb: case 0xdd: case 0xdf: field = 4; break;
	default: *head_size = 0; return false;          /* 0xc1 is never used */
	}
	*head_size = 1 + field;
	if (n < 1 + field)
		return false;
	for (size_t i = 1; i <= field; i++)
		v = v << 8 | p[i];
	if (t == 0xdc || t == 0xdd)
		*children = v;
	else if (t == 0xde || t == 0xdf)
		*children = 2 * v;
	else
		*data = v + (t >= 0xc7 && t <= 0xc9);   /* ext has a type byte more */
	return true;
}

enum mpk_found mpk_scan(struct mpk_scan *s, const void *buf, size_t n, const char **why)
{
	if (!s->begun) {
		s->begun = true;
		s->left[0] = 1;
	}
	while (s->depth >= 0) {
		uint64_t data, children;
		size_t head_size;

		if (s->left[s->depth] == 0) {
			s->depth--;
			continue;
		}
		if (s->at >= n)
			return MPK_SHORT;
		if (!head((const unsigned char *)buf + s->at, n - s->at, &head_size, &data, &children)) {
			if (head_size)
				return MPK_SHORT;
			*why = "it is not msgpack";
			return MPK_BAD;
		}
		s->left[s->depth]--;
		s->objects++;
		if (children > MPK_OBJECTS || s->objects + children > MPK_OBJECTS) {
			*why = "it has too many entries";
			return MPK_BAD;
		}
		if (data > MPK_BYTES || s->at + head_size + data > MPK_BYTES) {
			*why = "it is too long";
			return MPK_BAD;
		}
		s->at += head_size + data;
		if (children) {
			if (s->depth == MPK_DEPTH) {
				*why = "it is nested too deeply";
				return MPK_BAD;
			}
			s->left[++s->depth] = children;
		}
	}
	return s->at > n ? MPK_SHORT : MPK_WHOLE;
}

static void *zone_alloc(msgpack_zone *zone, size_t n)
{
	void *p = msgpack_zone_malloc(zone, n ? n : 1);

	if (!p)
		die(XIO, "out of memory");
	return p;
}

bool mpk_unpack(msgpack_zone *zone, msgpack_object *out, const void *buf, size_t n)
{
	msgpack_zone scratch;
	msgpack_object o;
	size_t at = 0;
	bool ok;

	if (!msgpack_zone_init(&scratch, 8192))
		die(XIO, "out of memory");
	ok = msgpack_unpack(buf, n, &at, &scratch, &o) == MSGPACK_UNPACK_SUCCESS && at == n;
	if (ok)
		*out = mpk_copy(zone, o);               /* with texts terminated and arrays that can grow */
	msgpack_zone_destroy(&scratch);
	return ok;
}

msgpack_object mpk_bool(bool v) { return (msgpack_object){ .type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = v }; }
msgpack_object mpk_real(double v) { return (msgpack_object){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = v }; }
msgpack_object mpk_map(void) { return (msgpack_object){ .type = MSGPACK_OBJECT_MAP }; }
msgpack_object mpk_array(void) { return (msgpack_object){ .type = MSGPACK_OBJECT_ARRAY }; }

msgpack_object mpk_int(int64_t v)
{
	if (v >= 0)
		return (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)v };
	return (msgpack_object){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = v };
}

msgpack_object mpk_str(msgpack_zone *zone, const char *s)
{
	size_t n = strlen(s);
	char *copy = zone_alloc(zone, n + 1);

	memcpy(copy, s, n + 1);
	return (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { .size = (uint32_t)n, .ptr = copy } };
}

msgpack_object mpk_bin(msgpack_zone *zone, const void *data, size_t n)
{
	char *copy = zone_alloc(zone, n);

	memcpy(copy, data, n);
	return (msgpack_object){ .type = MSGPACK_OBJECT_BIN, .via.bin = { .size = (uint32_t)n, .ptr = copy } };
}

void mpk_append(msgpack_zone *zone, msgpack_object *array, msgpack_object value)
{
	uint32_t n = array->via.array.size;

	if ((n & (n - 1)) == 0) {                       /* capacity is the next power of two */
		msgpack_object *p = zone_alloc(zone, sizeof *p * (n ? 2 * (size_t)n : 1));
		if (n)
			memcpy(p, array->via.array.ptr, n * sizeof *p);
		array->via.array.ptr = p;
	}
	array->via.array.ptr[n] = value;
	array->via.array.size = n + 1;
}

msgpack_object mpk_ints(msgpack_zone *zone, const int64_t *v, int n)
{
	msgpack_object a = mpk_array();

	for (int i = 0; i < n; i++)
		mpk_append(zone, &a, mpk_int(v[i]));
	return a;
}

msgpack_object mpk_reals(msgpack_zone *zone, const double *v, int n)
{
	msgpack_object a = mpk_array();

	for (int i = 0; i < n; i++)
		mpk_append(zone, &a, mpk_real(v[i]));
	return a;
}

msgpack_object mpk_copy(msgpack_zone *zone, msgpack_object o)
{
	switch (o.type) {
	case MSGPACK_OBJECT_STR: {
		char *s = zone_alloc(zone, (size_t)o.via.str.size + 1);
		memcpy(s, o.via.str.ptr, o.via.str.size);
		s[o.via.str.size] = 0;
		o.via.str.ptr = s;
		return o;
	}
	case MSGPACK_OBJECT_BIN:
		return mpk_bin(zone, o.via.bin.ptr, o.via.bin.size);
	case MSGPACK_OBJECT_EXT: {
		char *s = zone_alloc(zone, o.via.ext.size);
		memcpy(s, o.via.ext.ptr, o.via.ext.size);
		o.via.ext.ptr = s;
		return o;
	}
	case MSGPACK_OBJECT_ARRAY: {
		msgpack_object a = mpk_array();
		for (uint32_t i = 0; i < o.via.array.size; i++)
			mpk_append(zone, &a, mpk_copy(zone, o.via.array.ptr[i]));
		return a;
	}
	case MSGPACK_OBJECT_MAP: {
		msgpack_object_kv *kv = zone_alloc(zone, o.via.map.size * sizeof *kv);
		for (uint32_t i = 0; i < o.via.map.size; i++)
			kv[i] = (msgpack_object_kv){ mpk_copy(zone, o.via.map.ptr[i].key), mpk_copy(zone, o.via.map.ptr[i].val) };
		o.via.map.ptr = kv;
		return o;
	}
	default:
		return o;
	}
}

bool mpk_is_str(const msgpack_object *o, const char *s)
{
	size_t n = strlen(s);

	return o && o->type == MSGPACK_OBJECT_STR && o->via.str.size == n && !memcmp(o->via.str.ptr, s, n);
}

static msgpack_object_kv *entry(const msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++)
		if (mpk_is_str(&map->via.map.ptr[i].key, key))
			return &map->via.map.ptr[i];
	return NULL;
}

void mpk_put(msgpack_zone *zone, msgpack_object *map, const char *key, msgpack_object value)
{
	msgpack_object_kv *e = entry(map, key);
	uint32_t n = map->via.map.size;

	if (e) {
		e->val = value;
		return;
	}
	e = zone_alloc(zone, sizeof *e * ((size_t)n + 1));   /* maps are small; an unpacked one has no spare room */
	if (n)
		memcpy(e, map->via.map.ptr, n * sizeof *e);
	e[n] = (msgpack_object_kv){ mpk_str(zone, key), value };
	map->via.map.ptr = e;
	map->via.map.size = n + 1;
}

void mpk_put_all(msgpack_zone *zone, msgpack_object *map, const char *const *key, const msgpack_object *value, uint32_t n)
{
	const msgpack_object old = *map;
	uint32_t size = old.via.map.size;
	msgpack_object_kv *e = zone_alloc(zone, sizeof *e * ((size_t)size + n));

	for (uint32_t i = 0; i < n; i++) {
		msgpack_object_kv *there = entry(&old, key[i]);
		if (there)
			there->val = value[i];
		else
			e[size++] = (msgpack_object_kv){ mpk_str(zone, key[i]), value[i] };
	}
	if (old.via.map.size)
		memcpy(e, old.via.map.ptr, old.via.map.size * sizeof *e);
	map->via.map.ptr = e;
	map->via.map.size = size;
}

void mpk_remove(msgpack_object *map, const char *key)
{
	msgpack_object_kv *e = entry(map, key);

	if (!e)
		return;
	memmove(e, e + 1, (size_t)(map->via.map.ptr + map->via.map.size - e - 1) * sizeof *e);
	map->via.map.size--;
}

msgpack_object *mpk_get(const msgpack_object *map, const char *key)
{
	msgpack_object_kv *e = entry(map, key);

	return e ? &e->val : NULL;
}

static msgpack_object *typed(const msgpack_object *map, const char *key, msgpack_object_type type)
{
	msgpack_object *o = mpk_get(map, key);

	return o && o->type == type ? o : NULL;
}

msgpack_object *mpk_get_map(const msgpack_object *map, const char *key) { return typed(map, key, MSGPACK_OBJECT_MAP); }
msgpack_object *mpk_get_array(const msgpack_object *map, const char *key) { return typed(map, key, MSGPACK_OBJECT_ARRAY); }

/* Every text in a tree is zero-terminated, since mpk_unpack() and mpk_str() make it so. */
const char *mpk_as_str(const msgpack_object *o)
{
	if (!o || o->type != MSGPACK_OBJECT_STR || memchr(o->via.str.ptr, 0, o->via.str.size))
		return NULL;
	return o->via.str.ptr;
}

const char *mpk_get_str(const msgpack_object *map, const char *key, const char *otherwise)
{
	const char *s = mpk_as_str(mpk_get(map, key));

	return s ? s : otherwise;
}

bool mpk_as_int(const msgpack_object *o, int64_t *v)
{
	if (!o)
		return false;
	if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		*v = (int64_t)o->via.u64;
	else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*v = o->via.i64;
	else
		return false;
	return true;
}

bool mpk_as_real(const msgpack_object *o, double *v)
{
	int64_t i;

	if (o && (o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32))
		*v = o->via.f64;
	else if (mpk_as_int(o, &i))
		*v = (double)i;
	else
		return false;
	return true;
}

int64_t mpk_get_int(const msgpack_object *map, const char *key, int64_t otherwise)
{
	int64_t v;

	return mpk_as_int(mpk_get(map, key), &v) ? v : otherwise;
}

double mpk_get_real(const msgpack_object *map, const char *key, double otherwise)
{
	double v;

	return mpk_as_real(mpk_get(map, key), &v) ? v : otherwise;
}

bool mpk_get_ints(const msgpack_object *map, const char *key, int64_t *v, int n)
{
	msgpack_object *a = mpk_get_array(map, key);

	if (!a || a->via.array.size != (uint32_t)n)
		return false;
	for (int i = 0; i < n; i++)
		if (!mpk_as_int(&a->via.array.ptr[i], &v[i]))
			return false;
	return true;
}

bool mpk_get_reals(const msgpack_object *map, const char *key, double *v, int n)
{
	msgpack_object *a = mpk_get_array(map, key);

	if (!a || a->via.array.size != (uint32_t)n)
		return false;
	for (int i = 0; i < n; i++)
		if (!mpk_as_real(&a->via.array.ptr[i], &v[i]))
			return false;
	return true;
}

bool mpk_equal(const msgpack_object *a, const msgpack_object *b)
{
	const msgpack_object *pair[] = { a, b };
	msgpack_sbuffer bytes[2];
	bool equal;

	if (!a || !b)
		return a == b;
	for (int i = 0; i < 2; i++) {                   /* msgpack_object_equal() finds no NaN equal to itself */
		msgpack_packer p;
		msgpack_sbuffer_init(&bytes[i]);
		msgpack_packer_init(&p, &bytes[i], msgpack_sbuffer_write);
		if (msgpack_pack_object(&p, *pair[i]))
			die(XIO, "out of memory");
	}
	equal = bytes[0].size == bytes[1].size && !memcmp(bytes[0].data, bytes[1].data, bytes[0].size);
	for (int i = 0; i < 2; i++)
		msgpack_sbuffer_destroy(&bytes[i]);
	return equal;
}
