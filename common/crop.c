#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/crop.h"
#include "common/die.h"

void crop_box(int64_t lo[3], int64_t hi[3], const float *image, int64_t channels, const int64_t shape[3])
{
	bool any = false;

	for (int i = 0; i < 3; i++) {
		lo[i] = shape[i];
		hi[i] = 0;
	}
	for (int64_t c = 0; c < channels; c++)
		for (int64_t z = 0; z < shape[0]; z++)
			for (int64_t y = 0; y < shape[1]; y++, image += shape[2]) {
				int64_t first = 0, last = shape[2] - 1;
				while (first < shape[2] && image[first] == 0)
					first++;
				if (first == shape[2])
					continue;
				while (image[last] == 0)
					last--;
				const int64_t at[3] = { z, y, first }, end[3] = { z + 1, y + 1, last + 1 };
				for (int i = 0; i < 3; i++) {
					lo[i] = at[i] < lo[i] ? at[i] : lo[i];
					hi[i] = end[i] > hi[i] ? end[i] : hi[i];
				}
				any = true;
			}
	for (int i = 0; !any && i < 3; i++) {
		lo[i] = 0;
		hi[i] = shape[i];
	}
}

enum { FREE = 0, OUTSIDE = 2 };         /* zeros, and those of them that the flood has reached */

struct seeds { size_t n, room; size_t *at; };

static void push(struct seeds *s, size_t at)
{
	if (s->n == s->room)
		s->at = xrealloc(s->at, s->room = s->room ? 2 * s->room : 1024, sizeof *s->at);
	s->at[s->n++] = at;
}

/* Pushes the first voxel of every run of zeros that overlaps columns lo..hi of a row. */
static void push_runs(struct seeds *s, const unsigned char *mask, size_t row, int64_t lo, int64_t hi)
{
	for (int64_t x = lo; x < hi; x++)
		if (mask[row + (size_t)x] == FREE && (x == lo || mask[row + (size_t)x - 1] != FREE))
			push(s, row + (size_t)x);
}

void crop_fill_holes(unsigned char *mask, const int64_t shape[3])
{
	size_t width = (size_t)shape[2], area = (size_t)shape[1] * width, n = (size_t)shape[0] * area;
	struct seeds s = {0};

	if (shape[0] < 3 || shape[1] < 3 || shape[2] < 3)
		return;                         /* every voxel is on a face */
	for (int64_t z = 0; z < shape[0]; z++)
		for (int64_t y = 0; y < shape[1]; y++) {
			size_t row = (size_t)z * area + (size_t)y * width;
			bool face = z == 0 || z == shape[0] - 1 || y == 0 || y == shape[1] - 1;
			push_runs(&s, mask, row, 0, face ? shape[2] : 1);
			push_runs(&s, mask, row, shape[2] - 1, shape[2]);
		}
	while (s.n) {                           /* a seed becomes its whole run, which seeds the four rows around it */
		size_t at = s.at[--s.n], row = at - at % width, z = at / area, y = at % area / width;
		int64_t lo = (int64_t)(at - row), hi = lo;
		if (mask[at] != FREE)
			continue;
		while (lo > 0 && mask[row + (size_t)lo - 1] == FREE)
			lo--;
		while (hi < shape[2] && mask[row + (size_t)hi] == FREE)
			hi++;
		memset(mask + row + lo, OUTSIDE, (size_t)(hi - lo));
		if (z > 0)
			push_runs(&s, mask, row - area, lo, hi);
		if (z + 1 < (size_t)shape[0])
			push_runs(&s, mask, row + area, lo, hi);
		if (y > 0)
			push_runs(&s, mask, row - width, lo, hi);
		if (y + 1 < (size_t)shape[1])
			push_runs(&s, mask, row + width, lo, hi);
	}
	free(s.at);
	for (size_t i = 0; i < n; i++)
		mask[i] = mask[i] != OUTSIDE;
}
