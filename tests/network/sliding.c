/* The sliding window of each backend, against sums written down plainly: windows, mirrors, weights, padding, planes that
 * leave early along any axis, half-precision rounding; and its bytes for any number of threads.  The plugin for CUDA on its imitation
 * too, which takes the mean of mirrors before the head and so rounds now and then another way. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/plugin.h"
#include "filters/infer-checkpoint/windows.h"
#include "tests/network/parameters.h"

static int failures;

static void check(bool ok, const char *what, const char *backend)
{
	if (ok)
		return;
	printf("%s: %s\n", backend, what);
	failures++;
}

static float noise(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (float)(int)(*state >> 8) / (1 << 23) - 1;
}

/* Two stages with an in-plane stride, one input, two outputs. */
static const struct architecture architecture = {
	.class = UNET_PLAIN, .dims = 3, .n_stages = 2, .features = { 3, 4 }, .kernel = { { 1, 3, 3 }, { 3, 3, 3 } },
	.stride = { { 1, 1, 1 }, { 1, 2, 2 } }, .n_conv_encoder = { 1, 1 }, .n_conv_decoder = { 1 }, .conv_bias = true,
	.norm = NORM_INSTANCE, .eps = 1e-5, .slope = 0.01
};
static const int64_t patch[3] = { 3, 8, 6 };
enum { VOXELS = 3 * 8 * 6, MAX_PLANES = 9 };

struct setting {
	const struct backend *backend;
	const struct network *n;
	const float *weights;
	float *image;
	int64_t shape[3];
	bool parity, exact;      /* exact: with parity the bytes of the contract */
};

static int64_t index_in(const int64_t shape[3], int64_t z, int64_t y, int64_t x) { return (z * shape[1] + y) * shape[2] + x; }

/* Contract 5.5, word by word, through the backend's own forward pass. out: [2][shape]. */
static void expected(float *out, const struct setting *s, const struct windows *w)
{
	struct backend_options o = { .threads = 1, .n_members = 1, .precision = PRECISION_FP32 };
	void *b = s->backend->open(s->n, &o);
	int64_t count = s->shape[0] * s->shape[1] * s->shape[2];
	float *total = xcalloc((size_t)count, sizeof *total), weight[VOXELS], in[VOXELS], result[2 * VOXELS], mean[2 * VOXELS];
	unsigned mirror[8];
	int mirrors = windows_mirrors(mirror, (int[3]){ 0, 1, 2 }, 3);

	windows_weight(weight, patch, true);
	memset(out, 0, 2 * (size_t)count * sizeof *out);
	s->backend->load(b, 0, split(s->n, s->weights));
	for (int i = 0; i < w->n; i++) {
		int64_t at[3];
		windows_at(at, w, i);
		for (int m = 0; m < mirrors; m++) {
			for (int v = 0; v < VOXELS; v++) {
				int64_t p[3] = { v / 48, v / 6 % 8, v % 6 };
				bool in_image = true;
				for (int a = 0; a < 3; a++) {
					p[a] = at[a] + (mirror[m] >> a & 1 ? patch[a] - 1 - p[a] : p[a]);
					in_image &= p[a] >= 0 && p[a] < s->shape[a];
				}
				in[v] = in_image ? s->image[index_in(s->shape, p[0], p[1], p[2])] : 0;
			}
			s->backend->forward(b, 0, result, in);
			for (int v = 0; v < 2 * VOXELS; v++) {
				int64_t p[3] = { v % VOXELS / 48, v / 6 % 8, v % 6 };
				for (int a = 0; a < 3; a++)
					p[a] = mirror[m] >> a & 1 ? patch[a] - 1 - p[a] : p[a];
				float r = result[v / VOXELS * VOXELS + index_in(patch, p[0], p[1], p[2])];
				mean[v] = m ? mean[v] + r : r;
			}
		}
		for (int v = 0; v < 2 * VOXELS; v++) {
			int64_t p[3] = { at[0] + v % VOXELS / 48, at[1] + v / 6 % 8, at[2] + v % 6 }, k;
			if (p[0] < 0 || p[1] < 0 || p[2] < 0 || p[0] >= s->shape[0] || p[1] >= s->shape[1] || p[2] >= s->shape[2])
				continue;
			k = index_in(s->shape, p[0], p[1], p[2]);
			float *sum = &out[v / VOXELS * count + k];
			*sum += mean[v] / (float)mirrors * weight[v % VOXELS];
			if (v < VOXELS)
				total[k] += weight[v];
			if (s->parity) {
				*sum = half_round(*sum);
				total[k] = half_round(total[k]);
			}
		}
	}
	for (int64_t k = 0; k < 2 * count; k++)
		out[k] = s->parity ? half_round(out[k] / total[k % count]) : out[k] / total[k % count];
	s->backend->close(b);
	free(total);
}

/* The same through begin, windows, take: what no later window touches leaves at once, whole planes or rows of them. */
static bool slide(float *out, const struct setting *s, struct windows *w, int axis, int threads)
{
	struct backend_options o = { .threads = threads, .n_members = 1, .gaussian = true, .parity = s->parity,
	                             .n_mirror = 3, .mirror_axis = { 0, 1, 2 }, .precision = PRECISION_FP32 };
	int culprit = -1, across = axis == 0 ? 1 : 0;
	float *plane[MAX_PLANES];
	struct backend_case c = { .plane = plane, .shape = { s->shape[0], s->shape[1], s->shape[2] }, .n_members = 1,
	                          .culprit = &culprit, .axis = axis, .depth = patch[axis], .rows = patch[axis] * s->shape[across] };
	void *b = s->backend->open(s->n, &o);
	int64_t count = s->shape[0] * s->shape[1] * s->shape[2], lo[3] = {0}, hi[3] = { s->shape[0], s->shape[1], s->shape[2] };
	struct backend_window window;
	float *box = xmalloc(2 * (size_t)count, sizeof *box);
	bool ok;

	for (int64_t z = 0; z < s->shape[0]; z++)
		plane[z] = s->image + z * s->shape[1] * s->shape[2];
	if (c.depth > s->shape[axis])
		c.depth = s->shape[axis];
	ok = s->backend->load(b, 0, split(s->n, s->weights)) && (window.stay = s->backend->begin(b, &c));
	windows_sort(w, axis, false);
	for (int i = 0; ok && i < w->n; i++) {
		int now[3], next[3];
		windows_at(window.origin, w, i);
		s->backend->windows(b, &window, 1);
		windows_index(now, w, i);
		windows_index(next, w, i + 1);
		if (i + 1 < w->n && next[0] == now[0] && next[1] == now[1])
			continue;
		lo[axis] = now[0] ? w->place[axis][now[0]] : 0;
		hi[axis] = now[0] + 1 < w->count[axis] ? w->place[axis][now[0] + 1] : s->shape[axis];
		lo[across] = now[1] ? w->place[across][now[1]] : 0;
		hi[across] = now[1] + 1 < w->count[across] ? w->place[across][now[1] + 1] : s->shape[across];
		ok = ok && s->backend->take(b, window.stay, box, lo, hi);
		float *p = box;
		for (int ch = 0; ok && ch < 2; ch++)
			for (int64_t z = lo[0]; z < hi[0]; z++)
				for (int64_t y = lo[1]; y < hi[1]; y++)
					for (int64_t x = lo[2]; x < hi[2]; x++)
						out[ch * count + index_in(s->shape, z, y, x)] = *p++;
	}
	check(ok == (culprit < 0), "who failed is not told", s->backend->name);
	s->backend->end(b, window.stay);
	s->backend->close(b);
	free(box);
	return ok;
}

/* Half-precision sums that differ by a unit in the last place where a value before was near the middle of two. */
static bool nearly(const float *a, const float *b, size_t n)
{
	size_t unequal = 0;
	float off = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		unequal += a[i] != b[i];
		off = fmaxf(off, fabsf(a[i] - b[i]));
		most = fmaxf(most, fabsf(b[i]));
	}
	return unequal <= n / 50 && off <= most * 0x1p-9f;
}

static void one_shape(struct setting *s)
{
	size_t count = (size_t)(s->shape[0] * s->shape[1] * s->shape[2]);
	float *want = xmalloc(2 * count, sizeof *want), *got = xmalloc(2 * count, sizeof *got);
	float *again = xmalloc(2 * count, sizeof *again), off = 0;
	struct windows w;

	if (!windows_make(&w, s->shape, patch, 0.5, false))
		die_failed();
	expected(want, s, &w);
	for (int axis = 0; axis < (s->parity ? 1 : 3); axis++) {
		windows_free(&w);
		if (!windows_make(&w, s->shape, patch, 0.5, false))
			die_failed();
		if (!slide(got, s, &w, axis, 1) || !slide(again, s, &w, axis, 3))
			die_failed();
		for (size_t i = 0; i < 2 * count; i++)
			off = fmaxf(off, fabsf(got[i] - want[i]));
		check(!memcmp(got, again, 2 * count * sizeof *got), "1 and 3 threads differ", s->backend->name);
	}
	check(!s->parity ? off < 1e-5f : s->exact ? !memcmp(want, got, 2 * count * sizeof *got) : nearly(want, got, 2 * count),
	      "the sums are not those of the contract", s->backend->name);
	windows_free(&w);
	free(want);
	free(got);
	free(again);
}

static void finite(struct setting *s, float *image)
{
	struct windows w;
	float *out = xmalloc((size_t)(2 * s->shape[0] * s->shape[1] * s->shape[2]), sizeof *out), kept = image[0];

	if (!windows_make(&w, s->shape, patch, 0.5, false))
		die_failed();
	image[0] = NAN;
	check(!slide(out, s, &w, 0, 2) && strstr(failed_text(), "window at z 0, y 0, x 0 "), "NaN in a window is not named",
	      s->backend->name);
	image[0] = kept;
	windows_free(&w);
	free(out);
}

/* The i-th corner on an axis. */
static int64_t at(const struct windows *w, int i, int axis)
{
	int64_t origin[3];

	windows_at(origin, w, i);
	return origin[axis];
}

static void positions(void)
{
	const int64_t tiles[3] = { 64, 128, 6 };
	struct windows w;
	unsigned subset[8];
	float weight[64 * 64];

	if (!windows_make(&w, (int64_t[3]){ 110, 300, 3 }, tiles, 0.5, false))
		die_failed();
	check(w.n == 12 && at(&w, 4, 0) == 23 && at(&w, 8, 0) == 46 && at(&w, 1, 1) == 57 && at(&w, 2, 1) == 115 &&
	      at(&w, 3, 1) == 172 && at(&w, 0, 2) == -1, "positions are not those of contract 5.3", "windows");
	windows_free(&w);
	if (!windows_make(&w, (int64_t[3]){ 5, 64, 64 }, (int64_t[3]){ 1, 64, 64 }, 0.5, true))
		die_failed();
	check(w.n == 5 && at(&w, 4, 0) == 4, "slices are not done one by one", "windows");
	windows_free(&w);
	check(windows_mirrors(subset, (int[3]){ 0, 1, 2 }, 3) == 8 && subset[0] == 0 && subset[1] == 1 && subset[3] == 4 &&
	      subset[4] == 3 && subset[5] == 5 && subset[6] == 6 && subset[7] == 7, "mirrors are out of order", "windows");
	windows_weight(weight, (int64_t[3]){ 1, 64, 64 }, true);
	float least = INFINITY;
	for (int i = 0; i < 64 * 64; i++)
		least = fminf(least, weight[i]);
	check(weight[32 * 64 + 32] == 10 && fabsf(least - 1.13e-6f) < 1e-8f, "weights are not those of contract appendix B", "windows");
}

int main(void)
{
	static const int64_t shapes[4][3] = { { 3, 8, 6 }, { 7, 11, 13 }, { 2, 20, 5 }, { 9, 8, 17 } };
	struct network n;
	float *weights, *image = xmalloc(9 * 20 * 17, sizeof *image);
	char *plugin = xasprintf("%s/imitated.so", getenv("BUILD"));
	unsigned seed = 5;

	positions();
	if (!network_build(&n, &architecture, 1, 2, patch))
		die_failed();
	weights = xmalloc(n.n_weights, sizeof *weights);
	for (size_t i = 0; i < n.n_weights; i++)
		weights[i] = noise(&seed);
	for (int i = 0; i < 9 * 20 * 17; i++)
		image[i] = 3 * noise(&seed);
	setenv("QUALM_CUDA_PLUGIN", plugin, 1);
	for (int b = 0; b == 0 || backends[b - 1]; b++)
		for (int i = 0; i < 8; i++) {
			struct setting s = { backends[b], &n, weights, image, { shapes[i / 2][0], shapes[i / 2][1], shapes[i / 2][2] }, i % 2, true };
#ifdef __SANITIZE_ADDRESS__
			const bool patient = false;
#else
			const bool patient = i >= 2 && i <= 4;
#endif
			if (!s.backend && !patient)             /* the plugin's kernels are emulated, which takes long */
				continue;
			if (!s.backend) {
				s.backend = plugin_backend();
				s.exact = false;
			}
			if (!s.backend)
				die_failed();
			one_shape(&s);
			finite(&s, image);
		}
	free(plugin);
	network_free(&n);
	free(weights);
	free(image);
	return failures > 0;
}
