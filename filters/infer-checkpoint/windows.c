#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/windows.h"

/* How many windows of length t an axis of length i needs. */
static double steps(int64_t i, int64_t t, double step) { return i <= t ? 1 : ceil((double)(i - t) / ((double)t * step)) + 1; }

/* The j-th of n positions: rint rounds half to even, as numpy does. */
static int64_t position(int64_t i, int64_t t, int n, int j)
{
	if (i <= t)
		return -((t - i) / 2);
	return (int64_t)rint((double)(i - t) / (n - 1) * j);
}

bool windows_make(struct windows *w, const int64_t shape[3], const int64_t patch[3], double step, bool slices)
{
	double n[3];
	int at = 0;

	for (int i = 0; i < 3; i++)
		n[i] = slices && i == 0 ? (double)shape[0] : steps(shape[i], patch[i], step);
	if (n[0] * n[1] * n[2] * sizeof *w->origin > (double)memory_limit || n[0] * n[1] * n[2] > INT32_MAX)
		return fail(XDATA, "%.0f windows are more than the limit of memory allows (--memory raises it)", n[0] * n[1] * n[2]);
	w->n = (int)(n[0] * n[1] * n[2]);
	w->origin = xmalloc((size_t)w->n, sizeof *w->origin);
	for (int i = 0; i < 3; i++)
		w->count[i] = (int)n[i];
	for (int z = 0; z < (int)n[0]; z++)
		for (int y = 0; y < (int)n[1]; y++)
			for (int x = 0; x < (int)n[2]; x++, at++) {
				w->origin[at][0] = slices ? z : position(shape[0], patch[0], (int)n[0], z);
				w->origin[at][1] = position(shape[1], patch[1], (int)n[1], y);
				w->origin[at][2] = position(shape[2], patch[2], (int)n[2], x);
			}
	return true;
}

void windows_sort(struct windows *w, int axis, bool down)
{
	const int *n = w->count, step[3] = { n[1] * n[2], n[2], 1 }, b = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
	int64_t (*sorted)[3] = xmalloc((size_t)w->n, sizeof *sorted);
	int at = 0;

	for (int i = 0; i < n[axis]; i++)
		for (int j = 0; j < n[b]; j++)
			for (int k = 0; k < n[c]; k++)
				memcpy(sorted[at++], w->origin[(down ? n[axis] - 1 - i : i) * step[axis] + j * step[b] + k * step[c]], sizeof *sorted);
	free(w->origin);
	w->origin = sorted;
}

void windows_free(struct windows *w)
{
	free(w->origin);
	*w = (struct windows){0};
}

/* 10 exp(-sum over axes of (i - t//2)^2 / (2 (t/8)^2)), rounded to half; zeros become the smallest other value (contract 5.4). */
void windows_weight(float *weight, const int64_t patch[3], bool gaussian)
{
	size_t n = (size_t)(patch[0] * patch[1] * patch[2]);
	float least = INFINITY, *out = weight;

	for (int64_t z = 0; z < patch[0]; z++)
		for (int64_t y = 0; y < patch[1]; y++)
			for (int64_t x = 0; x < patch[2]; x++) {
				int64_t i[3] = { z, y, x };
				double e = 0;
				for (int a = 0; a < 3; a++) {
					double d = (double)(i[a] - patch[a] / 2), sigma = (double)patch[a] / 8;
					e += d * d / (2 * sigma * sigma);
				}
				*out++ = gaussian ? half_round((float)(10 * exp(-e))) : 1;
			}
	for (size_t i = 0; i < n; i++)
		if (weight[i] > 0 && weight[i] < least)
			least = weight[i];
	for (size_t i = 0; i < n; i++)
		if (weight[i] == 0)
			weight[i] = least;
}

int windows_mirrors(unsigned subset[8], const int axis[3], int n)
{
	int count = 0;

	for (int size = 0; size <= n; size++)
		for (unsigned bits = 0; bits < 1u << n; bits++) {
			/* bit n-1-i of set stands for axis[i]; falling sets of one size are in lexicographic order */
			unsigned set = (1u << n) - 1 - bits, mirrored = 0;
			int members = 0;
			for (int i = 0; i < n; i++)
				if (set >> (n - 1 - i) & 1) {
					mirrored |= 1u << axis[i];
					members++;
				}
			if (members == size)
				subset[count++] = mirrored;
		}
	return count;
}
