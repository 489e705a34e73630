#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/pickle-machine.h"

static struct pickle_value none = { .kind = PICKLE_NONE };
static struct pickle_value truth = { .kind = PICKLE_BOOL, .i = 1 }, falsehood = { .kind = PICKLE_BOOL };

static bool push_int(struct machine *m, int64_t i)
{
	struct pickle_value *v = machine_value(m, PICKLE_INT);

	if (v)
		v->i = i;
	return machine_push(m, v);
}

/* LONG1: two's complement; what 64 bits cannot hold stays as bytes. */
static bool push_long(struct machine *m)
{
	struct pickle_value *v;
	const unsigned char *b;
	uint64_t n, u = 0;

	if (!machine_number(m, 1, &n) || !(b = machine_bytes(m, n)))
		return false;
	if (n > 8) {
		if ((v = machine_value(m, PICKLE_LONG)))
			v->s = (const char *)b, v->length = n;
		return machine_push(m, v);
	}
	for (uint64_t i = 0; i < 8; i++)
		u |= (uint64_t)(i < n ? b[i] : n && b[n - 1] & 0x80 ? 0xff : 0) << 8 * i;
	return push_int(m, (int64_t)u);
}

static bool push_real(struct machine *m)
{
	const unsigned char *b = machine_bytes(m, 8);
	struct pickle_value *v = b ? machine_value(m, PICKLE_REAL) : NULL;
	uint64_t u = 0;

	if (!v)
		return false;
	for (int i = 0; i < 8; i++)                     /* BINFLOAT is big-endian */
		u = u << 8 | b[i];
	memcpy(&v->r, &u, 8);
	return machine_push(m, v);
}

static char *copy_text(struct machine *m, const void *s, size_t n)
{
	char *t = n < SIZE_MAX - 32 ? machine_take(m, n + 1) : NULL;

	if (t) {
		memcpy(t, s, n);
		t[n] = 0;
	}
	return t;
}

/* Text and bytes: a length of size_bytes bytes, then the content. */
static bool push_content(struct machine *m, enum pickle_kind kind, int size_bytes)
{
	const unsigned char *b;
	struct pickle_value *v;
	uint64_t n;

	if (!machine_number(m, size_bytes, &n) || !(b = machine_bytes(m, n)) || !(v = machine_value(m, kind)))
		return false;
	v->length = n;
	v->s = kind == PICKLE_TEXT ? copy_text(m, b, n) : (const char *)b;
	return v->s && machine_push(m, v);
}

static bool push_items(struct machine *m, struct pickle_value **from, size_t n)
{
	struct pickle_value *v = machine_value(m, PICKLE_TUPLE);

	if (!v || !(v->item = machine_take(m, n * sizeof *v->item)))
		return false;
	if (n)
		memcpy(v->item, from, n * sizeof *v->item);
	v->n = v->capacity = n;
	return machine_push(m, v);
}

static bool push_tuple(struct machine *m, size_t n)
{
	if (m->depth - machine_floor(m) < n)
		return fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
	m->depth -= n;
	return push_items(m, m->stack + m->depth, n);
}

/* Appends n values to the list or dict on top of the stack; from stays readable until the next push. */
static bool append(struct machine *m, enum pickle_kind kind, struct pickle_value **from, size_t n)
{
	struct pickle_value *v = machine_top(m);

	if (!v)
		return false;
	if (v->kind != kind || (kind == PICKLE_DICT && n % 2))
		return fail(XDATA, "the pickle adds items to what is no %s at byte %zu", kind == PICKLE_DICT ? "dict" : "list",
		            m->at);
	if (v->n + n > v->capacity) {
		size_t capacity = v->n + n > 2 * v->capacity ? v->n + n : 2 * v->capacity;
		struct pickle_value **item = machine_take(m, capacity * sizeof *item);
		if (!item)
			return false;
		if (v->n)
			memcpy(item, v->item, v->n * sizeof *item);
		v->item = item;
		v->capacity = capacity;
	}
	if (n)
		memcpy(v->item + v->n, from, n * sizeof *from);
	v->n += n;
	return true;
}

static bool append_top(struct machine *m, enum pickle_kind kind, size_t n)
{
	if (m->depth - machine_floor(m) < n + 1)
		return fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
	m->depth -= n;
	return append(m, kind, m->stack + m->depth, n);
}

static bool append_marked(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value **from = NULL;
	size_t n = 0;

	return machine_pop_mark(m, &from, &n) && append(m, kind, from, n);
}

/* A name from the file as one can print it. */
static void printable(char out[100], const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < 99; i++)
		out[i] = (unsigned char)s[i] > ' ' && (unsigned char)s[i] < 0x7f ? s[i] : '?';
	out[i] = 0;
}

static bool push_global(struct machine *m, const char *module, size_t module_length, const char *name, size_t name_length)
{
	const struct pickle_allowed *a = pickle_allowed(module, module_length, name, name_length);
	struct pickle_value *v;
	char text[2][100];

	if (!a && m->more.module && pickle_named(&m->more, module, module_length, name, name_length))
		a = &m->more;
	if (!a) {
		printable(text[0], module, module_length);
		printable(text[1], name, name_length);
		return fail(XDATA, "the pickle asks for %s.%s, which is not allowed", text[0], text[1]);
	}
	if ((v = machine_value(m, PICKLE_GLOBAL))) {
		v->global = a->global;
		v->storage = a->storage;
	}
	return machine_push(m, v);
}

/* GLOBAL: two lines of text. */
static bool read_global(struct machine *m)
{
	const char *line[2];
	size_t length[2];

	for (int i = 0; i < 2; i++) {
		const unsigned char *end = memchr(m->buf + m->at, '\n', m->n - m->at);
		if (!end)
			return fail(XDATA, "the pickle ends within a global's name at byte %zu", m->at);
		line[i] = (const char *)m->buf + m->at;
		length[i] = (size_t)(end - m->buf) - m->at;
		m->at += length[i] + 1;
	}
	return push_global(m, line[0], length[0], line[1], length[1]);
}

static bool stack_global(struct machine *m)
{
	struct pickle_value *name = machine_pop(m), *module = name ? machine_pop(m) : NULL;

	if (!module)
		return false;
	if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
		return fail(XDATA, "the pickle names a global by something other than text at byte %zu", m->at);
	return push_global(m, module->s, module->length, name->s, name->length);
}

/* _codecs.encode(text, "latin1"): how protocol 2 writes bytes; the text's code points are the bytes. */
static bool encode(struct machine *m, const struct pickle_value *args)
{
	const struct pickle_value *text = args->n == 2 ? args->item[0] : NULL;
	struct pickle_value *v = machine_value(m, PICKLE_BYTES);
	char *out;
	size_t n = 0;

	if (!v)
		return false;
	if (!text || text->kind != PICKLE_TEXT || !pickle_text(args->item[1]) || strcmp(args->item[1]->s, "latin1"))
		return fail(XDATA, "the pickle calls _codecs.encode for something other than latin1 bytes");
	if (!(out = machine_take(m, text->length)))
		return false;
	for (size_t i = 0; i < text->length; i++) {
		unsigned char c = (unsigned char)text->s[i];
		if (c >= 0x80) {                        /* U+0080 to U+00FF: two bytes of UTF-8, C2 or C3 first */
			if ((c & 0xfe) != 0xc2 || i + 1 == text->length || (text->s[i + 1] & 0xc0) != 0x80)
				return fail(XDATA, "the pickle encodes text that is not latin1");
			c = (unsigned char)((c & 3) << 6 | (text->s[++i] & 0x3f));
		}
		out[n++] = (char)c;
	}
	v->s = out;
	v->length = n;
	return machine_push(m, v);
}

/* REDUCE and NEWOBJ: a global and the tuple of its arguments become an object; nothing is called. */
static bool reduce(struct machine *m)
{
	struct pickle_value *args = machine_pop(m), *callee = args ? machine_pop(m) : NULL, *v;

	if (!callee)
		return false;
	if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
		return fail(XDATA, "the pickle calls something that is no global at byte %zu", m->at);
	if (callee->global == GLOBAL_ENCODE)
		return encode(m, args);
	if (callee->global == GLOBAL_ORDERED_DICT && args->n)
		return fail(XDATA, "the pickle makes an OrderedDict from arguments");
	if (callee->global == GLOBAL_ORDERED_DICT)
		return machine_push(m, machine_value(m, PICKLE_DICT));
	if (!(v = machine_value(m, PICKLE_OBJECT)))
		return false;
	v->global = callee->global;
	v->args = args;
	return machine_push(m, v);
}

/* BUILD: sets an object's state; the attributes of a dict (_metadata of weights) are dropped. */
static bool build(struct machine *m)
{
	struct pickle_value *state = machine_pop(m), *v = state ? machine_top(m) : NULL;

	if (!v)
		return false;
	if (v->kind == PICKLE_OBJECT)
		v->state = state;
	else if (v->kind != PICKLE_DICT)
		return fail(XDATA, "the pickle sets the state of what is no object at byte %zu", m->at);
	return true;
}

static bool push_persistent(struct machine *m)
{
	struct pickle_value *id = machine_pop(m), *v = id ? machine_value(m, PICKLE_PERSISTENT) : NULL;

	if (v) {
		v->id = id;
		v->previous = m->p->persistent;
		m->p->persistent = v;
	}
	return machine_push(m, v);
}

static bool bad_opcode(const struct machine *m, unsigned char code)
{
	const char *name = pickle_opcode(code);

	if (name)
		return fail(XDATA, "the pickle uses opcode %s, which is not allowed, at byte %zu", name, m->at - 1);
	return fail(XDATA, "the pickle uses opcode 0x%02x, which does not exist, at byte %zu", code, m->at - 1);
}

static bool step(struct machine *m, unsigned char code)
{
	struct pickle_value **from = NULL;
	uint64_t u;
	size_t n = 0;

	switch (code) {
	case 0x80:                                      /* PROTO */
		return machine_number(m, 1, &u) && (u <= 5 || fail(XDATA, "the pickle has protocol %d, not 2 to 5", (int)u));
	case 0x95:                                      /* FRAME */
		return machine_number(m, 8, &u) && (u <= m->n - m->at || fail(XDATA, "a frame of the pickle ends after it"));
	case '(': return machine_push_mark(m);          /* MARK */
	case '0': return machine_pop(m) != NULL;                /* POP */
	case '1': return machine_pop_mark(m, &from, &n);        /* POP_MARK */
	case '2': return machine_push(m, machine_top(m));       /* DUP */
	case 'N': return machine_push(m, &none);                /* NONE */
	case 0x88: return machine_push(m, &truth);              /* NEWTRUE */
	case 0x89: return machine_push(m, &falsehood);          /* NEWFALSE */
	case 'J': return machine_number(m, 4, &u) && push_int(m, (int32_t)u);   /* BININT */
	case 'K': return machine_number(m, 1, &u) && push_int(m, (int64_t)u);   /* BININT1 */
	case 'M': return machine_number(m, 2, &u) && push_int(m, (int64_t)u);   /* BININT2 */
	case 0x8a: return push_long(m);                 /* LONG1 */
	case 'G': return push_real(m);                  /* BINFLOAT */
	case 'X': return push_content(m, PICKLE_TEXT, 4);       /* BINUNICODE */
	case 0x8c: return push_content(m, PICKLE_TEXT, 1);      /* SHORT_BINUNICODE */
	case 0x8d: return push_content(m, PICKLE_TEXT, 8);      /* BINUNICODE8 */
	case 'B': return push_content(m, PICKLE_BYTES, 4);      /* BINBYTES */
	case 'C': return push_content(m, PICKLE_BYTES, 1);      /* SHORT_BINBYTES */
	case 0x8e: case 0x96: return push_content(m, PICKLE_BYTES, 8);  /* BINBYTES8, BYTEARRAY8 */
	case ')': return push_items(m, NULL, 0);        /* EMPTY_TUPLE */
	case 0x85: case 0x86: case 0x87: return push_tuple(m, code - 0x84u);    /* TUPLE1 to TUPLE3 */
	case 't': return machine_pop_mark(m, &from, &n) && push_items(m, from, n);      /* TUPLE */
	case ']': return machine_push(m, machine_value(m, PICKLE_LIST));        /* EMPTY_LIST */
	case '}': return machine_push(m, machine_value(m, PICKLE_DICT));        /* EMPTY_DICT */
	case 'a': return append_top(m, PICKLE_LIST, 1);         /* APPEND */
	case 's': return append_top(m, PICKLE_DICT, 2);         /* SETITEM */
	case 'e': return append_marked(m, PICKLE_LIST);         /* APPENDS */
	case 'u': return append_marked(m, PICKLE_DICT);         /* SETITEMS */
	case 'c': return read_global(m);                /* GLOBAL */
	case 0x93: return stack_global(m);              /* STACK_GLOBAL */
	case 'R': case 0x81: return reduce(m);          /* REDUCE, NEWOBJ */
	case 'b': return build(m);                      /* BUILD */
	case 'Q': return push_persistent(m);            /* BINPERSID */
	case 'q': return machine_number(m, 1, &u) && machine_memo_put(m, u);    /* BINPUT */
	case 'r': return machine_number(m, 4, &u) && machine_memo_put(m, u);    /* LONG_BINPUT */
	case 0x94: return machine_memo_put(m, m->memos);        /* MEMOIZE */
	case 'h': return machine_number(m, 1, &u) && machine_memo_get(m, u);    /* BINGET */
	case 'j': return machine_number(m, 4, &u) && machine_memo_get(m, u);    /* LONG_BINGET */
	}
	return bad_opcode(m, code);
}

bool pickle_read_naming(struct pickle *p, const void *buf, size_t n, size_t *used, const char *module, const char *name)
{
	/* No honest pickle needs 256 bytes of values for each of its own. */
	size_t linear = n < SIZE_MAX / 512 ? n * 256 + (1 << 16) : SIZE_MAX;
	struct machine m = { .p = p, .buf = buf, .n = n, .budget = linear < memory_limit ? linear : memory_limit,
	                     .more = { module, name, GLOBAL_NAMED, DT_NONE } };
	bool ok;

	*p = (struct pickle){ 0 };
	ok = n >= 2 && m.buf[0] == 0x80 && m.buf[1] >= 2;
	if (!ok)
		fail(XDATA, "this is no pickle of protocol 2 or later");
	while (ok) {
		if (m.at == n) {
			ok = fail(XDATA, "the pickle ends without STOP");
			break;
		}
		unsigned char code = m.buf[m.at++];
		if (code == '.') {                      /* STOP */
			p->root = machine_pop(&m);
			ok = p->root != NULL;
			break;
		}
		ok = step(&m, code);
	}
	if (ok && used)
		*used = m.at;
	machine_free(&m);
	if (!ok)
		pickle_free(p);
	return ok;
}

bool pickle_read(struct pickle *p, const void *buf, size_t n, size_t *used)
{
	return pickle_read_naming(p, buf, n, used, NULL, NULL);
}
