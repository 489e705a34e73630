#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/pickle-machine.h"

enum { CHUNK = 1 << 15, STACK_MAX = 1 << 26 };

struct pickle_chunk { struct pickle_chunk *next; size_t used, size; };

static void out_of_budget(void)
{
	fail(XDATA, "the pickle needs more memory than its size or --memory allows");
}

void *machine_take(struct machine *m, size_t bytes)
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

/* A working array with room for one more element than `used`; NULL after fail(), and then the old one stands. */
static void *grow(struct machine *m, void *array, size_t used, size_t *capacity, size_t size)
{
	size_t more = *capacity ? *capacity : 64;

	if (used < *capacity)
		return array;
	if (more * size > m->budget || *capacity >= STACK_MAX) {
		out_of_budget();
		return NULL;
	}
	m->budget -= more * size;
	*capacity += more;
	return xrealloc(array, *capacity, size);
}

bool machine_push(struct machine *m, struct pickle_value *v)
{
	struct pickle_value **stack = v ? grow(m, m->stack, m->depth, &m->stack_capacity, sizeof *stack) : NULL;

	if (!stack)
		return false;
	m->stack = stack;
	m->stack[m->depth++] = v;
	return true;
}

struct pickle_value *machine_value(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value *v = machine_take(m, sizeof *v);

	if (v)
		*v = (struct pickle_value){ .kind = kind };
	return v;
}

size_t machine_floor(const struct machine *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

struct pickle_value *machine_pop(struct machine *m)
{
	if (m->depth <= machine_floor(m)) {
		fail(XDATA, "the pickle takes a value from an empty stack at byte %zu", m->at);
		return NULL;
	}
	return m->stack[--m->depth];
}

struct pickle_value *machine_top(struct machine *m)
{
	struct pickle_value *v = machine_pop(m);

	if (v)
		m->depth++;
	return v;
}

bool machine_push_mark(struct machine *m)
{
	size_t *mark = grow(m, m->mark, m->marks, &m->mark_capacity, sizeof *mark);

	if (!mark)
		return false;
	m->mark = mark;
	m->mark[m->marks++] = m->depth;
	return true;
}

bool machine_pop_mark(struct machine *m, struct pickle_value ***from, size_t *n)
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

const unsigned char *machine_bytes(struct machine *m, size_t n)
{
	if (n > m->n - m->at) {
		fail(XDATA, "the pickle ends within a value at byte %zu", m->at);
		return NULL;
	}
	m->at += n;
	return m->buf + m->at - n;
}

bool machine_number(struct machine *m, int n, uint64_t *out)
{
	const unsigned char *b = machine_bytes(m, (size_t)n);

	*out = 0;
	for (int i = 0; b && i < n; i++)
		*out |= (uint64_t)b[i] << 8 * i;
	return b != NULL;
}

bool machine_memo_put(struct machine *m, uint64_t i)
{
	struct pickle_value *v = machine_top(m);

	if (!v)
		return false;
	if (i >= m->n)                                  /* each number costs bytes, so an honest one is smaller */
		return fail(XDATA, "the pickle numbers a value %llu at byte %zu", (unsigned long long)i, m->at);
	while (i >= m->memo_capacity) {
		size_t old = m->memo_capacity;
		struct pickle_value **memo = grow(m, m->memo, old, &m->memo_capacity, sizeof *memo);
		if (!memo)
			return false;
		m->memo = memo;
		memset(m->memo + old, 0, (m->memo_capacity - old) * sizeof *m->memo);
	}
	m->memos += !m->memo[i];
	m->memo[i] = v;
	return true;
}

bool machine_memo_get(struct machine *m, uint64_t i)
{
	if (i >= m->memo_capacity || !m->memo[i])
		return fail(XDATA, "the pickle refers to value %llu, which it does not have, at byte %zu",
		            (unsigned long long)i, m->at);
	return machine_push(m, m->memo[i]);
}

void machine_free(struct machine *m)
{
	free(m->stack);
	free(m->mark);
	free(m->memo);
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
