#include <math.h>
#include <stdlib.h>
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

	*w = (struct windows){ .order = { 0, 1, 2 } };
	for (int i = 0; i < 3; i++)
		n[i] = slices && i == 0 ? (double)shape[0] : steps(shape[i], patch[i], step);
	if ((n[0] + n[1] + n[2]) * sizeof **w->place > (double)memory_limit || n[0] * n[1] * n[2] > INT32_MAX)
		return fail(XDATA, "%.0f windows are more than a case may have", n[0] * n[1] * n[2]);
	w->n = (int)(n[0] * n[1] * n[2]);
	for (int i = 0; i < 3; i++) {
		w->count[i] = (int)n[i];
		w->place[i] = xmalloc((size_t)w->count[i], sizeof **w->place);
		for (int j = 0; j < w->count[i]; j++)
			w->place[i][j] = slices && i == 0 ? j : position(shape[i], patch[i], w->count[i], j);
	}
	return true;
}

void windows_sort(struct windows *w, int axis, bool down)
{
	int64_t *place = w->place[axis];

	w->order[0] = axis;
	w->order[1] = axis == 0 ? 1 : 0;
	w->order[2] = axis == 2 ? 1 : 2;
	for (int i = 0, j = w->count[axis] - 1; down && i < j; i++, j--) {
		int64_t t = place[i];
		place[i] = place[j];
		place[j] = t;
	}
}

void windows_index(int index[3], const struct windows *w, int i)
{
	for (int k = 2; k >= 0; k--) {
		index[k] = k ? i % w->count[w->order[k]] : i;
		i /= w->count[w->order[k]];
	}
}

void windows_at(int64_t origin[3], const struct windows *w, int i)
{
	int index[3];

	windows_index(index, w, i);
	for (int k = 0; k < 3; k++)
		origin[w->order[k]] = w->place[w->order[k]][index[k]];
}

void windows_free(struct windows *w)
{
	for (int i = 0; i < 3; i++)
		free(w->place[i]);
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
