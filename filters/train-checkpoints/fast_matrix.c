#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/fast.h"

/* Part i of n that are all nearly equal: where it begins and its size. */
int part_of(int *size, int total, int n, int i)
{
	int q = total / n, r = total % n;

	*size = q + (i < r);
	return i * q + (i < r ? i : r);
}

/* Outputs first .. first + n - 1 of [samples][size] as runs of rows. */
void rows_of(struct hand *h, const int size[3], int first, int n)
{
	h->n_rows = 0;
	for (int at = 0; at < n;) {
		int x = (first + at) % size[2], row = (first + at) / size[2], y = row % size[1], z = row / size[1] % size[0];
		struct row r = { row / size[1] / size[0], z, y, x, size[2] - x < n - at ? size[2] - x : n - at, at };
		h->row[h->n_rows++] = r;
		at += r.n;
	}
}

/* The outputs lo <= x < hi, from <= x < to, whose tap falls on 0 <= x * stride + shift < size. */
static void inside(int *lo, int *hi, int from, int to, int stride, int shift, int size)
{
	*lo = shift < 0 ? (stride - 1 - shift) / stride : 0;
	*hi = shift < size ? (size - 1 - shift) / stride + 1 : 0;
	*lo = *lo < from ? from : *lo > to ? to : *lo;
	*hi = *hi > to ? to : *hi < *lo ? *lo : *hi;
}

/* The part of a row that a tap finds inside the input: its outputs lo .. hi - 1 and the place of the first one's pixel in the
 * block; lo = hi where there is none. */
static size_t locate(int *lo, int *hi, const struct map *m, const struct tap *t, const struct row *r)
{
	int z = r->z * m->in_stride[0] + t->shift[0], y = r->y * m->in_stride[1] + t->shift[1];

	*lo = *hi = r->x + r->n;
	if (z < 0 || z >= m->in[0] || y < 0 || y >= m->in[1])
		return 0;
	inside(lo, hi, r->x, r->x + r->n, m->in_stride[2], t->shift[2], m->in[2]);
	return (((size_t)r->sample * (size_t)m->in[0] + (size_t)z) * (size_t)m->in[1] + (size_t)y) * (size_t)m->in[2] +
	       (size_t)(*lo * m->in_stride[2] + t->shift[2]);
}

/* Channels c .. of block b of s at one tap: [n][lanes], 0 outside. */
static void gather_block(float *to, const struct hand *h, const struct map *m, const struct tap *t, const struct source *s, int b, int c)
{
	size_t lanes = (size_t)m->k->lanes, from = (size_t)s->lanes;
	int width = s->lanes < m->k->lanes ? s->lanes : m->k->lanes, lo, hi;

	for (int i = 0; i < h->n_rows; i++) {
		const struct row *r = &h->row[i];
		float *row = to + (size_t)r->at * lanes;
		size_t pixel = locate(&lo, &hi, m, t, r);
		memset(row, 0, (size_t)(lo - r->x) * lanes * sizeof *row);
		memset(row + (size_t)(hi - r->x) * lanes, 0, (size_t)(r->x + r->n - hi) * lanes * sizeof *row);
		if (lo == hi)
			continue;
		const float *x = s->x + (size_t)b * s->block + pixel * from + c;
		size_t vector = ((size_t)r->sample * (size_t)s->blocks + (size_t)b) * from + (size_t)c;
		struct norm a = { s->scale + (s->scale ? vector : 0), s->shift + (s->scale ? vector : 0), s->slope };
		m->k->copy(row + (size_t)(lo - r->x) * lanes, x, hi - lo, from * (size_t)m->in_stride[2], width, s->scale ? &a : NULL);
	}
}

/* All taps of the network's input, tap by tap and channel by channel, side by side as lanes. */
static int gather_planes(struct hand *h, float *to, const struct job *j, const struct phase *p, int n)
{
	const struct source *s = &j->source[0];
	int lanes = j->m->k->lanes, depth = p->n_taps * s->channels, n_segments = (depth + lanes - 1) / lanes, lo, hi;

	memset(to, 0, (size_t)(n_segments * n * lanes) * sizeof *to);
	for (int d = 0; d < depth; d++) {
		float *lane = to + (size_t)(d / lanes * n) * (size_t)lanes + d % lanes;
		for (int i = 0; i < h->n_rows; i++) {
			const struct row *r = &h->row[i];
			size_t pixel = locate(&lo, &hi, j->m, &p->tap[d / s->channels], r);
			const float *x = s->x + (size_t)(d % s->channels) * s->block + pixel;
			for (int q = lo; q < hi; q++)
				lane[(size_t)(r->at + q - r->x) * (size_t)lanes] = x[(q - lo) * j->m->in_stride[2]];
		}
	}
	for (int i = 0; i < n_segments; i++) {
		h->x[i] = to + (size_t)(i * n) * (size_t)lanes;
		h->n[i] = depth - i * lanes < lanes ? depth - i * lanes : lanes;
	}
	return n_segments;
}

/* What taps tap .. tap + n_taps - 1 of the phase read for the n outputs of h's rows, to `to`: segments [n][lanes] of h->n[i]
 * channels at h->x[i].  Returns how many there are. */
int gather(struct hand *h, float *to, const struct job *j, const struct phase *p, int n, int tap, int n_taps)
{
	const struct map *m = j->m;
	int lanes = m->k->lanes, segments = 0;

	if (m->planes)
		return gather_planes(h, to, j, p, n);
	for (int t = tap; t < tap + n_taps; t++)
		for (int i = 0; i < m->n_sources; i++) {
			const struct source *s = &j->source[i];
			for (int b = 0; b < s->blocks; b++) {
				int left = s->channels - b * s->lanes, channels = left < s->lanes ? left : s->lanes;
				for (int c = 0; c < channels; c += lanes, to += n * lanes) {
					gather_block(to, h, m, &p->tap[t], s, b, c);
					h->x[segments] = to;
					h->n[segments++] = channels - c < lanes ? channels - c : lanes;
				}
			}
		}
	return segments;
}

/* Results [n][lanes] of one block to the outputs of a phase. */
static void scatter(const struct job *j, const struct hand *h, const struct phase *p, const struct target *t, int block, const float *tile)
{
	const struct map *m = j->m;
	const int *s = m->out_stride;
	size_t lanes = (size_t)m->k->lanes;

	for (int i = 0; i < h->n_rows; i++) {
		const struct row *r = &h->row[i];
		int z = r->z * s[0] + p->offset[0], y = r->y * s[1] + p->offset[1], x = r->x * s[2] + p->offset[2];
		size_t plane = (size_t)r->sample * (size_t)m->out[0] + (size_t)z;
		float *to = t->x + (size_t)block * t->block + ((plane * (size_t)m->out[1] + (size_t)y) * (size_t)m->out[2] + (size_t)x) * lanes;
		m->k->spread(to, lanes * (size_t)s[2], tile + (size_t)r->at * lanes, r->n, t->add);
	}
}

struct part { const struct job *j; const struct phase *p; };

static void matrix_task(void *arg, int i, int worker)
{
	const struct part *part = arg;
	const struct job *j = part->j;
	const struct map *m = j->m;
	const struct phase *p = part->p;
	struct hand *h = &j->hand[worker];
	int total = product3(p->size) * j->samples, n, first = part_of(&n, total, (total + m->group - 1) / m->group, i);
	bool in_place = product3(m->out_stride) == 1, planes = m->planes;
	size_t lanes = (size_t)m->k->lanes;
	const float *w = j->packed + p->weights;

	rows_of(h, p->size, first, n);
	for (int tap = 0, taps; tap == 0 || tap < p->n_taps; tap += taps) {
		taps = p->n_taps - tap < m->tap_group ? p->n_taps - tap : m->tap_group;
		int segments = gather(h, h->scratch, j, p, n, tap, taps), depth = taps * m->c_in;
		float *tile = h->scratch + (size_t)segments * (size_t)n * lanes;
		for (int k = 0; k < m->n_panels; k++) {
			const struct panel *panel = &m->panel[k];
			const struct target *t = &j->target[panel->target];
			struct product product = {
				.out = in_place ? t->x + (size_t)panel->block * t->block + (size_t)first * lanes : tile,
				.block_step = in_place ? t->block : (size_t)n * lanes, .out_step = lanes, .pixels = n, .blocks = panel->blocks,
				.x = h->x, .n = h->n, .n_segments = segments, .depth = depth, .w = w,
				.bias = j->bias ? j->bias + panel->column : NULL, .add = in_place && (t->add || tap > 0)
			};
			m->k->infer->gemm(&product);
			w += (size_t)depth * (size_t)panel->blocks * lanes;
			for (int b = 0; b < panel->blocks && !in_place; b++)
				scatter(j, h, p, t, panel->block + b, tile + (size_t)(b * n) * lanes);
		}
		if (planes || taps == 0)
			break;
	}
}

void run_matrix(const struct job *j)
{
	for (int i = 0; i < j->m->n_phases; i++) {
		struct part part = { j, &j->m->phase[i] };
		int total = product3(part.p->size) * j->samples;
		parallel_for(j->threads, (total + j->m->group - 1) / j->m->group, matrix_task, &part);
	}
}
