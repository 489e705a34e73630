/* Halfway between voxels: the nearest one's label among those that tie, the even voxel of two; one that has lost gives way to the
 * lowest of the others, and outside is below all. */
#include <stdio.h>
#include <string.h>
#include "common/augment.h"

static int wrong;

/* Cubes or squares of an even side, scaled by 1 into odd ones: every voxel lies in the middle between eight, or four. */
static void expect(const char *what, const int64_t from[3], const uint16_t *label, const uint16_t *want, int n)
{
	struct augmenter a = { .from = { from[0], from[1], from[2] }, .to = { from[0] > 1 ? from[0] - 1 : 1, from[1] - 1, from[2] - 1 },
	                       .channels = 1, .kinds = 1U << AUGMENT_SCALING };
	struct augmentation d = { .kinds = a.kinds, .scale = 1, .zoom = { 1 } };
	float image[64] = {0}, out[64];
	uint16_t got[64];

	augment(out, got, image, label, &d, &a);
	for (int i = 0; i < n; i++)
		if (got[i] != want[i])
			wrong += printf("%s: voxel %d has label %d, not %d\n", what, i, got[i], want[i]);
}

int main(void)
{
	const int64_t plane[3] = { 1, 4, 6 }, cube[3] = { 4, 4, 4 };
	uint16_t columns[24], corner[24] = { 9, 4, 0, 0, 0, 0, 4, 8 }, seven[64] = { 9, 6, 0, 0, 6, 6 };
	const uint16_t even[15] = { 7, 5, 5, 3, 3, 7, 5, 5, 3, 3, 7, 5, 5, 3, 3 };              /* columns 0, 2, 2, 4, 4 */
	const uint16_t four[1] = { 4 }, none[1] = { 0 };

	for (int i = 0; i < 24; i++)
		columns[i] = (uint16_t[]){ 7, 2, 5, 1, 3, 3 }[i % 6];
	expect("two labels", plane, columns, even, 15);
	expect("the nearest has one of four", plane, corner, four, 1);
	seven[16] = seven[17] = seven[20] = 4;
	seven[21] = 1;
	expect("the nearest has one of eight, two others three each", cube, seven, four, 1);
	seven[1] = seven[4] = seven[5] = AUGMENT_OUTSIDE;
	expect("three are outside", cube, seven, none, 1);
	return wrong > 0;
}
