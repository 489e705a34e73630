#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/train-checkpoints/fast.h"

enum {
	GATHER_FLOATS = 48 << 10,               /* gathered inputs of a product: a part of a second-level cache */
	CHUNK_FLOATS = 200 << 10,               /* transformed tiles of a chunk: most of one */
	SUM_FLOATS = 256 << 10,                 /* sums that each part of the voxels may have of its own */
	SHARED_FLOATS = 2 << 20,                /* transforms made for all threads */
	PARTS = 16,
	TASKS = 4,
};

static const struct fast_kernels *kernels_for(int channels, enum isa level)
{
#ifdef __x86_64__
	if (level == ISA_V4)
		return channels > fast_v4n.lanes ? &fast_v4 : &fast_v4n;
	if (level == ISA_V3)
		return &fast_v3;
#endif
	(void)channels;
	(void)level;
	return &fast_base;
}

static size_t aligned(size_t floats) { return (floats + MAX_LANES - 1) / MAX_LANES * MAX_LANES; }
static int larger(int a, int b) { return a > b ? a : b; }
static int smaller(int a, int b) { return a < b ? a : b; }
static int ceiling(int a, int b) { return (a + b - 1) / b; }
static size_t most(size_t a, size_t b) { return a > b ? a : b; }

/* ---- values ---- */

static size_t floats_of(const struct layout *l) { return aligned((size_t)l->blocks * (size_t)l->pixels * (size_t)l->lanes); }

static size_t reserve(size_t *end, size_t floats)
{
	size_t at = *end;

	*end += aligned(floats);
	return at;
}

/* First fit: gradient v lives from the last node that reads v, which goes backward first, to the one that makes v. */
static void place_gradient(struct fast *e, const int *made, const int *read, int v)
{
	size_t at = 0, size = floats_of(&e->value[v]);

	for (bool again = true; again;) {
		again = false;
		for (int i = 1; i < v; i++) {
			const struct layout *l = &e->value[i];
			bool together = made[i] <= read[v] && made[v] <= read[i];
			if (together && at < l->gradient + floats_of(l) && l->gradient < at + size) {
				at = l->gradient + floats_of(l);
				again = true;
			}
		}
	}
	e->value[v].gradient = at;
	e->n_gradient = most(e->n_gradient, at + size);
}

static void plan_values(struct fast *e, enum isa level, size_t gradient_floats)
{
	const struct network *n = e->network;
	int *made = xcalloc((size_t)n->n_values, sizeof *made), *read = xcalloc((size_t)n->n_values, sizeof *read);

	e->value = xcalloc((size_t)n->n_values, sizeof *e->value);
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		made[o->out] = read[o->out] = read[o->in] = i;
		if (o->in2 >= 0)
			read[o->in2] = i;
		if (o->residual >= 0)
			read[o->residual] = i;
	}
	for (int v = 0; v < n->n_values; v++) {
		struct layout *l = &e->value[v];
		l->channels = n->value[v].channels;
		l->lanes = v == 0 ? 1 : kernels_for(l->channels, level)->lanes;
		l->blocks = ceiling(l->channels, l->lanes);
		for (int i = 0; i < 3; i++)
			l->size[i] = (int)n->value[v].size[i];
		l->pixels = product3(l->size);
		l->data = reserve(&e->n_data, (size_t)e->batch * floats_of(l));
		l->normed_by = -1;
		if (v > 0)
			place_gradient(e, made, read, v);
	}
	e->group = gradient_floats / e->n_gradient < (size_t)e->batch ? larger(1, (int)(gradient_floats / e->n_gradient)) : e->batch;
	e->n_gradient *= (size_t)e->group;
	for (int v = 0; v < n->n_values; v++)
		e->value[v].gradient *= (size_t)e->group;
	free(made);
	free(read);
}

/* ---- maps ---- */

static void add_tap(struct phase *p, int shift_z, int shift_y, int shift_x, int index)
{
	p->tap = xrealloc(p->tap, (size_t)p->n_taps + 1, sizeof *p->tap);
	p->tap[p->n_taps++] = (struct tap){ { shift_z, shift_y, shift_x }, index };
}

/* Taps of a phase: gathering, all; scattering, those that meet the fine voxels q * stride + offset. */
static void add_taps(struct phase *p, const int kernel[3], const int stride[3], const int pad[3], bool scatter)
{
	int k[3], shift[3];

	for (int i = 0; i < product3(kernel); i++) {
		bool meets = true;
		k[0] = i / kernel[2] / kernel[1];
		k[1] = i / kernel[2] % kernel[1];
		k[2] = i % kernel[2];
		for (int d = 0; d < 3; d++) {
			int from = p->offset[d] + pad[d] - k[d];
			meets = meets && (!scatter || from % stride[d] == 0);
			shift[d] = scatter ? from / stride[d] : k[d] - pad[d];
		}
		if (meets)
			add_tap(p, shift[0], shift[1], shift[2], i);
	}
}

static void add_panels(struct map *m, const struct layout *const *target)
{
	int first = 0;

	for (int t = 0; t < m->n_targets; first += target[t++]->channels)
		for (int b = 0; b < target[t]->blocks; b += 2) {
			struct panel p = { t, b, smaller(2, target[t]->blocks - b), first + b * m->k->lanes, 0, m->width };
			p.channels = smaller(p.blocks * m->k->lanes, target[t]->channels - b * m->k->lanes);
			m->panel = xrealloc(m->panel, (size_t)m->n_panels + 1, sizeof *m->panel);
			m->panel[m->n_panels++] = p;
			m->width += p.blocks * m->k->lanes;
		}
}

/* Segments of one tap. */
static int segments(const struct map *m, const struct layout *const *source, int lanes)
{
	int n = 0;

	if (m->planes)
		return ceiling(m->n_taps * m->c_in, lanes);
	for (int s = 0; s < m->n_sources; s++)
		for (int b = 0; b < source[s]->blocks; b++)
			n += ceiling(smaller(source[s]->lanes, source[s]->channels - b * source[s]->lanes), lanes);
	return n;
}

/* How many voxels and taps are gathered at once: few enough voxels that there is work for several threads. */
static void plan_matrix(struct map *m, int per_tap, bool far, int samples)
{
	int lanes = m->k->lanes, taps = 1, share = ceiling(product3(m->out) / product3(m->out_stride) * samples, 2 * TASKS);
	size_t at = 0;

	m->group = smaller(far ? MAX_GROUP : MAX_GROUP * 3 / 4, larger(48, share));
	for (int i = 0; i < m->n_phases; i++) {
		struct phase *p = &m->phase[i];
		taps = larger(taps, p->n_taps);
		p->weights = at;
		at += (size_t)p->n_taps * (size_t)m->c_in * (size_t)m->width;
	}
	m->tap_group = m->planes ? taps : smaller(taps, larger(1, GATHER_FLOATS / (per_tap * m->group * lanes)));
	if (product3(m->out_stride) > 1)        /* results of a product are not where they can be added to */
		m->tap_group = taps;
	m->segments = m->planes ? per_tap : per_tap * m->tap_group;
	m->scratch = (size_t)(m->segments + 2) * (size_t)(m->group * lanes);
	m->packed = at;
}

/* Chunks of tiles and planes.  3D: planes of one sample, with neighbours; 2D: samples are planes, too. */
static void plan_winograd(struct map *m, int blocks_in, int blocks, int samples)
{
	int tiles = ceiling(m->out[1], 4) * ceiling(m->out[2], 4), lanes = m->k->lanes, kz = m->n_taps / 9;
	int budget = CHUNK_FLOATS / (WINOGRAD * lanes * (blocks_in * kz + blocks)), all = kz == 1 ? samples * m->out[0] : m->out[0];

	budget = larger(budget, (size_t)WINOGRAD * (size_t)(kz * m->c_in * m->width) > CHUNK_FLOATS ? 72 : 36);
	if (kz == 1)
		budget = smaller(budget, larger(54, ceiling(tiles * all, TASKS)));
	m->tiles = ceiling(tiles, ceiling(tiles, budget));
	m->planes_at_once = larger(1, budget / m->tiles);
	m->planes_at_once = ceiling(all, ceiling(all, m->planes_at_once));
	m->slots = kz == 1 ? m->planes_at_once : m->planes_at_once == 1 ? kz : m->planes_at_once + kz - 1;
	m->run_planes = kz == 1 ? m->planes_at_once : ceiling(larger(8, ceiling(all, 4)), m->planes_at_once) * m->planes_at_once;
	m->point_in = ((size_t)(blocks_in * m->slots * m->tiles) | 1) * (size_t)lanes;
	m->point_out = ((size_t)(blocks * m->planes_at_once * m->tiles) | 1) * (size_t)lanes;
	m->segments = kz * blocks_in;
	m->scratch = WINOGRAD * (m->point_in + m->point_out);
	m->packed = (size_t)WINOGRAD * (size_t)(kz * m->c_in) * (size_t)m->width;
}

/* Whether 36 products a tile and transforms of tiles and weights cost less than 9 a voxel; in vectors. */
static bool winograd_pays(const struct map *m, int blocks_in, int blocks, int samples)
{
	enum { TILE = 500, WEIGHT = 40, GATHERED = 4 };
	double tiles = (double)ceiling(m->out[1], 4) * ceiling(m->out[2], 4) * m->out[0] * samples, kz = m->n_taps / 9;
	double voxels = (double)product3(m->out) * samples, pairs = (double)m->c_in * blocks * kz;
	double direct = 9 * pairs * (voxels + WEIGHT) + 9 * kz * voxels * GATHERED * blocks_in;

	return WINOGRAD * pairs * (tiles + WEIGHT) + tiles * TILE * (blocks_in + blocks) < direct;
}

static bool can_winograd(const struct map *m, const int kernel[3], const int stride[3], const struct layout *const *source)
{
	for (int s = 0; s < m->n_sources; s++)
		if (source[s]->lanes != m->k->lanes)
			return false;
	return kernel[1] == 3 && kernel[2] == 3 && product3(stride) == 1;
}

static int blocks_of(const struct layout *const *l, int n) { return l[0]->blocks + (n > 1 ? l[1]->blocks : 0); }
static int channels_of(const struct layout *const *l, int n) { return l[0]->channels + (n > 1 ? l[1]->channels : 0); }

/* The map of a convolution of `fine` values to a coarse one, or (scatter) its adjoint. */
static void plan_map(struct map *m, const struct layout *const *source, int n_sources, const struct layout *const *target,
                     int n_targets, const struct fast_kernels *k, const struct node *o, bool scatter, int samples)
{
	int kernel[3], pad[3], one[3] = { 1, 1, 1 }, n_phases;

	*m = (struct map){ .k = k, .n_sources = n_sources, .n_targets = n_targets, .planes = source[0]->lanes == 1 };
	for (int i = 0; i < 3; i++) {
		kernel[i] = o->kind == NODE_TCONV ? o->stride[i] : o->kernel[i];
		pad[i] = o->kind == NODE_TCONV ? 0 : kernel[i] / 2;
		m->in[i] = source[0]->size[i];
		m->out[i] = target[0]->size[i];
		m->in_stride[i] = scatter ? 1 : o->stride[i];
		m->out_stride[i] = scatter ? o->stride[i] : 1;
	}
	m->n_taps = product3(kernel);
	m->c_in = channels_of(source, n_sources);
	m->c_out = channels_of(target, n_targets);
	m->in_step = (size_t)m->n_taps * (size_t)(scatter ? m->c_out : 1);
	m->out_step = (size_t)m->n_taps * (size_t)(scatter ? 1 : m->c_in);
	add_panels(m, target);
	n_phases = scatter ? product3(o->stride) : 1;
	m->phase = xcalloc((size_t)n_phases, sizeof *m->phase);
	for (m->n_phases = 0; m->n_phases < n_phases; m->n_phases++) {
		struct phase *p = &m->phase[m->n_phases];
		const int *s = scatter ? o->stride : one;
		p->offset[0] = m->n_phases / s[2] / s[1];
		p->offset[1] = m->n_phases / s[2] % s[1];
		p->offset[2] = m->n_phases % s[2];
		for (int i = 0; i < 3; i++)
			p->size[i] = ceiling(larger(0, m->out[i] - p->offset[i]), s[i]);
		add_taps(p, kernel, o->stride, pad, scatter);
	}
	m->winograd = can_winograd(m, kernel, o->stride, source) &&
	              winograd_pays(m, blocks_of(source, n_sources), blocks_of(target, n_targets), samples);
	m->flipped = scatter;
	if (m->winograd)
		plan_winograd(m, blocks_of(source, n_sources), blocks_of(target, n_targets), samples);
	else
		plan_matrix(m, segments(m, source, k->lanes), (size_t)m->n_taps * (size_t)(m->c_in * m->width) > CHUNK_FLOATS, samples);
	m->bias = aligned(m->packed);
	m->packed = m->bias + (size_t)m->width;
}

static void free_map(struct map *m)
{
	for (int i = 0; i < m->n_phases; i++)
		free(m->phase[i].tap);
	free(m->phase);
	free(m->panel);
}

/* ---- gradients by weights ---- */

/* Winograd: chunks of which either each part of the voxels goes through its own, or all threads share large ones. */
static void plan_wgrad_winograd(struct wgrad *w, const struct map *m, int blocks_fine, int blocks, int samples)
{
	int tiles = ceiling(m->out[1], 4) * ceiling(m->out[2], 4), kz = m->n_taps / 9, lanes = w->k->lanes, halo = kz - 1;
	int all = kz == 1 ? samples * m->out[0] : m->out[0], floats = WINOGRAD * lanes, budget;

	w->sums = (size_t)WINOGRAD * (size_t)(kz * m->c_in) * (size_t)m->width;
	w->shared = w->sums > SUM_FLOATS;
	budget = larger(32, (w->shared ? SHARED_FLOATS : CHUNK_FLOATS) / (floats * (blocks_fine + blocks)));
	w->tiles = ceiling(tiles, ceiling(tiles, kz == 1 ? budget : larger(8, budget / 6)));
	w->planes_at_once = smaller(all, larger(1, budget / w->tiles - halo));
	w->slots = w->planes_at_once + halo;
	w->point_fine = ((size_t)(blocks_fine * w->slots * w->tiles) | 1) * (size_t)lanes;
	w->point_coarse = ((size_t)(blocks * w->planes_at_once * w->tiles) | 1) * (size_t)lanes;
	w->scratch = w->shared ? 0 : WINOGRAD * (w->point_fine + w->point_coarse);
	w->transformed = w->shared ? WINOGRAD * (w->point_fine + w->point_coarse) : 0;
	w->parts = w->shared ? 1 : PARTS;
	w->segments = blocks_fine;
}

static void plan_wgrad(struct wgrad *w, const struct layout *const *fine, int n_fine, const struct layout *coarse,
                       const struct fast_kernels *k, const struct node *o, int samples)
{
	struct map *m = &w->taps;
	int per_tap, groups;

	plan_map(m, fine, n_fine, &coarse, 1, k, o, false, samples);
	w->k = k;
	w->winograd = m->winograd;
	if (w->winograd) {
		plan_wgrad_winograd(w, m, blocks_of(fine, n_fine), coarse->blocks, samples);
		return;
	}
	per_tap = segments(m, fine, k->lanes);
	m->group = MAX_GROUP;
	groups = ceiling(product3(m->out) * samples, m->group);
	w->sums = (size_t)m->n_taps * (size_t)m->c_in * (size_t)m->width;
	w->parts = smaller(groups, larger(1, smaller(m->planes ? PARTS : ceiling(2 * PARTS, m->n_taps), (int)(16 * SUM_FLOATS / w->sums))));
	w->segments = per_tap;
	w->scratch = (size_t)(per_tap + coarse->blocks) * (size_t)(m->group * k->lanes);
}

/* ---- layers ---- */

static void plan_layer(struct fast *e, struct step *l, enum isa level)
{
	const struct node *o = l->node;
	struct layout *out = &e->value[o->out];
	const struct layout *in[2] = { &e->value[o->in], o->in2 < 0 ? NULL : &e->value[o->in2] }, *result[1] = { out };
	const struct fast_kernels *k = kernels_for(out->channels, level), *k_in = kernels_for(in[0]->channels, level);
	int n_in = o->in2 < 0 ? 1 : 2;
	size_t vector = (size_t)e->batch * (size_t)(out->blocks * out->lanes);

	l->forward.k = k;
	l->raw = out->data;
	if (o->residual >= 0)
		l->raw = reserve(&e->n_data, (size_t)e->batch * floats_of(out));
	else if (o->norm)
		out->normed_by = (int)(o - e->network->node);
	if (o->norm) {
		l->scale = reserve(&e->n_data, vector);
		l->shift = reserve(&e->n_data, vector);
		l->mean = reserve(&e->n_data, vector);
		l->rstd = reserve(&e->n_data, vector);
	}
	if (o->kind == NODE_CONV) {
		plan_map(&l->forward, in, n_in, result, 1, k, o, false, e->batch);
		plan_wgrad(&l->wgrad, in, n_in, out, k, o, e->group);
		if (o->in > 0)
			plan_map(&l->backward, result, 1, in, n_in, k_in, o, true, e->group);
	} else if (o->kind == NODE_TCONV) {
		plan_map(&l->forward, in, 1, result, 1, k, o, true, e->batch);
		plan_wgrad(&l->wgrad, result, 1, in[0], k_in, o, e->group);
		plan_map(&l->backward, result, 1, in, 1, k_in, o, false, e->group);
	}
}

/* Room for what a layer needs while it runs. */
static void make_room(struct fast *e, const struct step *l)
{
	const struct map *map[] = { &l->forward, &l->backward };
	const struct wgrad *w = &l->wgrad;
	const struct layout *out = &e->value[l->node->out];

	for (int i = 0; i < 2; i++) {
		e->n_packed = most(e->n_packed, map[i]->packed);
		e->n_scratch = most(e->n_scratch, map[i]->scratch);
		e->n_segments = larger(e->n_segments, map[i]->segments);
	}
	e->n_scratch = most(e->n_scratch, w->scratch);
	e->n_segments = larger(e->n_segments, w->segments);
	e->n_sums = most(e->n_sums, (size_t)w->parts * aligned(w->sums));
	e->n_transformed = most(e->n_transformed, w->transformed);
	e->n_statistics = most(e->n_statistics, 2 * (size_t)out->blocks * (size_t)out->lanes * (size_t)(e->batch * norm_runs(out->pixels)));
}

void fast_plan(struct fast *e, enum isa level, size_t gradient_floats)
{
	const struct network *n = e->network;

	plan_values(e, level, gradient_floats);
	e->layer = xcalloc((size_t)n->n_nodes, sizeof *e->layer);
	for (int i = 0; i < n->n_nodes; i++) {
		e->layer[i].node = &n->node[i];
		plan_layer(e, &e->layer[i], level);
		make_room(e, &e->layer[i]);
	}
}

void fast_plan_free(struct fast *e)
{
	for (int i = 0; i < e->network->n_nodes; i++) {
		free_map(&e->layer[i].forward);
		free_map(&e->layer[i].backward);
		free_map(&e->layer[i].wgrad.taps);
	}
	free(e->layer);
	free(e->value);
}
