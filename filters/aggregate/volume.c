#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/aggregate/volume.h"

/* sum: [y'][x'] += sign times the sums of a plane u [y][x] over each place of a window of so many rows and columns. */
static void add_plane(double *sum, double sign, const float *u, const int64_t shape[3], const int64_t window[3], double *column)
{
	int64_t nx = shape[2] - window[2] + 1;

	memset(column, 0, (size_t)shape[2] * sizeof *column);
	for (int64_t y = 0; y < shape[1]; y++) {
		const float *enters = u + y * shape[2], *leaves = enters - window[1] * shape[2];
		double run = 0;
		for (int64_t x = 0; x < shape[2]; x++)
			column[x] += (double)enters[x];
		if (y >= window[1])
			for (int64_t x = 0; x < shape[2]; x++)
				column[x] -= (double)leaves[x];
		if (y < window[1] - 1)
			continue;
		for (int64_t x = 0; x < shape[2]; x++) {
			run += column[x];
			if (x >= window[2])
				run -= column[x - window[2]];
			if (x >= window[2] - 1)
				sum[(y - window[1] + 1) * nx + x - window[2] + 1] += sign * run;
		}
	}
}

double patch_mean(const float *u, const int64_t shape[3], const int64_t window[3])
{
	size_t plane = (size_t)(shape[1] * shape[2]), places = (size_t)((shape[1] - window[1] + 1) * (shape[2] - window[2] + 1));
	double *sum = xcalloc(places, sizeof *sum), *column = xmalloc((size_t)shape[2], sizeof *column);
	double best = -INFINITY, voxels = (double)window[0] * (double)window[1] * (double)window[2];

	for (int64_t z = 0; z < shape[0]; z++) {
		add_plane(sum, 1, u + (size_t)z * plane, shape, window, column);
		if (z >= window[0])
			add_plane(sum, -1, u + (size_t)(z - window[0]) * plane, shape, window, column);
		for (size_t i = 0; z >= window[0] - 1 && i < places; i++)
			best = sum[i] > best ? sum[i] : best;
	}
	free(sum);
	free(column);
	return best / voxels;
}

/* Keys in the order of the values: a negative float's bits run the other way. */
static uint32_t key_of(float u)
{
	uint32_t k;

	memcpy(&k, &u, sizeof k);
	return k & 0x80000000u ? ~k : k | 0x80000000u;
}

static float value_of(uint32_t k)
{
	float u;

	k = k & 0x80000000u ? k & 0x7fffffffu : ~k;
	memcpy(&u, &k, sizeof u);
	return u;
}

double tail_sum(const float *u, size_t voxels, size_t n)
{
	enum { HALF = 1 << 16 };
	size_t *count = xcalloc(HALF, sizeof *count), above = 0;
	uint32_t high = HALF - 1, low = HALF - 1, cut;
	double sum = 0;

	/* The n-th largest value: its upper half, then its lower half. */
	for (size_t v = 0; v < voxels; v++)
		count[key_of(u[v]) >> 16]++;
	for (; above + count[high] < n; high--)
		above += count[high];
	memset(count, 0, HALF * sizeof *count);
	for (size_t v = 0; v < voxels; v++)
		if (key_of(u[v]) >> 16 == high)
			count[key_of(u[v]) & (HALF - 1)]++;
	for (; above + count[low] < n; low--)
		above += count[low];
	free(count);
	cut = high << 16 | low;
	for (size_t v = 0; v < voxels; v++)
		if (key_of(u[v]) > cut)
			sum += (double)u[v];
	return sum + (double)(n - above) * (double)value_of(cut);
}
