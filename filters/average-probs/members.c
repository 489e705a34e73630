#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "filters/average-probs/members.h"

void members_begin(struct members *m)
{
	for (int i = 0; i < m->n; i++) {
		free(m->seen[i].name);
		free(m->seen[i].fold);
		free(m->seen[i].weights);
	}
	m->n = 0;
}

void members_free(struct members *m)
{
	members_begin(m);
	free(m->seen);
	m->seen = NULL;
	m->room = 0;
}

static bool is_member(const struct layer *l)
{
	struct member id;

	return !l->dropped && !strcmp(l->kind, "probs") && layer_member(l, &id);
}

int members_in(struct layer **layers, int max, const struct frame *f)
{
	int n = 0;

	for (int i = 0; i < f->n_layers; i++)
		if (is_member(f->layer[i])) {
			if (layers && n < max)
				layers[n] = f->layer[i];
			n++;
		}
	return n;
}

static bool same_shape(const struct frame *a, const struct frame *b)
{
	return a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1] && a->shape[2] == b->shape[2];
}

static bool same_spacing(const struct frame *a, const struct frame *b)
{
	for (int i = 0; i < 3; i++)
		if (fabs(a->spacing_mm[i] - b->spacing_mm[i]) > 1e-5 * a->spacing_mm[i])
			return false;
	return true;
}

static bool same_labels(const struct frame *a, const struct frame *b)
{
	static const char *const keys[] = { "labels", "regions_class_order", "ignore" };

	for (int i = 0; i < 3; i++)
		if (!mpk_equal(mpk_get(&a->header, keys[i]), mpk_get(&b->header, keys[i])))
			return false;
	return true;
}

static const char *plan_hash(const struct frame *f) { return mpk_get_str(mpk_get_map(&f->header, "plan"), "hash", "none"); }
static const char *activation(const struct layer *l) { return mpk_get_str(&l->map, "activation", "softmax"); }

/* "checkpoint_20", with the stream's name where there are several. */
static char *describe(const struct members *m, const struct seen *s)
{
	return m->n_streams > 1 ? xasprintf("%s of %s", s->name, m->stream[s->stream]) : xstrdup(s->name);
}

static bool refuse_pair(const struct members *m, const struct seen *a, const struct seen *b, const char *why)
{
	char *first = describe(m, a), *second = describe(m, b);

	fail(XDATA, "members %s and %s %s", first, second, why);
	free(first);
	free(second);
	return false;
}

/* Compares a member with the first one of the case. */
static bool agree(const struct members *m, const struct frame *base, const struct frame *f, const struct layer *l, const struct seen *who)
{
	const struct layer *first = NULL;
	char why[192];

	for (int i = 0; i < base->n_layers && !first; i++)      /* dropped or not: the filter drops the members of base */
		if (!strcmp(base->layer[i]->kind, "probs") && mpk_get_map(&base->layer[i]->map, "member"))
			first = base->layer[i];
	if (!same_shape(base, f))
		snprintf(why, sizeof why, "disagree about the shape: %lldx%lldx%lld against %lldx%lldx%lld",
		         (long long)base->shape[0], (long long)base->shape[1], (long long)base->shape[2],
		         (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2]);
	else if (!same_spacing(base, f))
		snprintf(why, sizeof why, "disagree about the spacing: %gx%gx%g against %gx%gx%g mm", base->spacing_mm[0],
		         base->spacing_mm[1], base->spacing_mm[2], f->spacing_mm[0], f->spacing_mm[1], f->spacing_mm[2]);
	else if (first->channels != l->channels)
		snprintf(why, sizeof why, "disagree about the number of classes: %lld against %lld", (long long)first->channels, (long long)l->channels);
	else if (!same_labels(base, f))
		snprintf(why, sizeof why, "disagree about the labels");
	else if (strcmp(activation(first), activation(l)))
		snprintf(why, sizeof why, "disagree about the activation: %.32s against %.32s", activation(first), activation(l));
	else if (strcmp(plan_hash(base), plan_hash(f)))
		snprintf(why, sizeof why, "disagree about the plan: hash %.32s against %.32s", plan_hash(base), plan_hash(f));
	else
		return true;
	return refuse_pair(m, &m->seen[0], who, why);
}

/* What the member says, or fold_NAME in its name. */
static char *fold_of(const struct member *id)
{
	const char *p = id->name ? strstr(id->name, "fold_") : NULL;

	if (id->fold)
		return xstrdup(id->fold);
	return p ? xasprintf("%.*s", (int)strcspn(p + 5, "/"), p + 5) : NULL;
}

static bool take(struct members *m, const struct frame *base, const struct frame *f, const struct layer *l, int stream)
{
	struct member id;
	struct seen *s;

	layer_member(l, &id);
	if (m->n == MEMBERS_MAX)
		return fail(XDATA, "there are more than %d members", MEMBERS_MAX);
	if (m->n == m->room)
		m->seen = xrealloc(m->seen, (size_t)(m->room = m->room ? 2 * m->room : 16), sizeof *m->seen);
	s = &m->seen[m->n++];
	*s = (struct seen){ .stream = stream, .index = id.index, .of = id.of };
	s->name = id.name ? xstrdup(id.name) : xasprintf("number %d", m->n);
	s->fold = fold_of(&id);
	s->weights = id.weights ? xstrdup(id.weights) : NULL;
	if (l->type != DT_F4)
		return fail(XDATA, "the probabilities of member %s are of type %s, not <f4", s->name, dtype_name(l->type));
	if (!agree(m, base, f, l, s))
		return false;
	for (int i = 0; i < m->n - 1; i++) {
		const struct seen *o = &m->seen[i];
		if (o->stream == stream && o->index >= 0 && o->index == s->index && s->of > 1)
			return refuse_pair(m, o, s, "have the same index: one came twice");
		if (!m->allow_equal && o->weights && s->weights && !strcmp(o->weights, s->weights))
			return refuse_pair(m, o, s, "have equal weights, so one counts twice (--allow-equal permits it)");
	}
	return true;
}

bool members_take(struct members *m, const struct frame *base, const struct frame *f, int stream)
{
	bool averaged = frame_layer(f, "probs") != NULL;
	int before = m->n;

	for (int i = 0; i < f->n_layers; i++)
		if (is_member(f->layer[i]) && !take(m, base, f, f->layer[i], stream))
			return false;
	if (m->n == before)
		return fail(XDATA, "%s holds no member's probabilities%s", m->stream[stream], averaged ? "; they are averaged already" : "");
	return true;
}

/* Members that the stream of seen[i] has promised but not brought. */
static int64_t lacking(const struct members *m, int i)
{
	int64_t n = m->seen[i].of;

	for (int k = 0; k < m->n; k++)
		n -= m->seen[k].stream == m->seen[i].stream;
	return n;
}

bool members_missing(const struct members *m)
{
	for (int i = 0; i < m->n; i++)
		if (lacking(m, i) > 0)
			return true;
	return m->expected > m->n && m->n_streams == 1;
}

int members_known(const struct members *m)
{
	int64_t n = m->expected > m->n ? m->expected : m->n;

	for (int i = 0; i < m->n; i++)
		n = m->seen[i].of > n ? m->seen[i].of : n;
	return n < MEMBERS_MAX ? (int)n : MEMBERS_MAX;
}

/* "2, 5": the indexes of a stream that did not come.  They count from 1, or from 0 where one is 0. */
static void lost_indexes(char *text, size_t size, const struct members *m, int stream, int64_t of)
{
	bool came[MEMBERS_MAX + 2] = { false };
	int64_t from = 1;
	size_t at = 0;

	for (int i = 0; i < m->n; i++)
		if (m->seen[i].stream == stream && m->seen[i].index >= 0 && m->seen[i].index <= MEMBERS_MAX) {
			came[m->seen[i].index] = true;
			from = m->seen[i].index == 0 ? 0 : from;
		}
	text[0] = 0;
	for (int64_t k = from; k < from + of && k <= MEMBERS_MAX && at + 8 < size; k++)
		if (!came[k])
			at += (size_t)snprintf(text + at, size - at, "%s%lld", at ? ", " : "", (long long)k);
}

bool members_whole(const struct members *m)
{
	char lost[256];

	for (int i = 0; i < m->n; i++) {
		const struct seen *s = &m->seen[i];
		int64_t lack = lacking(m, i);
		if (s->of < 1 || lack == 0)
			continue;
		if (lack < 0 && s->of == 1)     /* each made by itself and put side by side: -n is the only check */
			continue;
		if (lack < 0)
			return fail(XDATA, "%lld members came from %s, which says that it has %lld", (long long)(s->of - lack),
			            m->stream[s->stream], (long long)s->of);
		lost_indexes(lost, sizeof lost, m, s->stream, s->of);
		return fail(XDATA, "of %lld members of %s, %lld did not come: index %s", (long long)s->of, m->stream[s->stream], (long long)lack, lost);
	}
	if (m->expected && m->n != m->expected)
		return fail(XDATA, "%d members came where -n asks for %d (the last was %s)", m->n, m->expected, m->seen[m->n - 1].name);
	return true;
}
