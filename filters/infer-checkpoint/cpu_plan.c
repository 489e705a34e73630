#include <stdlib.h>
#include "common/die.h"
#include "common/isa.h"
#include "filters/infer-checkpoint/cpu_cost.h"

/* from, until: the steps between which the value is needed; single: images take turns in it. */
struct layout { int lanes, blocks, pixels, from, until; bool single; size_t offset, block, plane, size, norm; float slope; };

enum isa cpu_isa(void)
{
#ifdef __x86_64__
	return (enum isa)(ISA_V4 - isa_missing());
#else
	return ISA_BASE;
#endif
}

bool cpu_bf16(void)
{
#ifdef __x86_64__
	return cpu_isa() == ISA_V4 && __builtin_cpu_supports("avx512bf16");
#else
	return false;
#endif
}

/* Half-empty vectors cost twice the work: few channels get the shorter ones. */
static const struct kernels *kernels_for(int channels, enum isa level)
{
#ifdef __x86_64__
	if (level >= ISA_V4)
		return channels > kernels_v4n.lanes ? &kernels_v4 : &kernels_v4n;
	if (level == ISA_V3)
		return &kernels_v3;
#endif
	(void)channels;
	(void)level;
	return &kernels_base;
}

/* Of bf16, for what reads blocks and writes blocks of all lanes; else those of fp32. */
static const struct kernels *short_kernels(const struct step *s, enum isa level)
{
#ifdef __x86_64__
	if (level == ISA_BF16 && s->k->lanes == kernels_v4b.lanes && !reads_planes(s))
		return &kernels_v4b;
#endif
	(void)level;
	return s->k;
}

static size_t aligned(size_t floats) { return (floats + MAX_LANES - 1) / MAX_LANES * MAX_LANES; }

/* First fit: each value goes to the lowest place that no value alive at the same time holds. */
static size_t place(const struct layout *l, int v)
{
	size_t at = 0;

	for (int again = 1; again;) {
		again = 0;
		for (int i = 0; i < v; i++) {
			bool together = l[i].from <= l[v].until && l[v].from <= l[i].until;
			if (together && at < l[i].offset + l[i].size && l[i].offset < at + l[v].size) {
				at = l[i].offset + l[i].size;
				again = 1;
			}
		}
	}
	return at;
}

/* Where images go one by one through some steps, first those before deep_first, last those from deep_end on: a value that these
 * steps alone know is one image's at a time; others' planes are needed until the last image is through. */
static void set_life(struct layout *l, const struct schedule *s, int v)
{
	const struct network *n = s->network;

	l->from = 0;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].out == v)
			l->from = i;
	l->until = n->value[v].last_use;
	if (s->images == 1)
		return;
	l->single = v > 0 && (l->until < s->deep_first || (l->from >= s->deep_end && l->until < n->n_nodes));
	if (l->single)
		return;
	if (l->from < s->deep_first)
		l->from = 0;
	else if (l->from >= s->deep_end)
		l->from = s->deep_end;
	if (l->until < s->deep_first)
		l->until = s->deep_first - 1;
	else if (l->until >= s->deep_end)
		l->until = n->n_nodes;
}

/* When the last step is done only its own value is alive: its planes lie before or behind it. */
static size_t place_output(const struct layout *l, const struct network *n)
{
	const struct layout *last = &l[n->node[n->n_nodes - 1].out];

	return last->size <= last->offset ? 0 : last->offset + last->size;
}

/* Also the schedule's memory and output: room for the last value once more. */
static struct layout *layouts(struct schedule *s, enum isa level)
{
	const struct network *n = s->network;
	struct layout *l = xcalloc((size_t)n->n_values, sizeof *l);

	s->memory = 0;
	for (int v = 0; v < n->n_values; v++) {
		const struct value *value = &n->value[v];
		l[v].lanes = v == 0 ? 1 /* read by convolutions alone */ : kernels_for(value->channels, level)->lanes;
		l[v].blocks = (value->channels + l[v].lanes - 1) / l[v].lanes;
		l[v].pixels = (int)(value->size[0] * value->size[1] * value->size[2]);
		set_life(&l[v], s, v);
		l[v].plane = l[v].single ? 0 : (size_t)(value->size[1] * value->size[2]) * (size_t)l[v].lanes;
		l[v].block = (size_t)l[v].pixels * (size_t)l[v].lanes * (size_t)(l[v].single ? 1 : s->images);
		l[v].size = aligned((size_t)l[v].blocks * l[v].block);
		l[v].offset = place(l, v);
		if (l[v].offset + l[v].size > s->memory)
			s->memory = l[v].offset + l[v].size;
	}
	s->output = place_output(l, n);
	if (s->output + l[n->node[n->n_nodes - 1].out].size > s->memory)
		s->memory = s->output + l[n->node[n->n_nodes - 1].out].size;
	return l;
}

/* What reads a value applies its norm where nothing else is done to it. */
static bool lazy(const struct network *n, const struct node *node)
{
	if (node->kind != NODE_CONV || (!node->norm && !node->leaky) || node->nonlin_first || node->residual >= 0)
		return false;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].residual == node->out || (n->node[i].kind == NODE_POOL && n->node[i].in == node->out))
			return false;
	return node != &n->node[n->n_nodes - 1];
}

static void add_blocks(struct gather *g, const struct layout *l, int channels, int images)
{
	g->block = xrealloc(g->block, (size_t)(g->n_blocks + l->blocks), sizeof *g->block);
	for (int i = 0; i < l->blocks; i++) {
		int left = channels - i * l->lanes;
		size_t lanes = (size_t)l->lanes, all = (size_t)l->blocks * lanes;
		g->block[g->n_blocks++] = (struct block){
			.offset = l->offset + (size_t)i * l->block, .plane = l->plane, .lanes = l->lanes,
			.channels = left < l->lanes ? left : l->lanes, .shift = all, .slope = l->slope,
			.image = images > 1 ? 2 * all : 0,
			.norm = l->norm == NO_NORM ? NO_NORM : l->norm + (size_t)i * lanes
		};
	}
}

/* Places in packed and scratch; returns the scratch floats of the step. */
static size_t reserve(struct step *s, size_t *packed)
{
	size_t lanes = (size_t)s->k->lanes, vector = aligned((size_t)s->blocks * lanes), scratch = 0, weights = 0;

	if (s->method == METHOD_DIRECT) {
		weights = (size_t)s->depth * (size_t)s->blocks * lanes;
		s->temporary = aligned(cost_staged(s));
		scratch = s->temporary + (s->flat ? 2 * (size_t)(s->rows * s->width) * lanes : 0);
	} else if (s->method == METHOD_UPSAMPLE) {
		weights = (size_t)taps(s->node->stride) * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = (size_t)s->n_segments * (size_t)(s->rows * s->input.in[2]) * staged_pixel(s);
	} else if (s->method == METHOD_WINOGRAD) {
		weights = (size_t)points(s) * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = (size_t)points(s) * (s->point_in + s->point_out);
	}
	s->far = weights > CACHE_FLOATS;
	s->weights = *packed;
	s->bias = s->weights + aligned(weights);
	s->scale = s->bias + vector;
	s->shift = s->scale + vector;
	*packed = s->shift + vector;
	return scratch;
}

static void plan_step(struct step *s, const struct network *n, const struct node *node, const struct layout *l, int images,
                      enum isa level)
{
	const struct layout *out = &l[node->out];

	*s = (struct step){ .node = node, .k = kernels_for(node->c_out, level) };
	s->images = images;
	s->blocks = out->blocks;
	s->pixels = out->pixels * images;
	s->out = (struct place){ out->offset, out->block, out->plane };
	if (node->residual >= 0)
		s->residual = (struct place){ l[node->residual].offset, l[node->residual].block, l[node->residual].plane };
	/* An instance norm takes any constant away again. */
	s->has_bias = node->bias >= 0 && !(node->norm && node->norm_op == NORM_INSTANCE && !(node->leaky && node->nonlin_first));
	for (int i = 0; i < 3; i++) {
		bool strided = node->kind == NODE_CONV;
		s->input.in[i] = (int)n->value[node->in].size[i] * (i == 0 ? images : 1);
		s->input.out[i] = (int)n->value[strided ? node->out : node->in].size[i] * (i == 0 ? images : 1);
		s->input.kernel[i] = strided ? node->kernel[i] : 1;
		s->input.stride[i] = strided ? node->stride[i] : 1;
	}
	add_blocks(&s->input, &l[node->in], n->value[node->in].channels, images);
	if (node->in2 >= 0)
		add_blocks(&s->input, &l[node->in2], n->value[node->in2].channels, images);
	s->lazy = l[node->out].norm != NO_NORM;
	s->measured = node->norm && node->norm_op == NORM_INSTANCE && !(node->leaky && node->nonlin_first);
	s->pieces = 1;
	if (node->kind == NODE_CONV)
		cost_convolution(s, short_kernels(s, level));
	else if (node->kind == NODE_TCONV)
		cost_upsample(s, short_kernels(s, level));
	else
		s->method = METHOD_POOL;
}

/* Steps from the first to the last one that reads more weights, as Winograd has them, than values of an image. */
static void choose_deep(struct schedule *s)
{
	const struct network *n = s->network;

	s->deep_first = s->deep_end = s->images > 1 ? n->n_nodes : 0;
	for (int i = 0; i < n->n_nodes && s->images > 1; i++) {
		const struct node *o = &n->node[i];
		const int64_t *in = n->value[o->in].size, *out = n->value[o->out].size;
		double values = (double)(in[1] * in[2]) * o->c_in + (double)(out[1] * out[2]) * o->c_out;
		double weights = (double)o->c_in * o->c_out * o->kernel[1] * o->kernel[2] * (taps(o->stride) == 1 && taps(o->kernel) == 9 ? 4 : 1);
		if (o->kind == NODE_POOL || weights <= values)
			continue;
		s->deep_first = i < s->deep_first ? i : s->deep_first;
		s->deep_end = i + 1;
	}
	if (s->images == 1)
		s->deep_end = n->n_nodes;
}

/* Images whose planes are computed together share the way of the weights.  Only where no step mixes planes, and no more than
 * take so much memory. */
static void choose_images(struct schedule *s, enum isa level)
{
	enum { MOST = 4, FLOATS = 16 << 20 };
	const struct network *n = s->network;

	s->images = MOST;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->patch[0] != 1 || n->node[i].kernel[0] != 1 || n->node[i].stride[0] != 1)
			s->images = 1;
	for (;; s->images--) {
		choose_deep(s);
		if (s->images == 1)
			return;
		free(layouts(s, level));
		if (s->memory <= FLOATS)
			return;
	}
}

void schedule_make(struct schedule *s, const struct network *n, enum isa level)
{
	struct layout *l;

	*s = (struct schedule){ .network = n, .n_steps = n->n_nodes };
	choose_images(s, level);
	l = layouts(s, level);
	for (int i = 0; i < n->n_values; i++)
		l[i].norm = NO_NORM;
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *node = &n->node[i];
		if (!lazy(n, node))
			continue;
		l[node->out].norm = 0;
		l[node->out].slope = node->leaky ? node->slope : 1;
	}
	s->input = l[0].offset;
	s->step = xcalloc((size_t)n->n_nodes, sizeof *s->step);
	for (int i = 0; i < n->n_nodes; i++) {
		struct step *t = &s->step[i];
		struct layout *out = &l[n->node[i].out];
		if (out->norm != NO_NORM)
			out->norm = s->norms;
		plan_step(t, n, &n->node[i], l, s->images, level);
		t->norm = s->norms;
		s->norms += 2 * (size_t)(s->images * t->blocks * t->k->lanes);
		size_t need = reserve(t, &s->packed), counts = (size_t)(t->input.out[0] * t->pieces);
		size_t statistics = 2 * counts * (size_t)(t->blocks * t->k->lanes);
		s->scratch = need > s->scratch ? need : s->scratch;
		s->statistics = statistics > s->statistics ? statistics : s->statistics;
		s->counts = counts > s->counts ? counts : s->counts;
		s->max_segments = t->n_segments > s->max_segments ? t->n_segments : s->max_segments;
	}
	s->scratch = aligned(s->scratch);
	free(l);
}

void schedule_free(struct schedule *s)
{
	for (int i = 0; i < s->n_steps; i++) {
		free(s->step[i].input.block);
		free(s->step[i].run);
	}
	free(s->step);
}
