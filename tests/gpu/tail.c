/* The end of a network on the device (head, mean over mirrors, sums of windows, what is taken from them) against plain loops. */
#include "tests/gpu/tensors.h"

static const enum precision precisions[] = { PRECISION_FP16, PRECISION_BF16, PRECISION_FP32 };
enum { MOST_WINDOWS = 6, CASES = 2 };

struct job {
	enum precision p;
	int outputs, c, windows, mirrors;
	int64_t patch[3];
	bool head, own, shared, parity;
	bool whole;              /* small whole numbers, of which fp32 makes no rounding errors: sums must be right to the bit */
	float slope;
	/* what follows is made */
	size_t voxels;           /* of the patch */
	float *x, *affine, *weights, *bias, *weight;
	struct tail tail;
	struct tile *tile;
	struct target target[MOST_WINDOWS];
};

/* A case: its sums before, after, and as they should be, the last channel that of weights. */
struct stay {
	int64_t shape[3], ring[3];
	size_t size;             /* of the ring */
	float *before, *after, *other;
	double *want;
	void *sum, *weights;     /* on the device */
};

static struct stay stays[CASES];

static void stay_make(struct stay *s, const int64_t shape[3], const int64_t ring[3], int outputs, bool whole)
{
	size_t n;

	memcpy(s->shape, shape, sizeof s->shape);
	memcpy(s->ring, ring, sizeof s->ring);
	s->size = (size_t)(ring[0] * ring[1] * ring[2]);
	n = s->size * ((size_t)outputs + 1);
	s->before = numbers(PRECISION_FP16, n, 0, 1);
	for (size_t i = 0; whole && i < n; i++)
		s->before[i] = (float)any(100);
	s->after = xmalloc(n, sizeof *s->after);
	s->other = xmalloc(n, sizeof *s->other);
	s->want = xmalloc(n, sizeof *s->want);
	for (size_t i = 0; i < n; i++)
		s->want[i] = (double)s->before[i];
}

static void stay_up(struct stay *s, int outputs)
{
	s->sum = up(s->before, s->size * (size_t)outputs * sizeof(float));
	s->weights = up(s->before + s->size * (size_t)outputs, s->size * sizeof(float));
}

static void stay_down(float *to, struct stay *s, int outputs)
{
	down(to, s->sum, s->size * (size_t)outputs * sizeof(float));
	down(to + s->size * (size_t)outputs, s->weights, s->size * sizeof(float));
	let_go(s->sum);
	let_go(s->weights);
}

static void stay_free(struct stay *s)
{
	free(s->before);
	free(s->after);
	free(s->other);
	free(s->want);
}

static float small_number(const struct job *j) { return j->whole ? (float)((int)any(9) - 4) : stored(j->p, normal()); }

static void job_make(struct job *j)
{
	size_t images = (size_t)(j->windows * j->mirrors), c = (size_t)j->c, n, pairs = (j->shared ? 1 : images) * c * 2;

	snprintf(about, sizeof about, "tail %s, %d outputs%s, %d channels, %d windows of %lldx%lldx%lld in %d mirrors%s%s%s", precision_name[j->p],
	         j->outputs, j->head ? "" : " without head", j->c, j->windows, (long long)j->patch[0], (long long)j->patch[1],
	         (long long)j->patch[2], j->mirrors, j->own ? "" : j->shared ? ", one affine" : ", no affine", j->parity ? ", parity" : "",
	         j->whole ? ", whole numbers" : "");
	j->voxels = (size_t)(j->patch[0] * j->patch[1] * j->patch[2]);
	n = images * j->voxels * c;
	j->x = xmalloc(n, sizeof(float));
	j->affine = xmalloc(pairs, sizeof(float));
	j->weights = xmalloc((size_t)j->outputs * c, sizeof(float));
	j->bias = xmalloc((size_t)j->outputs, sizeof(float));
	j->weight = xmalloc(j->voxels, sizeof(float));
	for (size_t i = 0; i < n; i++)
		j->x[i] = small_number(j);
	for (size_t i = 0; i < pairs; i++)
		j->affine[i] = small_number(j);
	for (size_t i = 0; i < (size_t)j->outputs * c; i++)
		j->weights[i] = small_number(j);
	for (int i = 0; i < j->outputs; i++)
		j->bias[i] = small_number(j);
	for (size_t i = 0; i < j->voxels; i++)
		j->weight[i] = j->whole ? (float)(1 + any(40)) / 8 : 0.1f + fabsf(normal());
	j->tile = xcalloc(images, sizeof *j->tile);
	for (size_t i = 0; i < images; i++)
		j->tile[i].mirror = j->mirrors == 1 ? 5 : (uint32_t)i % (uint32_t)j->mirrors;
	j->tail = (struct tail){
		.x = up_as(j->p, j->x, n), .affine = j->own || j->shared ? up(j->affine, pairs * sizeof(float)) : NULL, .shared = j->shared,
		.slope = j->slope, .head = j->head ? up(j->weights, (size_t)j->outputs * c * sizeof(float)) : NULL,
		.bias = j->head ? up(j->bias, (size_t)j->outputs * sizeof(float)) : NULL, .outputs = j->outputs,
		.weight = up(j->weight, j->voxels * sizeof(float)), .parity = j->parity
	};
}

static void job_free(struct job *j)
{
	const void *given[] = { j->tail.x, j->tail.affine, j->tail.head, j->tail.bias, j->tail.weight };

	for (int i = 0; i < 5; i++)
		if (given[i])
			let_go((void *)(uintptr_t)given[i]);
	free(j->x);
	free(j->affine);
	free(j->weights);
	free(j->bias);
	free(j->weight);
	free(j->tile);
}

/* Of output k at a voxel of a window: the mean over mirrors. */
static double logit(const struct job *j, int window, const int64_t at[3], int k)
{
	double sum = 0;

	for (int m = 0; m < j->mirrors; m++) {
		size_t image = (size_t)(window * j->mirrors + m), place = 0;
		const float *x;
		for (int a = 0; a < 3; a++)
			place = place * (size_t)j->patch[a] + (size_t)(j->tile[image].mirror >> a & 1 ? j->patch[a] - 1 - at[a] : at[a]);
		x = j->x + (image * j->voxels + place) * (size_t)j->c;
		for (int c = j->head ? 0 : k; c < (j->head ? j->c : k + 1); c++) {
			const float *a = j->affine + ((j->shared ? 0 : image * (size_t)j->c) + (size_t)c) * 2;
			double v = j->own || j->shared ? (double)x[c] * (double)a[0] + (double)a[1] : (double)x[c];
			v = v < 0 ? v * (double)j->slope : v;
			sum += j->head ? v * (double)j->weights[(size_t)k * (size_t)j->c + (size_t)c] : v;
		}
	}
	return sum / j->mirrors + (j->head ? (double)j->bias[k] : 0);
}

/* Window w to the sums wanted of case s. */
static void want_window(const struct job *j, int w, struct stay *s)
{
	const struct target *t = &j->target[w];

	for (int64_t z = 0; z < j->patch[0]; z++)
		for (int64_t y = 0; y < j->patch[1]; y++)
			for (int64_t x = 0; x < j->patch[2]; x++) {
				int64_t in[3] = { z, y, x }, at = 0;
				double weight = (double)j->weight[(z * j->patch[1] + y) * j->patch[2] + x];
				bool inside = true;
				for (int a = 0; a < 3; a++) {
					int64_t p = t->origin[a] + in[a];
					inside &= p >= 0 && p < s->shape[a];
					at = at * s->ring[a] + (inside ? p % s->ring[a] : 0);
				}
				for (int k = 0; inside && k < j->outputs + (t->weights ? 1 : 0); k++) {
					double *sum = &s->want[(size_t)k * s->size + (size_t)at];
					*sum += (k < j->outputs ? logit(j, w, in, k) : 1) * weight;
					if (j->parity)
						*sum = (double)half_round((float)*sum);
				}
			}
}

/* All windows in one launch, or each in one of its own; the sums of all cases to after, or other. */
static void run(struct job *j, bool one_by_one, bool second)
{
	size_t images = (size_t)(j->windows * j->mirrors);
	void *tiles, *targets;

	for (int s = 0; s < CASES; s++)
		stay_up(&stays[s], j->outputs);
	for (int w = 0; w < j->windows; w++)
		if (j->target[w].sum) {
			struct stay *s = &stays[j->target[w].shape[0] == stays[1].shape[0]];
			j->target[w].sum = s->sum;
			j->target[w].weights = j->target[w].weights ? s->weights : NULL;
		}
	tiles = up(j->tile, images * sizeof *j->tile);
	targets = up(j->target, (size_t)j->windows * sizeof *j->target);
	for (int w = 0; w < (one_by_one ? j->windows : 1); w++) {
		struct tail t = j->tail;
		size_t first = (size_t)w * (size_t)j->mirrors;
		t.x = (const char *)t.x + first * j->voxels * (size_t)j->c * element(j->p);
		if (t.affine && !t.shared)
			t.affine += first * (size_t)j->c * 2;
		taken(kernel_tail(j->p, &t, (struct tile *)tiles + first, (struct target *)targets + w, one_by_one ? 1 : j->windows, j->mirrors,
		                  j->patch, j->c, stream()));
	}
	for (int s = 0; s < CASES; s++)
		stay_down(second ? stays[s].other : stays[s].after, &stays[s], j->outputs);
	let_go(tiles);
	let_go(targets);
}

static void compare(const struct job *j, const char *what)
{
	bool same = true;

	for (int s = 0; s < CASES; s++)
		same &= !memcmp(stays[s].after, stays[s].other, stays[s].size * ((size_t)j->outputs + 1) * sizeof(float));
	check(same, what);
}

/* Windows of two cases, some of which overlap or reach outside; one is none. */
static void tail(struct job *j)
{
	int64_t shape[CASES][3], ring[CASES][3];
	double worst = 0;

	for (int s = 0; s < CASES; s++)
		for (int a = 0; a < 3; a++) {
			bool axis = a == (j->outputs + s) % 3;
			shape[s][a] = j->patch[a] + (axis ? 9 : 2) + s;
			ring[s][a] = axis ? j->patch[a] + 2 : shape[s][a];      /* as many planes as windows touch */
		}
	job_make(j);
	for (int s = 0; s < CASES; s++)
		stay_make(&stays[s], shape[s], ring[s], j->outputs, j->whole);
	for (int w = 0; w < j->windows; w++) {
		struct stay *s = &stays[w % 3 == 2];
		struct target *t = &j->target[w];
		*t = (struct target){ .sum = s->before, .weights = w % 5 == 3 ? NULL : s->before };
		memcpy(t->shape, s->shape, sizeof t->shape);
		memcpy(t->ring, s->ring, sizeof t->ring);
		for (int a = 0; a < 3; a++)
			t->origin[a] = (s->ring[a] < s->shape[a] ? s->shape[a] - s->ring[a] : 0) + (int)any(4) - (s->ring[a] < s->shape[a] ? 0 : 1);
		if (w == 4)
			t->sum = NULL;
		else
			want_window(j, w, s);
	}
	run(j, false, false);
	for (int s = 0; s < CASES; s++)
		for (size_t i = 0; i < stays[s].size * ((size_t)j->outputs + 1); i++) {
			double e = fabs((double)stays[s].after[i] - stays[s].want[i]) / (10 + fabs(stays[s].want[i]));
			worst = isfinite(e) ? fmax(worst, e) : INFINITY;
		}
	/* fp32 sums of c products of a few units each; with parity one more rounding to half */
	check(worst <= (j->whole ? 0 : j->parity ? ldexp(1, -10) : 2e-7 * sqrt(j->c) * 4), "sums differ");
	turn_round(true);
	run(j, false, true);
	compare(j, "another order of blocks gives other bytes");
	turn_round(false);
	run(j, true, true);
	compare(j, "one window after the other gives other bytes");
	for (int s = 0; s < CASES; s++)
		stay_free(&stays[s]);
	job_free(j);
}

static void all_tails(void)
{
	static const int outputs[] = { 2, 3, 17, 130, 1 }, mirrors[] = { 1, 2, 4, 8, 4 };
	static const int64_t patch[][3] = { { 3, 5, 7 }, { 1, 11, 9 }, { 2, 4, 6 }, { 3, 3, 3 }, { 1, 1, 1 } };

	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 5; k++) {
			struct job j = { .p = precisions[i], .outputs = outputs[k], .c = k == 2 ? 40 : 32, .windows = MOST_WINDOWS, .mirrors = mirrors[k],
			                 .head = true, .own = k != 1, .shared = k == 1, .parity = k == 2, .slope = 0.01f };
			memcpy(j.patch, patch[k], sizeof j.patch);
			tail(&j);
			j.whole = j.parity = true;
			j.slope = 0.5f;
			tail(&j);
		}
		tail(&(struct job){ .p = precisions[i], .outputs = 3, .c = 8, .windows = 2, .mirrors = 8, .patch = { 9, 9, 9 }, .own = true, .slope = 0.01f });
		tail(&(struct job){ .p = precisions[i], .outputs = 9, .c = 16, .windows = 3, .mirrors = 1, .patch = { 1, 7, 5 }, .slope = 1 });
		tail(&(struct job){ .p = precisions[i], .outputs = 21, .c = 320, .windows = 1, .mirrors = 2, .patch = { 2, 3, 5 }, .head = true, .own = true });
		tail(&(struct job){ .p = precisions[i], .outputs = 5, .c = 2056, .windows = 1, .mirrors = 1, .patch = { 1, 3, 2 }, .head = true,
		                    .shared = true, .slope = 0.01f });
		tail(&(struct job){ .p = precisions[i], .outputs = 700, .c = 64, .windows = 1, .mirrors = 1, .patch = { 1, 3, 2 }, .head = true });
	}
}

/* A sum that is not finite is told to the window that made it so, and to those after it, not to others. */
static void odd(bool parity)
{
	struct job j = { .p = PRECISION_FP32, .outputs = 3, .c = 8, .windows = 4, .mirrors = 2, .patch = { 1, 4, 4 }, .slope = 1, .parity = parity };
	int64_t shape[CASES][3] = { { 3, 8, 8 }, { 5, 8, 8 } };
	int bad[MOST_WINDOWS] = { 0 };
	void *flags = up(bad, sizeof bad);

	job_make(&j);
	snprintf(about, sizeof about, "tail with odd values%s", parity ? ", parity" : "");
	for (int s = 0; s < CASES; s++)
		stay_make(&stays[s], shape[s], shape[s], j.outputs, false);
	for (int w = 0; w < j.windows; w++) {
		struct stay *s = &stays[w == 3];
		j.target[w] = (struct target){ .sum = s->before, .weights = s->before, .bad = (int *)flags + w };
		memcpy(j.target[w].shape, s->shape, sizeof s->shape);
		memcpy(j.target[w].ring, s->ring, sizeof s->ring);
		j.target[w].origin[1] = w == 1 ? 4 : 0;
	}
	/* Window 2 lies upon 0; window 1 beside it; what window 0 has outside of its channels does not count. */
	let_go((void *)(uintptr_t)j.tail.x);
	j.x[((size_t)0 * 16 + 3) * 8 + 2] = parity ? 1e7f : INFINITY;
	j.x[((size_t)2 * 16 + 3) * 8 + 3] = NAN;
	j.tail.x = up_as(j.p, j.x, 8 * 16 * 8);
	run(&j, false, false);
	down(bad, flags, sizeof bad);
	check(bad[0], "the window is not told");
	check(bad[2], "the next window on the same voxel is not told");
	check(!bad[1] && !bad[3], "another window is told");
	for (int s = 0; s < CASES; s++)
		stay_free(&stays[s]);
	job_free(&j);
	let_go(flags);
}

static void take(int outputs, int terms, bool parity, const int64_t ring[3], const int64_t lo[3], const int64_t hi[3])
{
	size_t n = (size_t)(ring[0] * ring[1] * ring[2]), box = 1, n_out;
	float *sum = numbers(PRECISION_FP32, n * (size_t)outputs, 0, 3), *weights = numbers(PRECISION_FP32, n, 0, 1), *out;
	float *after = xmalloc(n * (size_t)outputs, sizeof *after), *weights_after = xmalloc(n, sizeof *weights_after);
	bool *taken_away = xcalloc(n, sizeof *taken_away), right = true, zero = true, kept = true;
	void *d_sum = up(sum, n * (size_t)outputs * sizeof *sum), *d_weights, *d_out;

	snprintf(about, sizeof about, "take %d outputs, %d terms, box from %lld %lld %lld%s", outputs, terms, (long long)lo[0], (long long)lo[1],
	         (long long)lo[2], parity ? ", parity" : "");
	for (size_t i = 0; i < n; i++)
		weights[i] = fabsf(weights[i]) + 0.1f;
	d_weights = up(weights, n * sizeof *weights);
	for (int a = 0; a < 3; a++)
		box *= (size_t)(hi[a] - lo[a]);
	n_out = box * (size_t)outputs + 1;      /* one more, which stays as it is */
	out = constants(n_out, UNTOUCHED);
	d_out = up(out, n_out * sizeof *out);
	taken(kernel_take(d_out, d_sum, d_weights, outputs, ring, lo, hi, terms, parity, stream()));
	down(out, d_out, n_out * sizeof *out);
	down(after, d_sum, n * (size_t)outputs * sizeof *after);
	down(weights_after, d_weights, n * sizeof *weights_after);
	for (size_t i = 0, o = 0; o < n_out - 1; o++) {
		size_t in = o % box, at = 0, place[3] = { in / (size_t)(hi[2] - lo[2]) / (size_t)(hi[1] - lo[1]),
		                                         in / (size_t)(hi[2] - lo[2]) % (size_t)(hi[1] - lo[1]), in % (size_t)(hi[2] - lo[2]) };
		float want;
		for (int a = 0; a < 3; a++)
			at = at * (size_t)ring[a] + (size_t)((lo[a] + (int64_t)place[a]) % ring[a]);
		i = o / box * n + at;
		taken_away[at] = true;
		want = sum[i] / (weights[at] * (float)terms);
		right &= out[o] == (parity ? half_round(want) : want);
		zero &= after[i] == 0 && weights_after[at] == 0;
	}
	for (size_t i = 0; i < n * (size_t)outputs; i++)
		kept &= taken_away[i % n] || (after[i] == sum[i] && weights_after[i % n] == weights[i % n]);
	check(right, "quotients differ");
	check(zero, "what was taken is not 0");
	check(kept && out[n_out - 1] == UNTOUCHED, "something else has changed");
	let_go(d_sum);
	let_go(d_weights);
	let_go(d_out);
	free(sum);
	free(weights);
	free(out);
	free(after);
	free(weights_after);
	free(taken_away);
}

static void all_takes(void)
{
	static const int64_t ring[][3] = { { 6, 9, 7 }, { 20, 5, 7 }, { 20, 9, 3 }, { 20, 9, 7 } };
	static const int64_t lo[][3] = { { 10, 0, 0 }, { 0, 4, 0 }, { 0, 0, 5 }, { 0, 0, 0 } };
	static const int64_t hi[][3] = { { 15, 9, 7 }, { 20, 8, 7 }, { 20, 9, 7 }, { 20, 9, 7 } };

	for (int i = 0; i < 4; i++) {
		take(3, 1, false, ring[i], lo[i], hi[i]);
		take(130, 5, i % 2, ring[i], lo[i], hi[i]);
		take(1, 3, true, ring[i], lo[i], lo[i]);
	}
}

int main(void)
{
	open_device();
	all_tails();
	odd(false);
	odd(true);
	all_takes();
	close_device();
	printf("%d checks, %d failed\n", checks, failures);
	return failures > 0;
}
