#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/pickle-write.h"

enum {
	PROTO = 0x80, STOP = '.', NONE = 'N', NEWTRUE = 0x88, NEWFALSE = 0x89, BININT = 'J', LONG1 = 0x8a, BINFLOAT = 'G',
	BINUNICODE = 'X', EMPTY_DICT = '}', EMPTY_LIST = ']', EMPTY_TUPLE = ')', MARK = '(', SETITEMS = 'u', APPENDS = 'e', TUPLE = 't',
	GLOBAL = 'c', BINPUT = 'q', BINGET = 'h', REDUCE = 'R', BINPERSID = 'Q'
};

static void put(struct pickle_out *o, const void *data, size_t n)
{
	while (o->room - o->n < n)
		o->data = xrealloc(o->data, o->room = o->room ? 2 * o->room : 65536, 1);
	memcpy(o->data + o->n, data, n);
	o->n += n;
}

static void put_op(struct pickle_out *o, int op) { put(o, &(unsigned char){ (unsigned char)op }, 1); }

static void put_little(struct pickle_out *o, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++, v >>= 8)
		put_op(o, (int)(v & 255));
}

void pickle_begin(struct pickle_out *o)
{
	put_op(o, PROTO);
	put_op(o, 2);
}

void pickle_end(struct pickle_out *o) { put_op(o, STOP); }

void pickle_drop(struct pickle_out *o)
{
	while (o->globals)
		free(o->global[--o->globals]);
	free(o->data);
	*o = (struct pickle_out){0};
}

void pickle_put_none(struct pickle_out *o) { put_op(o, NONE); }
void pickle_put_bool(struct pickle_out *o, bool v) { put_op(o, v ? NEWTRUE : NEWFALSE); }

void pickle_put_int(struct pickle_out *o, int64_t v)
{
	if (v == (int32_t)v) {
		put_op(o, BININT);
		put_little(o, (uint64_t)v, 4);
	} else {
		put_op(o, LONG1);
		put_op(o, 8);
		put_little(o, (uint64_t)v, 8);
	}
}

void pickle_put_real(struct pickle_out *o, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, 8);
	put_op(o, BINFLOAT);
	put_little(o, __builtin_bswap64(bits), 8);
}

void pickle_put_text(struct pickle_out *o, const char *s)
{
	put_op(o, BINUNICODE);
	put_little(o, strlen(s), 4);
	put(o, s, strlen(s));
}

void pickle_open_dict(struct pickle_out *o) { put_op(o, EMPTY_DICT); put_op(o, MARK); }
void pickle_close_dict(struct pickle_out *o) { put_op(o, SETITEMS); }
void pickle_open_list(struct pickle_out *o) { put_op(o, EMPTY_LIST); put_op(o, MARK); }
void pickle_close_list(struct pickle_out *o) { put_op(o, APPENDS); }
void pickle_open_tuple(struct pickle_out *o) { put_op(o, MARK); }
void pickle_close_tuple(struct pickle_out *o) { put_op(o, TUPLE); }
void pickle_call(struct pickle_out *o) { put_op(o, REDUCE); }
void pickle_persistent(struct pickle_out *o) { put_op(o, BINPERSID); }

void pickle_put_global(struct pickle_out *o, const char *module, const char *name)
{
	char *line = xasprintf("%s\n%s\n", module, name);
	int i = 0;

	while (i < o->globals && strcmp(o->global[i], line))
		i++;
	if (i < o->globals) {
		put_op(o, BINGET);
		put_op(o, i);
		free(line);
		return;
	}
	put_op(o, GLOBAL);
	put(o, line, strlen(line));
	if (i == sizeof o->global / sizeof *o->global) {        /* more than a checkpoint has */
		free(line);
		return;
	}
	put_op(o, BINPUT);
	put_op(o, i);
	o->global[o->globals++] = line;
}

void pickle_open_ordered_dict(struct pickle_out *o)
{
	pickle_put_global(o, "collections", "OrderedDict");
	put_op(o, EMPTY_TUPLE);
	put_op(o, REDUCE);
	put_op(o, MARK);
}

void pickle_put_json(struct pickle_out *o, json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null: pickle_put_none(o); break;
	case json_type_boolean: pickle_put_bool(o, json_object_get_boolean(v)); break;
	case json_type_int: pickle_put_int(o, json_object_get_int64(v)); break;
	case json_type_double: pickle_put_real(o, json_object_get_double(v)); break;
	case json_type_string: pickle_put_text(o, json_object_get_string(v)); break;
	case json_type_array:
		pickle_open_list(o);
		for (size_t i = 0; i < json_object_array_length(v); i++)
			pickle_put_json(o, json_object_array_get_idx(v, i));
		pickle_close_list(o);
		break;
	case json_type_object:
		pickle_open_dict(o);
		json_object_object_foreach(v, key, value) {
			pickle_put_text(o, key);
			pickle_put_json(o, value);
		}
		pickle_close_dict(o);
		break;
	}
}

static bool put_items(struct pickle_out *o, const struct pickle_value *v, int depth);

static bool put_value(struct pickle_out *o, const struct pickle_value *v, int depth)
{
	int64_t i;
	double r;

	if (!depth)
		return fail(XDATA, "what the pickle holds is nested too deeply");
	switch (v->kind) {
	case PICKLE_NONE: pickle_put_none(o); return true;
	case PICKLE_BOOL: pickle_put_bool(o, v->i); return true;
	case PICKLE_INT: pickle_put_int(o, v->i); return true;
	case PICKLE_REAL: pickle_put_real(o, v->r); return true;
	case PICKLE_TEXT:
		put_op(o, BINUNICODE);
		put_little(o, v->length, 4);
		put(o, v->s, v->length);
		return true;
	case PICKLE_TUPLE: case PICKLE_LIST: case PICKLE_DICT: return put_items(o, v, depth);
	case PICKLE_OBJECT:
		if (v->global == GLOBAL_DEVICE) {
			pickle_put_global(o, "torch", "device");
			if (!put_items(o, v->args, depth))
				return false;
			pickle_call(o);
			return true;
		}
		if (pickle_int(&i, v))
			pickle_put_int(o, i);
		else if (pickle_real(&r, v))
			pickle_put_real(o, r);
		else
			return fail(XDATA, "the pickle holds an object that is not copied");
		return true;
	default: return fail(XDATA, "the pickle holds a value that is not copied");
	}
}

static bool put_items(struct pickle_out *o, const struct pickle_value *v, int depth)
{
	put_op(o, v->kind == PICKLE_DICT ? EMPTY_DICT : v->kind == PICKLE_LIST ? EMPTY_LIST : MARK);
	if (v->kind != PICKLE_TUPLE)
		put_op(o, MARK);
	for (size_t i = 0; i < v->n; i++)
		if (!put_value(o, v->item[i], depth - 1))
			return false;
	put_op(o, v->kind == PICKLE_DICT ? SETITEMS : v->kind == PICKLE_LIST ? APPENDS : TUPLE);
	return true;
}

bool pickle_put_value(struct pickle_out *o, const struct pickle_value *v) { return put_value(o, v, 64); }
