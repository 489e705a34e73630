/* pickle-machine: the stack, marks, memo and memory of the pickle interpreter; private to pickle.
 *
 * Everything that bytes of a file decide goes through here and is bounded.  Functions that return a pointer give NULL,
 * the others false, after fail(). */
#ifndef COMMON_PICKLE_MACHINE_H
#define COMMON_PICKLE_MACHINE_H
#include "common/pickle-allow.h"

struct machine {
	struct pickle *p;
	const unsigned char *buf;
	size_t n, at;
	struct pickle_allowed more;     /* one more global that this pickle may name; module NULL if none */
	size_t budget;                  /* bytes that the tree may still take */
	struct pickle_value **stack;
	size_t depth, stack_capacity;
	size_t *mark;                   /* stack depths */
	size_t marks, mark_capacity;
	struct pickle_value **memo;
	size_t memos, memo_capacity;    /* memos: how many are set, for MEMOIZE */
};

/* Memory that lives as long as the tree. */
void *machine_take(struct machine *m, size_t n);
struct pickle_value *machine_value(struct machine *m, enum pickle_kind kind);

/* The next n bytes of the pickle; the next n of them as an unsigned little-endian number. */
const unsigned char *machine_bytes(struct machine *m, size_t n);
bool machine_number(struct machine *m, int n, uint64_t *out);

bool machine_push(struct machine *m, struct pickle_value *v);   /* v may be NULL: after a fail() */
struct pickle_value *machine_pop(struct machine *m);
struct pickle_value *machine_top(struct machine *m);
/* The lowest stack depth that the current opcode may pop to. */
size_t machine_floor(const struct machine *m);
bool machine_push_mark(struct machine *m);
/* Takes the values above the last mark off the stack: *n of them at *from, valid until the next push. */
bool machine_pop_mark(struct machine *m, struct pickle_value ***from, size_t *n);

bool machine_memo_put(struct machine *m, uint64_t i);           /* the top of the stack becomes value i */
bool machine_memo_get(struct machine *m, uint64_t i);           /* pushes it */
void machine_free(struct machine *m);                           /* all but the tree */
#endif
