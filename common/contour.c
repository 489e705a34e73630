#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/contour.h"
#include "common/die.h"

void contour_begin(struct contour *c, int64_t width, bool lengths)
{
	if (c->width < width) {
		contour_free(c);
		for (int i = 0; i < 3; i++)
			c->wide[i] = xmalloc((size_t)width, 1);
		c->last = xmalloc((size_t)width, 1);
		c->none = xcalloc((size_t)width, 1);
	}
	c->width = width;
	c->lengths = lengths;
	c->all = c->slice = (struct contour_counts){0};
	c->begun = false;
}

void contour_free(struct contour *c)
{
	for (int i = 0; i < 3; i++)
		free(c->wide[i]);
	free(c->last);
	free(c->none);
	*c = (struct contour){0};
}

static void widen(unsigned char *out, const unsigned char *row, int64_t n)
{
	memcpy(out, row, (size_t)n);
	for (int64_t x = 0; x + 1 < n; x++)
		out[x] |= row[x + 1];
	for (int64_t x = 1; x < n; x++)
		out[x] |= row[x - 1];
}

/* Counts the contour in the last row, now that the row below it is known; the rows move up by one. */
static void count_last(struct contour *c)
{
	unsigned char *above = c->wide[0];
	int64_t n = 0;

	for (int64_t x = 0; x < c->width; x++)
		n += (above[x] | c->wide[1][x] | c->wide[2][x]) & (c->last[x] ^ 1);
	c->slice.ring += n;
	c->wide[0] = c->wide[1];
	c->wide[1] = c->wide[2];
	c->wide[2] = above;
}

/* The polygon between two rows of pixel centres: a square of four centres holds a line across it or one or two diagonals. */
static void add_squares(struct contour *c, const unsigned char *a, const unsigned char *b)
{
	int64_t diagonal = 0, across = 0, down = 0, n = c->width;

	for (int64_t x = 0; x + 1 < n; x++) {
		int above = a[x] ^ a[x + 1], left = a[x] ^ b[x], even = 1 ^ above ^ b[x] ^ b[x + 1];
		diagonal += (even ^ 1) + 2 * (even & above & left);
		across += even & left & (above ^ 1);
		down += even & above & (left ^ 1);
	}
	c->slice.diagonal += diagonal;
	c->slice.half_x += 2 * across + (a[0] ^ b[0]) + (a[n - 1] ^ b[n - 1]);     /* to the left and right edge */
	c->slice.half_y += 2 * down;
}

/* From the centres of the first or last row to the slice's edge. */
static void add_edge(struct contour *c, const unsigned char *row)
{
	for (int64_t x = 0; x + 1 < c->width; x++)
		c->slice.half_y += row[x] ^ row[x + 1];
}

/* What lies above the first row is a row without the mask. */
static void slice_begin(struct contour *c)
{
	c->slice = (struct contour_counts){0};
	memset(c->wide[0], 0, (size_t)c->width);
	memset(c->wide[1], 0, (size_t)c->width);
	memset(c->last, 0, (size_t)c->width);
	c->blank = 2;
	c->begun = true;
}

void contour_row(struct contour *c, const unsigned char *mask)
{
	bool first = !c->begun;
	int64_t n = 0;

	if (first)
		slice_begin(c);
	if (!mask && c->blank >= 2)             /* neither this row nor the two before it count anything */
		return;
	c->blank = mask ? 0 : c->blank + 1;
	mask = mask ? mask : c->none;
	widen(c->wide[2], mask, c->width);
	if (first)
		memcpy(c->wide[1], c->wide[2], (size_t)c->width);
	else
		count_last(c);
	if (c->lengths && first)
		add_edge(c, mask);
	else if (c->lengths)
		add_squares(c, c->last, mask);
	memcpy(c->last, mask, (size_t)c->width);
	for (int64_t x = 0; x < c->width; x++)
		n += mask[x];
	c->slice.mask += n;
}

void contour_add(struct contour_counts *to, const struct contour_counts *n)
{
	to->mask += n->mask;
	to->ring += n->ring;
	to->diagonal += n->diagonal;
	to->half_x += n->half_x;
	to->half_y += n->half_y;
}

void contour_slice_end(struct contour *c)
{
	if (!c->begun)
		return;
	memset(c->wide[2], 0, (size_t)c->width);
	count_last(c);
	if (c->lengths)
		add_edge(c, c->last);
	contour_add(&c->all, &c->slice);
	c->begun = false;
}

double contour_mm(const struct contour_counts *n, double spacing_y, double spacing_x)
{
	double diagonal = hypot(spacing_y, spacing_x);

	return ((double)n->diagonal * diagonal + (double)n->half_x * spacing_x + (double)n->half_y * spacing_y) / 2;
}
