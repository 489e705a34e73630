#include <string.h>
#include "common/pickle.h"

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
	size_t length = strlen(key);

	if (!dict || dict->kind != PICKLE_DICT)
		return NULL;
	for (size_t i = dict->n; i >= 2; i -= 2) {
		const struct pickle_value *k = dict->item[i - 2];
		if (k->kind == PICKLE_TEXT && k->length == length && !memcmp(k->s, key, length))
			return dict->item[i - 1];
	}
	return NULL;
}

const char *pickle_text(const struct pickle_value *v)
{
	return v && v->kind == PICKLE_TEXT && strlen(v->s) == v->length ? v->s : NULL;
}

static bool is_object(const struct pickle_value *v, enum pickle_global global, size_t arguments)
{
	return v && v->kind == PICKLE_OBJECT && v->global == global && v->args->n >= arguments;
}

static bool is_bytes(const struct pickle_value *v) { return v && v->kind == PICKLE_BYTES; }
static bool is_list(const struct pickle_value *v) { return v && (v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST); }

/* numpy's dtype("f8") with its byte order in state[1]; DT_NONE for one that is not little-endian or not known. */
static enum dtype dtype_of(const struct pickle_value *v)
{
	const char *name, *order;
	char full[8];

	if (!is_object(v, GLOBAL_NUMPY_DTYPE, 1) || !v->state || v->state->kind != PICKLE_TUPLE || v->state->n < 2)
		return DT_NONE;
	name = pickle_text(v->args->item[0]);
	order = pickle_text(v->state->item[1]);
	if (!name || strlen(name) != 2 || !order || strlen(order) != 1)
		return DT_NONE;
	memcpy(full + 1, name, 3);
	full[0] = *order;
	return dtype_parse(full);
}

/* Elements at s in the type's own precision: all of them fit a double but 64-bit integers over 2^53, which round. */
static double element(const char *s, enum dtype t)
{
	int64_t i8;
	uint64_t u8;
	double f8;
	float f4;
	int32_t i4;
	uint32_t u4;

	switch (t) {
	case DT_F8: memcpy(&f8, s, 8); return f8;
	case DT_I8: memcpy(&i8, s, 8); return (double)i8;
	case DT_U8: memcpy(&u8, s, 8); return (double)u8;
	case DT_I4: memcpy(&i4, s, 4); return i4;
	case DT_U4: memcpy(&u4, s, 4); return u4;
	default: dtype_to_float(&f4, s, t, 1); return f4;
	}
}

/* A numpy scalar: scalar(dtype, bytes). */
static bool scalar(const struct pickle_value *v, enum dtype *type, const char **s)
{
	if (!is_object(v, GLOBAL_NUMPY_SCALAR, 2) || !is_bytes(v->args->item[1]))
		return false;
	*type = dtype_of(v->args->item[0]);
	*s = v->args->item[1]->s;
	return *type && v->args->item[1]->length == dtype_size(*type);
}

bool pickle_int(int64_t *out, const struct pickle_value *v)
{
	enum dtype t;
	const char *s;
	uint64_t u8;

	if (v && v->kind == PICKLE_INT) {
		*out = v->i;
		return true;
	}
	if (!scalar(v, &t, &s) || t == DT_F4 || t == DT_F8 || t == DT_F2 || t == DT_BF2)
		return false;
	if (t == DT_U8 || t == DT_I8) {
		memcpy(&u8, s, 8);
		*out = (int64_t)u8;
		return t == DT_I8 || u8 <= INT64_MAX;
	}
	*out = (int64_t)element(s, t);
	return true;
}

bool pickle_real(double *out, const struct pickle_value *v)
{
	enum dtype t;
	const char *s;

	if (!v || (v->kind != PICKLE_REAL && v->kind != PICKLE_INT)) {
		if (!scalar(v, &t, &s))
			return false;
		*out = element(s, t);
		return true;
	}
	*out = v->kind == PICKLE_REAL ? v->r : (double)v->i;
	return true;
}

/* A numpy array: _reconstruct(ndarray, ...) with state (version, shape, dtype, Fortran order, bytes), or
 * _frombuffer(bytes, dtype, shape, "C" or "F").  Writes its n elements in C order. */
static bool array(double *out, int n, const struct pickle_value *v)
{
	const struct pickle_value *shape, *type, *content;
	int64_t dim[4] = { 1, 1, 1, 1 }, index[4] = { 0 }, count = 1;
	bool fortran = false;
	const char *order;
	int dims;
	enum dtype t;

	if (is_object(v, GLOBAL_NUMPY_RECONSTRUCT, 0) && v->state && v->state->kind == PICKLE_TUPLE && v->state->n == 5) {
		shape = v->state->item[1];
		type = v->state->item[2];
		fortran = v->state->item[3]->kind == PICKLE_BOOL && v->state->item[3]->i;
		content = v->state->item[4];
	} else if (is_object(v, GLOBAL_NUMPY_FROMBUFFER, 4) && (order = pickle_text(v->args->item[3]))) {
		content = v->args->item[0];
		type = v->args->item[1];
		shape = v->args->item[2];
		fortran = !strcmp(order, "F");
	} else {
		return false;
	}
	if (!pickle_ints(dim, 4, &dims, shape) || !(t = dtype_of(type)) || !is_bytes(content))
		return false;
	for (int d = 0; d < dims; d++)
		if (dim[d] < 0 || dim[d] > n || (count *= dim[d]) > n)
			return false;
	if (count != n || content->length != (size_t)n * dtype_size(t))
		return false;
	for (int i = 0; i < n; i++) {
		int64_t at = 0, stride = 1;
		for (int d = 0; d < dims; d++, stride *= dim[d - 1])
			at += index[d] * stride;
		out[i] = element(content->s + (size_t)(fortran ? at : i) * dtype_size(t), t);
		for (int d = dims - 1; d >= 0 && ++index[d] == dim[d]; d--)
			index[d] = 0;
	}
	return true;
}

/* Numbers of v, which may be nested `depth` more times, from out + *count on. */
static bool flatten(double *out, int n, int *count, const struct pickle_value *v, int depth)
{
	if (!is_list(v) || depth < 0) {
		if (*count == n || !pickle_real(&out[*count], v))
			return false;
		++*count;
		return true;
	}
	for (size_t i = 0; i < v->n; i++)
		if (!flatten(out, n, count, v->item[i], depth - 1))
			return false;
	return true;
}

bool pickle_reals(double *out, int n, const struct pickle_value *v)
{
	int count = 0;

	return array(out, n, v) || (is_list(v) && flatten(out, n, &count, v, 1) && count == n);
}

bool pickle_ints(int64_t *out, int n, int *count, const struct pickle_value *v)
{
	if (!is_list(v) || v->n > (size_t)n)
		return false;
	for (*count = 0; *count < (int)v->n; ++*count)
		if (!pickle_int(&out[*count], v->item[*count]))
			return false;
	return true;
}
