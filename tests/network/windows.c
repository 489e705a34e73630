/* The sliding window on random grids: every voxel is in a window and has a weight, windows stay in the image (or around it,
 * where it is smaller), neighbours are no farther apart than the step says, and every order holds all of them once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/windows.h"

enum { GRIDS = 400 };
static int failures;
static unsigned long long state = 11;

static void check(bool ok, int grid, const char *what)
{
	if (ok)
		return;
	printf("grid %d: %s\n", grid, what);
	failures++;
}

static int pick(int n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (int)(state >> 33) % n;
}

static size_t voxels(const int64_t s[3]) { return (size_t)(s[0] * s[1] * s[2]); }

/* How often windows cover each voxel [shape], and the sum of their weights there. */
static void cover(int *times, float *sum, const int64_t shape[3], const struct windows *w, const int64_t patch[3], const float *weight)
{
	memset(times, 0, voxels(shape) * sizeof *times);
	memset(sum, 0, voxels(shape) * sizeof *sum);
	for (int i = 0; i < w->n; i++) {
		int64_t origin[3];
		windows_at(origin, w, i);
		for (size_t v = 0; v < voxels(patch); v++) {
			int64_t z = (int64_t)v / (patch[1] * patch[2]) + origin[0], y = (int64_t)v / patch[2] % patch[1] + origin[1];
			int64_t x = (int64_t)v % patch[2] + origin[2], at = (z * shape[1] + y) * shape[2] + x;
			if (z < 0 || y < 0 || x < 0 || z >= shape[0] || y >= shape[1] || x >= shape[2])
				continue;
			times[at]++;
			sum[at] += weight[v];
		}
	}
}

static void places(int grid, const struct windows *w, const int64_t shape[3], const int64_t patch[3], double step)
{
	for (int a = 0; a < 3; a++) {
		int64_t room = shape[a] - patch[a], last = room, n[3] = { w->count[0], w->count[1], w->count[2] };
		int64_t stride = a == 0 ? n[1] * n[2] : a == 1 ? n[2] : 1;
		for (int64_t i = 0; i < n[a]; i++) {
			int64_t origin[3], at;
			windows_at(origin, w, (int)(i * stride));
			at = origin[a];
			if (room < 0)
				check(n[a] == 1 && at <= 0 && at >= room, grid, "a small image is not inside its window");
			else
				check(at >= 0 && at <= room, grid, "a window leaves the image");
			if (i)
				check(at >= last && (double)(at - last) < step * (double)patch[a] + 1, grid, "neighbours are too far apart");
			else
				check(room < 0 || at == 0, grid, "the first window is not at the beginning");
			last = at;
		}
		check(room < 0 || last == room, grid, "the last window is not at the end");
	}
}

/* All corners, malloc'ed. */
static int64_t (*corners(const struct windows *w))[3]
{
	int64_t (*origin)[3] = xmalloc((size_t)w->n, sizeof *origin);

	for (int i = 0; i < w->n; i++)
		windows_at(origin[i], w, i);
	return origin;
}

static int by_place(const void *a, const void *b) { return memcmp(a, b, 3 * sizeof(int64_t)); }

/* Sorted by one axis: ascending or descending there, and the same windows. */
static void orders(int grid, struct windows *w, const int64_t shape[3], const int64_t patch[3], double step, bool slices)
{
	int64_t (*all)[3] = corners(w), (*sorted)[3];
	struct windows s;

	qsort(all, (size_t)w->n, sizeof *all, by_place);
	for (int way = 0; way < 6; way++) {
		int axis = way / 2;
		if (!windows_make(&s, shape, patch, step, slices))
			die_failed();
		windows_sort(&s, axis, way & 1);
		sorted = corners(&s);
		for (int i = 1; i < s.n; i++)
			check(way & 1 ? sorted[i][axis] <= sorted[i - 1][axis] : sorted[i][axis] >= sorted[i - 1][axis], grid, "not sorted");
		qsort(sorted, (size_t)s.n, sizeof *sorted, by_place);
		check(s.n == w->n && !memcmp(sorted, all, (size_t)s.n * sizeof *all), grid, "sorting lost windows");
		windows_free(&s);
		free(sorted);
	}
	free(all);
}

int main(void)
{
	int small = 0, many = 0;

	for (int grid = 0; grid < GRIDS; grid++) {
		bool slices = pick(4) == 0, uncovered = false, weightless = false;
		int64_t shape[3], patch[3];
		double step = (4 + pick(17)) / 20.0;
		struct windows w;
		for (int a = 0; a < 3; a++) {
			patch[a] = slices && a == 0 ? 1 : 1 + pick(24);
			shape[a] = 1 + pick(40);
			small += shape[a] < patch[a];
		}
		float *weight = xmalloc(voxels(patch), sizeof *weight), *sum = xmalloc(voxels(shape), sizeof *sum);
		int *times = xmalloc(voxels(shape), sizeof *times);
		windows_weight(weight, patch, grid % 5 > 0);
		for (size_t v = 0; v < voxels(patch); v++)
			check(weight[v] > 0 && weight[v] <= 10, grid, "a weight is not from above 0 to 10");
		if (!windows_make(&w, shape, patch, step, slices))
			die_failed();
		check(w.n == w.count[0] * w.count[1] * w.count[2] && w.n > 0 && (!slices || w.count[0] == shape[0]), grid, "number of windows");
		if (w.n < 300) {
			cover(times, sum, shape, &w, patch, weight);
			for (size_t v = 0; v < voxels(shape); v++) {
				uncovered |= times[v] < 1;
				weightless |= !(sum[v] > 0);
			}
			check(!uncovered, grid, "a voxel that no window covers");
			check(!weightless, grid, "a voxel without weight");
			many += w.n > 8;
		}
		places(grid, &w, shape, patch, step);
		orders(grid, &w, shape, patch, step, slices);
		windows_free(&w);
		free(weight);
		free(sum);
		free(times);
	}
	if (small < 100 || many < 50) {
		printf("too few cases: %d axes smaller than the patch, %d grids of many windows\n", small, many);
		failures++;
	}
	return failures > 0;
}
