#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/calibrate/tally.h"

enum { STEPS = 1024, LOWEST = -40, FINEST = -24,                 /* cells an octave; exponents of the lowest low and high cells */
       LAST_LOW = 2 + STEPS * (-1 - LOWEST) };                   /* the cell of 1/2 */
_Static_assert(CELLS == LAST_LOW + 1 + STEPS * (-1 - FINEST) + 1, "cells");

static const double quanta_p = 0x1p56, quanta_nll = 0x1p48;

const char *const measure_name[N_MEASURES] = { "confidence", "frequency", "ece", "ace_average", "ace_adaptive",
    "ace_adaptive_error", "mce", "brier", "nll" };

void tally_make(struct tally *t, int n_bins)
{
	*t = (struct tally){ .n_bins = n_bins };
	t->bin = xcalloc((size_t)n_bins, sizeof *t->bin);
	t->cell = xcalloc(CELLS, sizeof *t->cell);
	t->used = xcalloc(GROUPS, sizeof *t->used);
}

int tally_next(const struct tally *t, int i)
{
	while (i < CELLS && !t->cell[i].n)
		i = t->used[i / GROUP] ? i + 1 : (i / GROUP + 1) * GROUP;
	return i < CELLS ? i : CELLS;
}

void tally_clear(struct tally *t)
{
	memset(t->bin, 0, (size_t)t->n_bins * sizeof *t->bin);
	for (int i = tally_next(t, 0); i < CELLS; i = tally_next(t, i + 1))
		t->cell[i] = (struct cell){0};
	memset(t->used, 0, GROUPS * sizeof *t->used);
	t->brier = t->nll = t->zeros = 0;
}

void tally_free(struct tally *t)
{
	free(t->bin);
	free(t->cell);
	free(t->used);
	*t = (struct tally){0};
}

/* The cell of p, and p's place in it: the bits of fp32 that a cell leaves open. */
static int cell_of(uint32_t *offset, float p)
{
	bool high = p > 0.5f;
	float q = high ? 1 - p : p;
	uint32_t bits;
	int step;

	*offset = 0;
	if (q == 0)
		return high ? CELLS - 1 : 0;
	if (q < 0x1p-40f) {
		*offset = (uint32_t)llrint((double)q * 0x1p64);
		return 1;
	}
	memcpy(&bits, &q, sizeof bits);
	step = (int)(bits >> 13) - (127 + LOWEST) * STEPS;
	*offset = bits & 0x1fff;
	return high ? CELLS - 2 - (step - STEPS * (FINEST - LOWEST)) : 2 + step;
}

/* Where the cell begins, counted in steps of 2^-10 of an octave from 2^LOWEST, of p or, above 1/2, of 1 - p. */
static int cell_step(int i) { return i > LAST_LOW ? CELLS - 2 - i + STEPS * (FINEST - LOWEST) : i - 2; }

/* Sum of the probabilities in a cell. */
static double cell_sum(int i, const struct cell *c)
{
	int step = cell_step(i), octave = step / STEPS + LOWEST;
	double sum, n = (double)c->n;

	if (i == 0 || i == CELLS - 1)
		return i ? n : 0;
	if (i == 1)
		return (double)c->offset * 0x1p-64;
	sum = n * ldexp(STEPS + step % STEPS, octave - 10) + ldexp((double)c->offset, octave - 23);
	return i > LAST_LOW ? n - sum : sum;
}

/* How far apart its values are; 0 where all are the same. */
static double cell_width(int i, const struct cell *c)
{
	return ldexp((double)(c->high - c->low), i == 1 ? -64 : cell_step(i) / STEPS + LOWEST - 23);
}

/* p is a value of fp32 or a quotient; the product of an fp32 value with n_bins is exact, so edges are where they are said to be. */
int bin_of(double p, int n_bins)
{
	int b = (int)(p * n_bins);

	return b < n_bins ? b : n_bins - 1;
}

void bin_add(struct bin *b, double p, bool event)
{
	b->n++;
	b->events += event;
	b->p += (uint64_t)llrint(p * quanta_p);
}

void tally_join_cell(struct tally *t, int i, const struct cell *part)
{
	struct cell *c = &t->cell[i];

	if (!part->n)
		return;
	t->used[i / GROUP] = true;
	c->low = c->n && c->low < part->low ? c->low : part->low;
	c->high = c->n && c->high > part->high ? c->high : part->high;
	c->n += part->n;
	c->events += part->events;
	c->offset += part->offset;
}

void tally_add(struct tally *t, float p, bool event, double brier, double nll, bool zero)
{
	uint32_t place;
	int i = cell_of(&place, p);

	tally_join_cell(t, i, &(struct cell){ 1, event, place, place, place });
	bin_add(&t->bin[bin_of((double)p, t->n_bins)], (double)p, event);
	t->brier += (uint64_t)llrint(brier * quanta_p);
	t->nll += (uint64_t)llrint(nll * quanta_nll);
	t->zeros += zero;
}

void tally_join(struct tally *t, const struct tally *part)
{
	for (int b = 0; b < t->n_bins; b++) {
		t->bin[b].n += part->bin[b].n;
		t->bin[b].events += part->bin[b].events;
		t->bin[b].p += part->bin[b].p;
	}
	for (int i = tally_next(part, 0); i < CELLS; i = tally_next(part, i + 1))
		tally_join_cell(t, i, &part->cell[i]);
	t->brier += part->brier;
	t->nll += part->nll;
	t->zeros += part->zeros;
}

double bin_sum(const struct bin *b) { return (double)b->p / quanta_p; }

/* |sum of probabilities - events| of a bin, in quanta; exact. */
static unsigned __int128 bin_gap(const struct bin *b)
{
	unsigned __int128 events = (unsigned __int128)b->events << 56;

	return b->p > events ? b->p - events : events - b->p;
}

double bins_ece(const struct bin *b, int n_bins)
{
	unsigned __int128 gaps = 0;
	uint64_t n = 0;

	for (int i = 0; i < n_bins; i++) {
		gaps += bin_gap(&b[i]);
		n += b[i].n;
	}
	return n ? (double)gaps / quanta_p / (double)n : NAN;
}

/* Of bins of equal width: ECE is Guo et al. 2017, eq. 3; MCE eq. 5; the average over bins that are not empty is ACE in ValUES
 * (Kahl et al. 2024) and MONAI. */
static void equal_width(double *value, const struct tally *t)
{
	unsigned __int128 p = 0;
	uint64_t n = 0, events = 0;
	double sum = 0, most = 0;
	int filled = 0;

	for (int i = 0; i < t->n_bins; i++) {
		const struct bin *b = &t->bin[i];
		double gap = b->n ? (double)bin_gap(b) / quanta_p / (double)b->n : 0;
		p += b->p;
		n += b->n;
		events += b->events;
		filled += b->n > 0;
		sum += gap;
		most = fmax(most, gap);
	}
	value[CONFIDENCE] = (double)p / quanta_p / (double)n;
	value[FREQUENCY] = (double)events / (double)n;
	value[ECE] = bins_ece(t->bin, t->n_bins);
	value[ACE_AVERAGE] = sum / filled;
	value[MCE] = most;
}

/* How far the gap of a bin can be off, in units of mass, because `part` of a cell of mass `all` with `events` is taken as if
 * the cell's voxels were alike. */
static double part_error(uint64_t part, uint64_t all, uint64_t events, double width)
{
	double even = (double)part / (double)all * (double)events;
	uint64_t most = part < events ? part : events, least = part > all - events ? part - (all - events) : 0;

	return fmax((double)most - even, even - (double)least) + width * (double)part;
}

/* Of bins of equal mass, in the order of p (Nixon et al. 2019): every bin holds n / n_bins voxels, and equal values, like those of
 * a cell, are shared out between two bins in proportion.  A voxel is n_bins units of mass, so that all masses are whole. */
static void equal_mass(double *value, const struct tally *t, uint64_t n)
{
	uint64_t bins = (uint64_t)t->n_bins, room = n;           /* room: units that the current bin still takes; n in all */
	double gap = 0, sum = 0, error = 0;                      /* gap: of probabilities over events, in units */

	for (int i = tally_next(t, 0); i < CELLS; i = tally_next(t, i + 1)) {
		const struct cell *c = &t->cell[i];
		uint64_t all = c->n * bins;
		double surplus = (cell_sum(i, c) - (double)c->events) / (double)c->n;
		for (uint64_t left = all, part; left; left -= part) {
			part = left < room ? left : room;
			gap += surplus * (double)part;
			if (part < all && c->low < c->high)
				error += part_error(part, all, c->events * bins, cell_width(i, c));
			room -= part;
			if (room)
				continue;
			sum += fabs(gap);
			gap = 0;
			room = n;
		}
	}
	value[ACE_ADAPTIVE] = sum / (double)n / (double)bins;
	value[ADAPTIVE_ERROR] = error / (double)n / (double)bins;
}

bool tally_whole(const struct tally *t)
{
	uint64_t n = 0, events = 0;

	for (int i = 0; i < t->n_bins; i++) {
		n += t->bin[i].n;
		events += t->bin[i].events;
	}
	for (int i = tally_next(t, 0); i < CELLS; i = tally_next(t, i + 1)) {
		n -= t->cell[i].n;
		events -= t->cell[i].events;
	}
	return n == 0 && events == 0;
}

void tally_measure(struct measures *m, const struct tally *t)
{
	*m = (struct measures){ .zeros = t->zeros };
	for (int i = 0; i < t->n_bins; i++)
		m->n += t->bin[i].n;
	if (!m->n) {
		for (int i = 0; i < N_MEASURES; i++)
			m->value[i] = NAN;
		return;
	}
	equal_width(m->value, t);
	equal_mass(m->value, t, m->n);
	m->value[BRIER] = (double)t->brier / quanta_p / (double)m->n;
	m->value[NLL] = (double)t->nll / quanta_nll / (double)m->n;
}

double log_loss(float p, bool event, bool *zero)
{
	double q = event ? (double)p : 1 - (double)p;

	*zero = q <= 0;
	return *zero ? (event ? 149 : 25) * log(2) : -log(q);
}
