#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/fast.h"

struct packing {
	const struct map *m;
	float *packed;
	const float *weights;
};

/* The panel's weights of one channel and `n_taps` taps, [tap][blocks * lanes]; lanes without a channel are 0. */
static void take(float *to, const struct packing *p, const struct panel *panel, int channel, const struct tap *tap, int n_taps)
{
	const struct map *m = p->m;
	const float *from = p->weights + (size_t)channel * m->in_step + (size_t)panel->first * m->out_step;
	int width = panel->blocks * m->k->lanes;

	for (int t = 0; t < n_taps; t++, to += width) {
		for (int o = 0; o < panel->channels; o++)
			to[o] = from[(size_t)o * m->out_step + (size_t)tap[t].index];
		for (int o = panel->channels; o < width; o++)
			to[o] = 0;
	}
}

/* For each group of taps all panels [tap][c_in][width], in the order in which they are read. */
static void pack_matrix(const struct packing *p, const struct panel *panel)
{
	const struct map *m = p->m;
	int width = panel->blocks * m->k->lanes;

	for (int i = 0; i < m->n_phases; i++) {
		const struct phase *phase = &m->phase[i];
		for (int c = 0; c < m->c_in; c++)
			for (int t = 0; t < phase->n_taps; t++) {
				int group = t / m->tap_group * m->tap_group;
				int in_group = phase->n_taps - group < m->tap_group ? phase->n_taps - group : m->tap_group;
				float *to = p->packed + phase->weights + (size_t)(group * m->c_in) * (size_t)m->width;
				to += (size_t)(in_group * m->c_in) * (size_t)panel->column + (size_t)((t - group) * m->c_in + c) * (size_t)width;
				take(to, p, panel, c, &phase->tap[t], 1);
			}
	}
}

/* For each point of the transform domain all panels [kz][c_in][width]. */
static void pack_winograd(const struct packing *p, const struct panel *panel)
{
	const struct map *m = p->m;
	int lanes = m->k->lanes, width = panel->blocks * lanes, kz = m->n_taps / 9;
	size_t depth = (size_t)(kz * m->c_in), point = depth * (size_t)m->width;
	float *to = p->packed + depth * (size_t)panel->column, g[9 * 2 * MAX_LANES], block[9 * MAX_LANES] __attribute__((aligned(64)));
	struct tap tap[9];

	for (int z = 0; z < kz; z++)
		for (int c = 0; c < m->c_in; c++)
			for (int b = 0; b < panel->blocks; b++) {
				if (b == 0) {
					for (int t = 0; t < 9; t++)
						tap[t].index = (m->flipped ? kz - 1 - z : z) * 9 + t;
					take(g, p, panel, c, tap, 9);
				}
				for (int t = 0; t < 9; t++)
					memcpy(block + t * lanes, g + t * width + b * lanes, (size_t)lanes * sizeof *g);
				m->k->winograd_weights(to + ((size_t)(z * m->c_in + c) * (size_t)width + (size_t)(b * lanes)), point, block, m->flipped);
			}
}

static void pack_panel(void *arg, int i, int worker)
{
	const struct packing *p = arg;

	(void)worker;
	if (p->m->winograd)
		pack_winograd(p, &p->m->panel[i]);
	else
		pack_matrix(p, &p->m->panel[i]);
}

void pack_weights(float *packed, const struct map *m, const float *weights, const float *bias, int threads)
{
	struct packing p = { m, packed, weights };

	parallel_for(threads, m->n_panels, pack_panel, &p);
	for (int i = 0; i < m->n_panels && bias; i++) {
		const struct panel *panel = &m->panel[i];
		for (int o = 0; o < panel->blocks * m->k->lanes; o++)
			packed[m->bias + (size_t)(panel->column + o)] = o < panel->channels ? bias[panel->first + o] : 0;
	}
}

struct unpacking {
	const struct wgrad *w;
	float *gradient;
	const float *sums;              /* [parts][..][width] */
	size_t part;                    /* floats from a part to the next */
	bool add;
};

static void put(float *to, float value, bool add) { *to = add ? *to + value : value; }

/* Sums of one panel and channel of the fine side, [taps][panel][c_in][width], the parts added in order. */
static void unpack_matrix(const struct unpacking *u, const struct panel *panel, int c)
{
	const struct wgrad *w = u->w;
	const struct map *m = &w->taps;
	int width = panel->blocks * m->k->lanes;
	size_t column = (size_t)m->c_in * (size_t)panel->column;

	for (int t = 0; t < m->n_taps; t++) {
		size_t row = m->planes ? (size_t)m->n_taps * column + (size_t)((t * m->c_in + c) * width)
		                       : (size_t)t * (size_t)(m->c_in * m->width) + column + (size_t)(c * width);
		float *to = u->gradient + (size_t)c * m->in_step + (size_t)panel->first * m->out_step + (size_t)t;
		for (int o = 0; o < panel->channels; o++) {
			float sum = 0;
			for (int i = 0; i < w->parts; i++)
				sum += u->sums[(size_t)i * u->part + row + (size_t)o];
			put(to + (size_t)o * m->out_step, sum, u->add);
		}
	}
}

/* The same of sums [point][panel][kz][c_in][width]. */
static void unpack_winograd(const struct unpacking *u, const struct panel *panel, int c)
{
	const struct map *m = &u->w->taps;
	int lanes = m->k->lanes, width = panel->blocks * lanes, kz = m->n_taps / 9;
	size_t depth = (size_t)(kz * m->c_in);
	float g[9 * MAX_LANES] __attribute__((aligned(64)));

	for (int z = 0; z < kz; z++)
		for (int b = 0; b < panel->blocks; b++) {
			int left = panel->channels - b * lanes, n = left < lanes ? left : lanes;
			const float *from = u->sums + depth * (size_t)panel->column + (size_t)((z * m->c_in + c) * width + b * lanes);
			float *to = u->gradient + (size_t)c * m->in_step + (size_t)(panel->first + b * lanes) * m->out_step + (size_t)(z * 9);
			m->k->winograd_gradient(g, from, depth * (size_t)m->width, u->w->parts, u->part);
			for (int o = 0; o < n; o++)
				for (int t = 0; t < 9; t++)
					put(to + (size_t)o * m->out_step + t, g[t * lanes + o], u->add);
		}
}

enum { CHANNELS = 16 };                 /* of a task: what they read and write lies side by side */

static void unpack_task(void *arg, int i, int worker)
{
	const struct unpacking *u = arg;
	const struct map *m = &u->w->taps;
	const struct panel *panel = &m->panel[i % m->n_panels];
	int first = i / m->n_panels * CHANNELS, end = first + CHANNELS < m->c_in ? first + CHANNELS : m->c_in;

	(void)worker;
	for (int c = first; c < end; c++)
		if (u->w->winograd)
			unpack_winograd(u, panel, c);
		else
			unpack_matrix(u, panel, c);
}

void unpack_gradient(float *gradient, const struct wgrad *w, const float *sums, bool add, int threads)
{
	struct unpacking u = { w, gradient, sums, (w->sums + MAX_LANES - 1) / MAX_LANES * MAX_LANES, add };

	parallel_for(threads, w->taps.n_panels * ((w->taps.c_in + CHANNELS - 1) / CHANNELS), unpack_task, &u);
}
