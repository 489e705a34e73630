/* The box of what is not zero, and holes: against growing the outside one voxel at a time. */
#include "common/crop.h"
#include "tests/preprocess/check.h"

/* Voxels that are zero and next to the outside join it, until none does. */
static void restated(unsigned char *mask, const int64_t n[3])
{
	unsigned char outside[2000] = {0};
	bool grows = true;

	while (grows) {
		grows = false;
		for (int64_t z = 0; z < n[0]; z++)
			for (int64_t y = 0; y < n[1]; y++)
				for (int64_t x = 0; x < n[2]; x++) {
					static const int step[6][3] = { { 1, 0, 0 },  { -1, 0, 0 }, { 0, 1, 0 },
						                        { 0, -1, 0 }, { 0, 0, 1 },  { 0, 0, -1 } };
					int64_t i = (z * n[1] + y) * n[2] + x;
					bool joins = false;
					if (mask[i] || outside[i])
						continue;
					for (int s = 0; s < 6; s++) {
						int64_t k[3] = { z + step[s][0], y + step[s][1], x + step[s][2] };
						bool in = k[0] >= 0 && k[0] < n[0] && k[1] >= 0 && k[1] < n[1] && k[2] >= 0 &&
						          k[2] < n[2];
						joins |= !in || outside[(k[0] * n[1] + k[1]) * n[2] + k[2]];
					}
					if (joins)
						outside[i] = grows = true;
				}
	}
	for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++)
		mask[i] = !outside[i];
}

static void holes(void)
{
	unsigned char mask[2000], want[2000];
	int filled = 0;

	for (int round = 0; round < 400; round++) {
		const int64_t n[3] = { 1 + pick(8), 1 + pick(12), 1 + pick(14) };
		int64_t total = n[0] * n[1] * n[2], dense = 3 + pick(7);
		for (int64_t i = 0; i < total; i++)
			want[i] = mask[i] = pick(10) < dense;
		crop_fill_holes(mask, n);
		restated(want, n);
		for (int64_t i = 0; i < total; i++)
			CHECK(mask[i] == want[i], "round %d, %dx%dx%d, voxel %d", round, (int)n[0], (int)n[1], (int)n[2], (int)i);
		for (int64_t i = 0; i < total; i++)
			filled += n[0] > 2 && mask[i];
	}
	CHECK(filled > 1000, "nothing to fill");
}

/* A ring in one slice has no hole: every voxel of a single slice lies on a face. */
static void slice(void)
{
	unsigned char ring[25] = { 0,0,0,0,0, 0,1,1,1,0, 0,1,0,1,0, 0,1,1,1,0, 0,0,0,0,0 }, three[75] = {0};

	crop_fill_holes(ring, (int64_t[]){ 1, 5, 5 });
	CHECK(ring[12] == 0, "a hole of a slice was filled");
	memcpy(three + 25, ring, 25);
	three[12] = three[62] = 1;
	crop_fill_holes(three, (int64_t[]){ 3, 5, 5 });
	CHECK(three[37] == 1, "a closed hole was not filled");
}

static void boxes(void)
{
	float image[2 * 4 * 5 * 6] = {0};
	int64_t lo[3], hi[3];
	const int64_t n[3] = { 4, 5, 6 };

	crop_box(lo, hi, image, 2, n);
	CHECK(lo[0] == 0 && lo[1] == 0 && lo[2] == 0 && hi[0] == 4 && hi[1] == 5 && hi[2] == 6, "of an empty image: all of it");
	image[(1 * 5 + 2) * 6 + 3] = NAN;                       /* not zero */
	crop_box(lo, hi, image, 2, n);
	CHECK(lo[0] == 1 && lo[1] == 2 && lo[2] == 3 && hi[0] == 2 && hi[1] == 3 && hi[2] == 4, "of one voxel");
	image[4 * 5 * 6 + (3 * 5 + 0) * 6 + 5] = -1e-30f;       /* in the second channel */
	image[(2 * 5 + 2) * 6 + 1] = -0.0f;                     /* zero */
	crop_box(lo, hi, image, 2, n);
	CHECK(lo[0] == 1 && lo[1] == 0 && lo[2] == 3 && hi[0] == 4 && hi[1] == 3 && hi[2] == 6, "of two channels");
}

int main(void)
{
	holes();
	slice();
	boxes();
	DONE();
}
