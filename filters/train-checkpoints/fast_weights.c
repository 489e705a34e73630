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
	bool add;
};

static void put(float *to, float value, bool add) { *to = add ? *to + value : value; }

/* Sums of channel c of the fine side, [taps][panel][c_in][width], the parts added in order. */
static void unpack_matrix(const struct unpacking *u, int c)
{
	const struct wgrad *w = u->w;
	const struct map *m = &w->taps;
	size_t part = (w->sums + MAX_LANES - 1) / MAX_LANES * MAX_LANES;

	for (int p = 0; p < m->n_panels; p++) {
		const struct panel *panel = &m->panel[p];
		int width = panel->blocks * m->k->lanes;
		for (int t = 0; t < m->n_taps; t++) {
			size_t row = m->planes ? (size_t)(m->n_taps * m->c_in * panel->column + (t * m->c_in + c) * width)
			                       : (size_t)t * (size_t)m->c_in * (size_t)m->width + (size_t)m->c_in * (size_t)panel->column + (size_t)(c * width);
			float *to = u->gradient + (size_t)c * m->in_step + (size_t)panel->first * m->out_step + (size_t)t;
			for (int o = 0; o < panel->channels; o++) {
				float sum = 0;
				for (int i = 0; i < w->parts; i++)
					sum += u->sums[(size_t)i * part + row + (size_t)o];
				put(to + (size_t)o * m->out_step, sum, u->add);
			}
		}
	}
}

/* The same of sums [point][panel][kz][c_in][width]. */
static void unpack_winograd(const struct unpacking *u, int c)
{
	const struct wgrad *w = u->w;
	const struct map *m = &w->taps;
	int lanes = m->k->lanes, kz = m->n_taps / 9;
	size_t part = (w->sums + MAX_LANES - 1) / MAX_LANES * MAX_LANES, depth = (size_t)(kz * m->c_in), point = depth * (size_t)m->width;
	float total[WINOGRAD * MAX_LANES] __attribute__((aligned(64))), g[9 * MAX_LANES] __attribute__((aligned(64)));

	for (int p = 0; p < m->n_panels; p++)
		for (int z = 0; z < kz; z++)
			for (int b = 0; b < m->panel[p].blocks; b++) {
				const struct panel *panel = &m->panel[p];
				int width = panel->blocks * lanes, left = panel->channels - b * lanes, n = left < lanes ? left : lanes;
				const float *from = u->sums + depth * (size_t)panel->column + (size_t)((z * m->c_in + c) * width + b * lanes);
				float *to = u->gradient + (size_t)c * m->in_step + (size_t)(panel->first + b * lanes) * m->out_step + (size_t)(z * 9);
				for (int k = 0; k < WINOGRAD; k++)
					for (int o = 0; o < lanes; o++) {
						float sum = 0;
						for (int i = 0; i < w->parts; i++)
							sum += from[(size_t)i * part + (size_t)k * point + (size_t)o];
						total[k * lanes + o] = sum;
					}
				m->k->winograd_gradient(g, total, (size_t)lanes);
				for (int t = 0; t < 9; t++)
					for (int o = 0; o < n; o++)
						put(to + (size_t)o * m->out_step + t, g[t * lanes + o], u->add);
			}
}

static void unpack_channel(void *arg, int c, int worker)
{
	const struct unpacking *u = arg;

	(void)worker;
	if (u->w->winograd)
		unpack_winograd(u, c);
	else
		unpack_matrix(u, c);
}

void unpack_gradient(float *gradient, const struct wgrad *w, const float *sums, bool add, int threads)
{
	struct unpacking u = { w, gradient, sums, add };

	parallel_for(threads, w->taps.c_in, unpack_channel, &u);
}
