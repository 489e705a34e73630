#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/steps.h"

#ifndef MOST_IMAGES             /* the emulated plugin of the tests has less patience */
#define MOST_IMAGES 64
#endif

static const int64_t batch_voxels = 8 * 128 * 128 * 128;
static const size_t alignment = 256;
enum { PLACES = 2 };

/* Where a value is when its node is done. */
struct held { int buffer; struct scaling scaling; float slope; };

/* Who reads a value: alone, and as a part of a joined buffer. */
struct use { int alone, residual, joined, node[PLACES]; bool second[PLACES]; };

struct maker {
	struct steps *s;
	const struct network *n;
	struct use *use;         /* [n_values] */
	struct held *held;       /* [n_values] */
	int *joined;             /* [n_nodes]: buffer that a node with two inputs reads; -1: not yet there */
	int steps_room, buffers_room, parts_room;
	bool ok;
};

size_t precision_size(enum precision p) { return p == PRECISION_FP16 || p == PRECISION_BF16 ? 2 : 4; }

static int padded(int c) { return (c + 7) / 8 * 8; }
/* Of the network's input: half precision has fast convolutions of 4 channels, bfloat16 has not. */
static int padded_input(int c, enum precision p) { return c <= 4 && p != PRECISION_BF16 ? 4 : padded(c); }
static int64_t voxels(const struct value *v) { return v->size[0] * v->size[1] * v->size[2]; }

int steps_images(const struct network *n, int mirrors)
{
	int64_t images = batch_voxels / (n->patch[0] * n->patch[1] * n->patch[2]);

	if (images > MOST_IMAGES)
		images = MOST_IMAGES;
	images -= images % mirrors;
	return images ? (int)images : mirrors;
}

/* ---- lists ---- */

static void *grow(void *list, int n, int *room, size_t size)
{
	if (n < *room)
		return list;
	*room = n ? 2 * n : 64;
	return xrealloc(list, (size_t)*room, size);
}

/* count: of one image. */
static int add_buffer(struct maker *m, int64_t count, size_t size)
{
	struct steps *s = m->s;
	size_t bytes;

	if (!size_mul(&bytes, count, s->images) || !size_mul(&bytes, (int64_t)bytes, (int64_t)size)) {
		m->ok = fail(XDATA, "the feature maps of %d patches are too large", s->images);
		bytes = 0;
	}
	s->buffer = grow(s->buffer, s->n_buffers, &m->buffers_room, sizeof *s->buffer);
	s->buffer[s->n_buffers] = (struct buffer){ .bytes = (bytes + alignment - 1) / alignment * alignment, .first = -1, .last = -1 };
	return s->n_buffers++;
}

static int add_map(struct maker *m, int64_t n_voxels, int c) { return add_buffer(m, n_voxels * c, precision_size(m->s->precision)); }

static struct step *add_step(struct maker *m, enum step_kind kind, int in, int out, int64_t n_voxels, int c)
{
	struct steps *s = m->s;

	s->step = grow(s->step, s->n_steps, &m->steps_room, sizeof *s->step);
	s->step[s->n_steps] = (struct step){ .kind = kind, .in = in, .out = out, .residual = -1, .voxels = n_voxels, .c = c, .slope = 1,
	                                     .to = { { .buffer = -1 }, { .buffer = -1 } } };
	return &s->step[s->n_steps++];
}

/* Returns its place in the block. */
static size_t add_part(struct maker *m, struct part p)
{
	struct steps *s = m->s;

	p.offset = s->block;
	s->block += (p.bytes + alignment - 1) / alignment * alignment;
	s->part = grow(s->part, s->n_parts, &m->parts_room, sizeof *s->part);
	s->part[s->n_parts++] = p;
	return p.offset;
}

static struct scaling shared(struct maker *m, enum part_kind kind, int node, bool bias)
{
	int c = padded(m->n->node[node].c_out);
	struct part p = { .kind = kind, .bytes = (size_t)c * 2 * sizeof(float), .node = node, .pool = -1, .c_out = c, .bias = bias };

	return (struct scaling){ SCALING_SHARED, -1, add_part(m, p) };
}

/* ---- who reads what ---- */

static bool is_head(const struct network *n, int i)
{
	const struct node *o = &n->node[i];

	return i == n->n_nodes - 1 && o->kind == NODE_CONV && !o->norm;
}

/* A pool before a 1x1 convolution that nobody else reads is one convolution with it; then the number of that node, else -1. */
static int projection(const struct maker *m, int pool)
{
	const struct node *o = &m->n->node[pool];

	for (int i = pool + 1; i < m->n->n_nodes && o->kind == NODE_POOL; i++) {
		const struct node *c = &m->n->node[i];
		bool one = c->kind == NODE_CONV && c->in == o->out && c->in2 < 0;
		for (int a = 0; a < 3; a++)
			one = one && c->kernel[a] == 1 && c->stride[a] == 1;
		if (one && m->use[o->out].alone == 1 && !m->use[o->out].residual && !m->use[o->out].joined)
			return i;
	}
	return -1;
}

static void join(struct maker *m, int value, int node, bool second)
{
	struct use *u = &m->use[value];

	if (u->joined == PLACES) {
		m->ok = fail(XDATA, "a feature map that %d convolutions read beside others", PLACES + 1);
		return;
	}
	u->node[u->joined] = node;
	u->second[u->joined++] = second;
}

static void list_uses(struct maker *m)
{
	for (int i = 0; i < m->n->n_nodes; i++) {
		const struct node *o = &m->n->node[i];
		m->joined[i] = -1;
		if (o->residual >= 0)
			m->use[o->residual].residual++;
		if (o->in2 < 0) {
			m->use[o->in].alone++;
		} else {
			join(m, o->in, i, false);
			join(m, o->in2, i, true);
		}
	}
}

/* ---- nodes ---- */

/* The buffer that a node reads, its channels, and those of its first input. */
static int input_of(const struct maker *m, int node, int *c, int *c_first)
{
	const struct node *o = &m->n->node[node];

	*c = *c_first = o->in ? padded(m->n->value[o->in].channels) : padded_input(m->n->n_inputs, m->s->precision);
	if (o->in2 < 0)
		return m->held[o->in].buffer;
	*c += padded(m->n->value[o->in2].channels);
	return m->joined[node];
}

/* kernel, stride, padding of the convolution that does a node, or a pool and the node after it (either may be -1).  Returns the
 * buffer with its result, without bias. */
static int convolve(struct maker *m, int node, int pool)
{
	const struct network *n = m->n;
	const struct node *o = &n->node[node >= 0 ? node : pool], *shape = &n->node[pool >= 0 ? pool : node];
	const struct value *from = &n->value[shape->in], *to = &n->value[o->out];
	int c_in, c_first, in = input_of(m, pool >= 0 ? pool : node, &c_in, &c_first), c_out = padded(o->c_out);
	int out = add_map(m, voxels(to), c_out);
	struct convolution c = { .precision = m->s->precision, .transposed = o->kind == NODE_TCONV, .n = m->s->images, .c_in = c_in, .c_out = c_out };
	struct part p = { .kind = PART_KERNEL, .node = node, .pool = pool, .c_in = c_in, .c_out = c_out,
	                  .c_first = n->value[shape->in].channels, .c_first_padded = c_first };
	struct step *s = add_step(m, STEP_CONVOLVE, in, out, voxels(to), c_out);
	int64_t taps = 1;

	for (int a = 0; a < 3; a++) {
		c.in[a] = from->size[a];
		c.out[a] = to->size[a];
		c.kernel[a] = shape->kernel[a];
		c.stride[a] = shape->stride[a];
		c.padding[a] = shape->kind == NODE_CONV ? (shape->kernel[a] - 1) / 2 : 0;
		taps *= c.kernel[a];
	}
	if (!size_mul(&p.bytes, taps * c_in, c_out) || !size_mul(&p.bytes, (int64_t)p.bytes, (int64_t)precision_size(m->s->precision)))
		m->ok = fail(XDATA, "the weights of a convolution are too large");
	s->convolution = c;
	s->offset = add_part(m, p);
	return out;
}

static void apply(struct maker *m, const struct held *x, const struct held *residual, float slope, int64_t n_voxels, int c)
{
	struct step *s = add_step(m, STEP_APPLY, x->buffer, -1, n_voxels, c);

	s->scaling = x->scaling;
	s->slope = slope;
	if (residual) {
		s->residual = residual->buffer;
		s->residual_scaling = residual->scaling;
	}
}

/* Puts the value of a node where its readers want it: x scaled, plus a residual, activated.  Left as it is where its one reader
 * does that itself. */
static void finish(struct maker *m, int value, struct held x, int residual)
{
	const struct value *v = &m->n->value[value];
	const struct use *u = &m->use[value];
	bool last = is_head(m->n, m->n->n_nodes - 1) ? m->n->node[m->n->n_nodes - 1].in == value : value == m->n->n_values - 1;
	bool plain = x.scaling.kind == SCALING_NONE && x.slope == 1 && residual < 0;
	int readers = u->alone + u->residual + u->joined, c = padded(v->channels), places = 0;
	struct step *s;

	m->held[value] = x;
	if (residual < 0 && ((last && readers <= 1) || (plain && !u->joined) || (readers == 1 && u->residual && x.slope == 1)))
		return;
	apply(m, &x, residual >= 0 ? &m->held[residual] : NULL, x.slope, voxels(v), c);
	m->held[value] = (struct held){ .buffer = -1, .slope = 1 };
	if (u->alone || u->residual || !readers)
		m->held[value].buffer = add_map(m, voxels(v), c);
	for (int i = 0; i < u->joined; i++) {
		const struct node *o = &m->n->node[u->node[i]];
		int pitch = padded(m->n->value[o->in].channels) + padded(m->n->value[o->in2].channels);
		if (m->joined[u->node[i]] < 0)
			m->joined[u->node[i]] = add_map(m, voxels(v), pitch);
	}
	s = &m->s->step[m->s->n_steps - 1];
	if (m->held[value].buffer >= 0) {
		s->to[places].buffer = m->held[value].buffer;
		s->to[places++].pitch = c;
	}
	for (int i = 0; i < u->joined; i++) {
		const struct node *o = &m->n->node[u->node[i]];
		int first = padded(m->n->value[o->in].channels);
		if (places == PLACES) {
			m->ok = fail(XDATA, "a feature map that more than %d places need", PLACES);
			return;
		}
		s->to[places].buffer = m->joined[u->node[i]];
		s->to[places].pitch = first + padded(m->n->value[o->in2].channels);
		s->to[places++].offset = u->second[i] ? first : 0;
	}
}

/* The scaling of the norm of x. */
static struct scaling norm(struct maker *m, int node, int x, bool bias)
{
	const struct node *o = &m->n->node[node];
	int c = padded(o->c_out), out;
	struct step *s;

	if (o->norm_op == NORM_BATCH)
		return shared(m, PART_BATCH, node, bias);
	out = add_buffer(m, c * 2, sizeof(float));
	s = add_step(m, STEP_STATS, x, out, voxels(&m->n->value[o->out]), c);
	s->eps = o->eps;
	s->offset = add_part(m, (struct part){ .kind = PART_NORM, .bytes = (size_t)c * 2 * sizeof(float), .node = node, .pool = -1, .c_out = c });
	return (struct scaling){ SCALING_OWN, out, 0 };
}

/* A convolution, of the pool before it too unless that is -1, and all that follows it. */
static void conv(struct maker *m, int node, int pool)
{
	const struct node *o = &m->n->node[node];
	const struct value *v = &m->n->value[o->out];
	bool early = o->leaky && o->nonlin_first;
	struct held x = { .buffer = convolve(m, node, pool), .slope = 1 };

	if ((early || !o->norm) && o->bias >= 0)
		x.scaling = shared(m, PART_BIAS, node, true);
	if (early) {
		int raw = x.buffer;
		apply(m, &(struct held){ .buffer = raw, .scaling = x.scaling }, NULL, o->slope, voxels(v), padded(o->c_out));
		x = (struct held){ .buffer = add_map(m, voxels(v), padded(o->c_out)), .slope = 1 };
		m->s->step[m->s->n_steps - 1].to[0].buffer = x.buffer;
		m->s->step[m->s->n_steps - 1].to[0].pitch = padded(o->c_out);
	}
	if (o->norm)
		x.scaling = norm(m, node, x.buffer, !early);
	if (o->leaky && !early)
		x.slope = o->slope;
	finish(m, o->out, x, o->residual);
}

static void transposed(struct maker *m, int node)
{
	const struct node *o = &m->n->node[node];
	struct held x = { .buffer = convolve(m, node, -1), .slope = 1 };

	if (o->bias >= 0)
		x.scaling = shared(m, PART_BIAS, node, true);
	finish(m, o->out, x, -1);
}

static void tail(struct maker *m)
{
	const struct node *o = &m->n->node[m->n->n_nodes - 1];
	bool head = is_head(m->n, m->n->n_nodes - 1);
	int value = head ? o->in : o->out, c = padded(m->n->value[value].channels);
	const struct held *x = &m->held[value];
	struct step *s = add_step(m, STEP_TAIL, x->buffer, -1, voxels(&m->n->value[value]), c);
	struct part p = { .kind = PART_HEAD, .node = m->n->n_nodes - 1, .pool = -1, .c_in = c, .c_out = o->c_out,
	                  .bytes = (size_t)o->c_out * ((size_t)c + 1) * sizeof(float) };

	s->scaling = x->scaling;
	s->slope = x->slope;
	s->head = head;
	if (head)
		s->offset = add_part(m, p);
}

/* ---- the arena ---- */

static void live(struct steps *s, int buffer, int step)
{
	if (buffer < 0)
		return;
	if (s->buffer[buffer].first < 0)
		s->buffer[buffer].first = step;
	s->buffer[buffer].last = step;
}

static void list_lives(struct steps *s)
{
	for (int i = 0; i < s->n_steps; i++) {
		const struct step *t = &s->step[i];
		live(s, t->in, i);
		live(s, t->out, i);
		live(s, t->residual, i);
		live(s, t->to[0].buffer, i);
		live(s, t->to[1].buffer, i);
		live(s, t->scaling.kind == SCALING_OWN ? t->scaling.buffer : -1, i);
		live(s, t->residual_scaling.kind == SCALING_OWN ? t->residual_scaling.buffer : -1, i);
	}
}

/* The lowest place where a buffer meets none of those that are placed and in use at the same time. */
static void place(struct steps *s, struct buffer *b, const bool *placed)
{
	bool moved = true;

	b->offset = 0;
	while (moved) {
		moved = false;
		for (int i = 0; i < s->n_buffers; i++) {
			const struct buffer *o = &s->buffer[i];
			if (placed[i] && o->first <= b->last && b->first <= o->last && o->offset < b->offset + b->bytes &&
			    b->offset < o->offset + o->bytes) {
				b->offset = o->offset + o->bytes;
				moved = true;
			}
		}
	}
	if (b->offset + b->bytes > s->arena)
		s->arena = b->offset + b->bytes;
}

/* The largest first. */
static void place_all(struct steps *s)
{
	bool *placed = xcalloc((size_t)s->n_buffers, sizeof *placed);

	for (int k = 0; k < s->n_buffers; k++) {
		int next = -1;
		for (int i = 0; i < s->n_buffers; i++)
			if (!placed[i] && (next < 0 || s->buffer[i].bytes > s->buffer[next].bytes))
				next = i;
		place(s, &s->buffer[next], placed);
		placed[next] = true;
	}
	free(placed);
}

bool steps_make(struct steps *s, const struct network *n, enum precision precision, int images)
{
	struct maker m = { .s = s, .n = n, .ok = true };
	int c = padded_input(n->n_inputs, precision), body = is_head(n, n->n_nodes - 1) ? n->n_nodes - 1 : n->n_nodes;

	*s = (struct steps){ .n = n, .precision = precision, .images = images };
	m.use = xcalloc((size_t)n->n_values, sizeof *m.use);
	m.held = xcalloc((size_t)n->n_values, sizeof *m.held);
	m.joined = xcalloc((size_t)n->n_nodes, sizeof *m.joined);
	list_uses(&m);
	m.held[0] = (struct held){ .buffer = add_map(&m, voxels(&n->value[0]), c), .slope = 1 };
	add_step(&m, STEP_GATHER, -1, m.held[0].buffer, voxels(&n->value[0]), c);
	for (int i = 0; i < body && m.ok; i++) {
		const struct node *o = &n->node[i];
		int pool = -1;
		if (o->kind == NODE_TCONV) {
			transposed(&m, i);
		} else if (o->kind == NODE_POOL) {
			if (projection(&m, i) < 0)
				finish(&m, o->out, (struct held){ .buffer = convolve(&m, -1, i), .slope = 1 }, -1);
		} else {
			for (int k = 0; k < i; k++)
				if (projection(&m, k) == i)
					pool = k;
			conv(&m, i, pool);
		}
	}
	if (m.ok)
		tail(&m);
	list_lives(s);
	place_all(s);
	free(m.use);
	free(m.held);
	free(m.joined);
	if (!m.ok)
		steps_free(s);
	return m.ok;
}

void steps_free(struct steps *s)
{
	free(s->step);
	free(s->buffer);
	free(s->part);
	*s = (struct steps){0};
}
