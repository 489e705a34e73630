#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/aggregate/aggregate.h"

void tally_begin(struct tally *t, const struct scoring *s)
{
	size_t slots = (size_t)s->n_slots, views = (size_t)s->n_views, parts = (size_t)s->n_parts;

	tally_free(t);
	*t = (struct tally){ s->n_slots, s->n_views, s->n_parts, xcalloc(slots, sizeof *t->n),
	    xcalloc(slots, views * sizeof *t->sum), xcalloc(views, sizeof *t->n_above), xcalloc(views, sizeof *t->above),
	    xcalloc(parts, sizeof *t->contour) };
}

void tally_free(struct tally *t)
{
	free(t->n);
	free(t->sum);
	free(t->n_above);
	free(t->above);
	free(t->contour);
	*t = (struct tally){0};
}

void tally_take(struct tally *t, const struct scoring *s, size_t at, size_t n, double threshold)
{
	const uint16_t *seg = s->seg + at;

	for (size_t v = 0; v < n; v++)
		t->n[seg[v]]++;
	for (int k = 0; k < t->n_views; k++) {
		const float *u = s->value[k] + at;
		double *sum = t->sum + (size_t)k * (size_t)t->n_slots;
		for (size_t v = 0; v < n; v++)
			sum[seg[v]] += (double)u[v];
		for (size_t v = 0; v < n; v++)
			if ((double)u[v] >= threshold) {        /* never if it is NaN */
				t->n_above[k]++;
				t->above[k] += (double)u[v];
			}
	}
}

void tally_slice_end(struct tally *t, const struct scoring *s)
{
	for (int i = 0; i < t->n_parts; i++)
		t->contour[i] = s->part[i].contour.slice;
}

void tally_add(struct tally *t, const struct tally *slice)
{
	for (int i = 0; i < t->n_slots; i++)
		t->n[i] += slice->n[i];
	for (int i = 0; i < t->n_slots * t->n_views; i++)
		t->sum[i] += slice->sum[i];
	for (int k = 0; k < t->n_views; k++) {
		t->n_above[k] += slice->n_above[k];
		t->above[k] += slice->above[k];
	}
	for (int i = 0; i < t->n_parts; i++)
		contour_add(&t->contour[i], &slice->contour[i]);
}
