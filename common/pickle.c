#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/pickle.h"
#include "common/pickle-allow.h"

enum { CHUNK = 1 << 15, STACK_MAX = 1 << 26 };

struct pickle_chunk { struct pickle_chunk *next; size_t used, size; };

struct machine {
	struct pickle *p;
	const unsigned char *buf;
	size_t n, at;
	size_t budget;                  /* bytes that the tree may still take */
	struct pickle_value **stack;
	size_t depth, stack_capacity;
	size_t *mark;                   /* stack depths */
	size_t marks, mark_capacity;
	struct pickle_value **memo;
	size_t memos, memo_capacity;    /* memos: how many are set, for MEMOIZE */
};

static struct pickle_value none = { .kind = PICKLE_NONE };
static struct pickle_value truth = { .kind = PICKLE_BOOL, .i = 1 }, falsehood = { .kind = PICKLE_BOOL };

static bool out_of_budget(void)
{
	return fail(XDATA, "the pickle needs more memory than its size or --memory allows");
}

/* NULL after fail(). */
static void *take(struct machine *m, size_t bytes)
{
	struct pickle_chunk *c = m->p->chunks;

	bytes = (bytes + 15) / 16 * 16;
	if (bytes > m->budget) {
		out_of_budget();
		return NULL;
	}
	m->budget -= bytes;
	if (!c || c->size - c->used < bytes) {
		size_t size = sizeof *c + (bytes > CHUNK / 4 ? bytes : CHUNK);
		c = xmalloc(size, 1);
		*c = (struct pickle_chunk){ m->p->chunks, sizeof *c, size };
		m->p->chunks = c;
	}
	c->used += bytes;
	return (char *)c + c->used - bytes;
}

/* Makes room for one more element in a working array. */
static bool grow(struct machine *m, void *array, size_t used, size_t *capacity, size_t size)
{
	void **a = array;
	size_t more = *capacity ? *capacity : 64;

	if (used < *capacity)
		return true;
	if (more * size > m->budget || *capacity >= STACK_MAX)
		return out_of_budget();
	m->budget -= more * size;
	*a = xrealloc(*a, *capacity + more, size);
	*capacity += more;
	return true;
}

static bool push(struct machine *m, struct pickle_value *v)
{
	if (!v || !grow(m, &m->stack, m->depth, &m->stack_capacity, sizeof *m->stack))
		return false;
	m->stack[m->depth++] = v;
	return true;
}

static struct pickle_value *value(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value *v = take(m, sizeof *v);

	if (v)
		*v = (struct pickle_value){ .kind = kind };
	return v;
}

/* The lowest stack depth that the current opcode may pop to. */
static size_t floor_of(const struct machine *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

static struct pickle_value *pop(struct machine *m)
{
	if (m->depth <= floor_of(m)) {
		fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
		return NULL;
	}
	return m->stack[--m->depth];
}

static struct pickle_value *top(struct machine *m)
{
	struct pickle_value *v = pop(m);

	if (v)
		m->depth++;
	return v;
}

/* Takes the values above the last mark off the stack: *n of them at *from, valid until the next push. */
static bool pop_mark(struct machine *m, struct pickle_value ***from, size_t *n)
{
	size_t base;

	if (!m->marks)
		return fail(XDATA, "the pickle misses a MARK at byte %zu", m->at);
	base = m->mark[--m->marks];
	*from = m->stack + base;
	*n = m->depth - base;
	m->depth = base;
	return true;
}

static const unsigned char *bytes(struct machine *m, size_t n)
{
	if (n > m->n - m->at) {
		fail(XDATA, "the pickle ends within a value at byte %zu", m->at);
		return NULL;
	}
	m->at += n;
	return m->buf + m->at - n;
}

/* An unsigned little-endian number of n bytes. */
static bool number(struct machine *m, int n, uint64_t *out)
{
	const unsigned char *b = bytes(m, (size_t)n);

	*out = 0;
	for (int i = 0; b && i < n; i++)
		*out |= (uint64_t)b[i] << 8 * i;
	return b != NULL;
}

static bool push_int(struct machine *m, int64_t i)
{
	struct pickle_value *v = value(m, PICKLE_INT);

	if (v)
		v->i = i;
	return push(m, v);
}

/* LONG1: two's complement; what 64 bits cannot hold stays as bytes. */
static bool push_long(struct machine *m)
{
	struct pickle_value *v;
	const unsigned char *b;
	uint64_t n, u = 0;

	if (!number(m, 1, &n) || !(b = bytes(m, n)))
		return false;
	if (n > 8) {
		if ((v = value(m, PICKLE_LONG)))
			v->s = (const char *)b, v->length = n;
		return push(m, v);
	}
	for (uint64_t i = 0; i < 8; i++)
		u |= (uint64_t)(i < n ? b[i] : n && b[n - 1] & 0x80 ? 0xff : 0) << 8 * i;
	return push_int(m, (int64_t)u);
}

static bool push_real(struct machine *m)
{
	const unsigned char *b = bytes(m, 8);
	struct pickle_value *v = b ? value(m, PICKLE_REAL) : NULL;
	uint64_t u = 0;

	if (!v)
		return false;
	for (int i = 0; i < 8; i++)                     /* BINFLOAT is big-endian */
		u = u << 8 | b[i];
	memcpy(&v->r, &u, 8);
	return push(m, v);
}

static char *copy_text(struct machine *m, const void *s, size_t n)
{
	char *t = n < SIZE_MAX - 32 ? take(m, n + 1) : NULL;

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

	if (!number(m, size_bytes, &n) || !(b = bytes(m, n)) || !(v = value(m, kind)))
		return false;
	v->length = n;
	v->s = kind == PICKLE_TEXT ? copy_text(m, b, n) : (const char *)b;
	return v->s && push(m, v);
}

static bool push_items(struct machine *m, struct pickle_value **from, size_t n)
{
	struct pickle_value *v = value(m, PICKLE_TUPLE);

	if (!v || !(v->item = take(m, n * sizeof *v->item)))
		return false;
	if (n)
		memcpy(v->item, from, n * sizeof *v->item);
	v->n = v->capacity = n;
	return push(m, v);
}

static bool push_tuple(struct machine *m, size_t n)
{
	if (m->depth - floor_of(m) < n)
		return fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
	m->depth -= n;
	return push_items(m, m->stack + m->depth, n);
}

/* Appends n values to the list or dict on top of the stack; from stays readable until the next push. */
static bool append(struct machine *m, enum pickle_kind kind, struct pickle_value **from, size_t n)
{
	struct pickle_value *v = top(m);

	if (!v)
		return false;
	if (v->kind != kind || (kind == PICKLE_DICT && n % 2))
		return fail(XDATA, "the pickle adds items to what is no %s at byte %zu", kind == PICKLE_DICT ? "dict" : "list", m->at);
	if (v->n + n > v->capacity) {
		size_t capacity = v->n + n > 2 * v->capacity ? v->n + n : 2 * v->capacity;
		struct pickle_value **item = take(m, capacity * sizeof *item);
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
	if (m->depth - floor_of(m) < n + 1)
		return fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
	m->depth -= n;
	return append(m, kind, m->stack + m->depth, n);
}

static bool append_marked(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value **from = NULL;
	size_t n = 0;

	return pop_mark(m, &from, &n) && append(m, kind, from, n);
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

	if (!a) {
		printable(text[0], module, module_length);
		printable(text[1], name, name_length);
		return fail(XDATA, "the pickle asks for %s.%s, which is not allowed", text[0], text[1]);
	}
	if ((v = value(m, PICKLE_GLOBAL))) {
		v->global = a->global;
		v->storage = a->storage;
	}
	return push(m, v);
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
	struct pickle_value *name = pop(m), *module = name ? pop(m) : NULL;

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
	struct pickle_value *v = value(m, PICKLE_BYTES);
	char *out;
	size_t n = 0;

	if (!v)
		return false;
	if (!text || text->kind != PICKLE_TEXT || !pickle_text(args->item[1]) || strcmp(args->item[1]->s, "latin1"))
		return fail(XDATA, "the pickle calls _codecs.encode for something other than latin1 bytes");
	if (!(out = take(m, text->length)))
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
	return push(m, v);
}

/* REDUCE and NEWOBJ: a global and the tuple of its arguments become an object; nothing is called. */
static bool reduce(struct machine *m)
{
	struct pickle_value *args = pop(m), *callee = args ? pop(m) : NULL, *v;

	if (!callee)
		return false;
	if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
		return fail(XDATA, "the pickle calls something that is no global at byte %zu", m->at);
	if (callee->global == GLOBAL_ENCODE)
		return encode(m, args);
	if (callee->global == GLOBAL_ORDERED_DICT)
		return args->n ? fail(XDATA, "the pickle makes an OrderedDict from arguments") : push(m, value(m, PICKLE_DICT));
	if (!(v = value(m, PICKLE_OBJECT)))
		return false;
	v->global = callee->global;
	v->args = args;
	return push(m, v);
}

/* BUILD: sets an object's state; the attributes of a dict (_metadata of weights) are dropped. */
static bool build(struct machine *m)
{
	struct pickle_value *state = pop(m), *v = state ? top(m) : NULL;

	if (!v)
		return false;
	if (v->kind == PICKLE_OBJECT)
		v->state = state;
	else if (v->kind != PICKLE_DICT)
		return fail(XDATA, "the pickle sets the state of what is no object at byte %zu", m->at);
	return true;
}

static bool memo_put(struct machine *m, uint64_t i)
{
	struct pickle_value *v = top(m);

	if (!v)
		return false;
	if (i >= m->n)                                  /* each number costs bytes, so an honest one is smaller */
		return fail(XDATA, "the pickle numbers a value %llu at byte %zu", (unsigned long long)i, m->at);
	while (i >= m->memo_capacity) {
		size_t old = m->memo_capacity;
		if (!grow(m, &m->memo, old, &m->memo_capacity, sizeof *m->memo))
			return false;
		memset(m->memo + old, 0, (m->memo_capacity - old) * sizeof *m->memo);
	}
	m->memos += !m->memo[i];
	m->memo[i] = v;
	return true;
}

static bool memo_get(struct machine *m, uint64_t i)
{
	if (i >= m->memo_capacity || !m->memo[i])
		return fail(XDATA, "the pickle refers to value %llu, which it does not have, at byte %zu", (unsigned long long)i, m->at);
	return push(m, m->memo[i]);
}

static bool push_persistent(struct machine *m)
{
	struct pickle_value *id = pop(m), *v = id ? value(m, PICKLE_PERSISTENT) : NULL;

	if (v) {
		v->id = id;
		v->previous = m->p->persistent;
		m->p->persistent = v;
	}
	return push(m, v);
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
		return number(m, 1, &u) && (u <= 5 || fail(XDATA, "the pickle has protocol %d; 2 to 5 are known", (int)u));
	case 0x95: return number(m, 8, &u) && (u <= m->n - m->at || fail(XDATA, "the pickle's frame is longer than the file"));
	case '(':                                       /* MARK */
		if (!grow(m, &m->mark, m->marks, &m->mark_capacity, sizeof *m->mark))
			return false;
		m->mark[m->marks++] = m->depth;
		return true;
	case '0': return pop(m) != NULL;                /* POP */
	case '1': return pop_mark(m, &from, &n);        /* POP_MARK */
	case '2': return push(m, top(m));               /* DUP */
	case 'N': return push(m, &none);                /* NONE */
	case 0x88: return push(m, &truth);              /* NEWTRUE */
	case 0x89: return push(m, &falsehood);          /* NEWFALSE */
	case 'J': return number(m, 4, &u) && push_int(m, (int32_t)u);   /* BININT */
	case 'K': return number(m, 1, &u) && push_int(m, (int64_t)u);   /* BININT1 */
	case 'M': return number(m, 2, &u) && push_int(m, (int64_t)u);   /* BININT2 */
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
	case 't': return pop_mark(m, &from, &n) && push_items(m, from, n);      /* TUPLE */
	case ']': return push(m, value(m, PICKLE_LIST));        /* EMPTY_LIST */
	case '}': return push(m, value(m, PICKLE_DICT));        /* EMPTY_DICT */
	case 'a': return append_top(m, PICKLE_LIST, 1);         /* APPEND */
	case 's': return append_top(m, PICKLE_DICT, 2);         /* SETITEM */
	case 'e': return append_marked(m, PICKLE_LIST);         /* APPENDS */
	case 'u': return append_marked(m, PICKLE_DICT);         /* SETITEMS */
	case 'c': return read_global(m);                /* GLOBAL */
	case 0x93: return stack_global(m);              /* STACK_GLOBAL */
	case 'R': case 0x81: return reduce(m);          /* REDUCE, NEWOBJ */
	case 'b': return build(m);                      /* BUILD */
	case 'Q': return push_persistent(m);            /* BINPERSID */
	case 'q': return number(m, 1, &u) && memo_put(m, u);    /* BINPUT */
	case 'r': return number(m, 4, &u) && memo_put(m, u);    /* LONG_BINPUT */
	case 0x94: return memo_put(m, m->memos);        /* MEMOIZE */
	case 'h': return number(m, 1, &u) && memo_get(m, u);    /* BINGET */
	case 'j': return number(m, 4, &u) && memo_get(m, u);    /* LONG_BINGET */
	}
	return bad_opcode(m, code);
}

bool pickle_read(struct pickle *p, const void *buf, size_t n, size_t *used)
{
	/* No honest pickle needs 256 bytes of values for each of its own. */
	size_t linear = n < SIZE_MAX / 512 ? n * 256 + (1 << 16) : SIZE_MAX;
	struct machine m = { .p = p, .buf = buf, .n = n, .budget = linear < memory_limit ? linear : memory_limit };
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
			p->root = pop(&m);
			ok = p->root != NULL;
			break;
		}
		ok = step(&m, code);
	}
	if (ok && used)
		*used = m.at;
	free(m.stack);
	free(m.mark);
	free(m.memo);
	if (!ok)
		pickle_free(p);
	return ok;
}

void pickle_free(struct pickle *p)
{
	while (p->chunks) {
		struct pickle_chunk *next = p->chunks->next;
		free(p->chunks);
		p->chunks = next;
	}
	p->root = p->persistent = NULL;
}
