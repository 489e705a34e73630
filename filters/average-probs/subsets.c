#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/average-probs/subsets.h"

const char *const subset_kinds[] = { "prefix", "cycles", "cycle", "folds", "members", NULL };

/* A member and what sorts it. */
struct place { int member; long long key; };

void subsets_free(struct subsets *s)
{
	for (int i = 0; i < s->n; i++)
		free(s->s[i].name);
	free(s->s);
	*s = (struct subsets){0};
}

/* Takes the name. */
static struct subset *add(struct subsets *s, char *name)
{
	s->s = xrealloc(s->s, (size_t)s->n + 1, sizeof *s->s);
	s->s[s->n] = (struct subset){ .name = name };
	return &s->s[s->n++];
}

static void put(struct subset *s, int member) { s->member[s->n++] = member; }

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->member > y->member) - (x->member < y->member);
}

/* The epoch that a name gives as checkpoint_EPOCH; -1 if it does not. */
static long long epoch_of(const char *name)
{
	static const char before[] = "checkpoint_";
	long long epoch = -1;

	for (const char *p = name; (p = strstr(p, before)); p++)
		if (p[sizeof before - 1] >= '0' && p[sizeof before - 1] <= '9')
			epoch = strtoll(p + sizeof before - 1, NULL, 10);
	return epoch;
}

static void add_prefixes(struct subsets *s, const struct members *m)
{
	struct place order[MEMBERS_MAX];

	for (int i = 0; i < m->n; i++)
		order[i] = (struct place){ i, m->seen[i].index };
	qsort(order, (size_t)m->n, sizeof *order, by_key);
	for (int k = 1; k < m->n; k++) {
		struct subset *one = add(s, xasprintf("first_%d", k));
		for (int i = 0; i < k; i++)
			put(one, order[i].member);
	}
}

/* The least step between different epochs; 0 if there is one epoch only. */
static long long least_step(const struct place *order, int n)
{
	long long least = 0;

	for (int i = 1; i < n; i++) {
		long long step = order[i].key - order[i - 1].key;
		if (step > 0 && (least == 0 || step < least))
			least = step;
	}
	return least;
}

static bool add_cycles(struct subsets *s, const struct members *m, bool nested)
{
	struct place order[MEMBERS_MAX];
	int cycles = 1, from = 0;
	long long least;

	for (int i = 0; i < m->n; i++) {
		order[i] = (struct place){ i, epoch_of(m->seen[i].name) };
		if (order[i].key < 0)
			return fail(XDATA, "member %s is not named checkpoint_EPOCH, so its training cycle is unknown", m->seen[i].name);
	}
	qsort(order, (size_t)m->n, sizeof *order, by_key);
	least = least_step(order, m->n);
	for (int end = 1; end <= m->n; end++) {
		struct subset *one;
		if (end < m->n && order[end].key - order[end - 1].key <= 2 * least)
			continue;
		one = add(s, xasprintf(nested ? "cycles_%d" : "cycle_%d", cycles++));
		for (int i = nested ? 0 : from; i < end; i++)
			put(one, order[i].member);
		from = end;
	}
	return true;
}

static bool add_folds(struct subsets *s, const struct members *m)
{
	int first = s->n;

	for (int i = 0; i < m->n; i++) {
		struct subset *one = NULL;
		char *name;
		if (!m->seen[i].fold)
			return fail(XDATA, "member %s does not say of which fold it is", m->seen[i].name);
		name = xasprintf("fold_%s", m->seen[i].fold);
		for (int k = first; k < s->n && !one; k++)
			if (!strcmp(s->s[k].name, name))
				one = &s->s[k];
		if (one)
			free(name);
		else
			one = add(s, name);
		put(one, i);
	}
	return true;
}

/* By its name, with the fold where another has the same. */
static void add_member(struct subsets *s, const struct members *m, int i)
{
	const struct seen *own = &m->seen[i];
	bool again = false;

	for (int k = 0; k < m->n; k++)
		again |= k != i && !strcmp(m->seen[k].name, own->name);
	put(add(s, again && own->fold ? xasprintf("fold_%s/%s", own->fold, own->name) : xstrdup(own->name)), i);
}

bool subsets_make(struct subsets *s, unsigned kinds, const struct members *m)
{
	struct subset *all = add(s, xstrdup("all"));

	for (int i = 0; i < m->n; i++)
		put(all, i);
	if (kinds & 1u << SUBSET_PREFIX)
		add_prefixes(s, m);
	if (kinds & 1u << SUBSET_CYCLES && !add_cycles(s, m, true))
		return false;
	if (kinds & 1u << SUBSET_CYCLE && !add_cycles(s, m, false))
		return false;
	if (kinds & 1u << SUBSET_FOLDS && !add_folds(s, m))
		return false;
	for (int i = 0; kinds & 1u << SUBSET_MEMBERS && i < m->n; i++)
		add_member(s, m, i);
	return true;
}
