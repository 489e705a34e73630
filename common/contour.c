#include <stdlib.h>
#include <string.h>
#include "common/contour.h"
#include "common/die.h"

void contour_begin(struct contour *c, int64_t width)
{
	if (c->width < width) {
		contour_free(c);
		for (int i = 0; i < 3; i++)
			c->wide[i] = xmalloc((size_t)width, 1);
		c->last = xmalloc((size_t)width, 1);
	}
	c->width = width;
	c->mask = c->ring = 0;
	c->begun = false;
}

void contour_free(struct contour *c)
{
	for (int i = 0; i < 3; i++)
		free(c->wide[i]);
	free(c->last);
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
	c->ring += n;
	c->wide[0] = c->wide[1];
	c->wide[1] = c->wide[2];
	c->wide[2] = above;
}

void contour_row(struct contour *c, const unsigned char *mask)
{
	int64_t n = 0;

	if (c->begun) {
		widen(c->wide[2], mask, c->width);
		count_last(c);
	} else {
		memset(c->wide[0], 0, (size_t)c->width);
		widen(c->wide[1], mask, c->width);
		c->begun = true;
	}
	memcpy(c->last, mask, (size_t)c->width);
	for (int64_t x = 0; x < c->width; x++)
		n += mask[x];
	c->mask += n;
}

void contour_slice_end(struct contour *c)
{
	if (!c->begun)
		return;
	memset(c->wide[2], 0, (size_t)c->width);
	count_last(c);
	c->begun = false;
}
