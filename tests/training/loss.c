/* Losses, their derivatives and the counts of validation against the formulas written out in double: classes and regions, with
 * and without an ignore label and batch Dice, pieces of any length, any number of threads, every instruction set. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/random.h"
#include "filters/train-checkpoints/lanes.h"
#include "filters/train-checkpoints/loss.h"

enum { BATCH = 2, IGNORE = 4, OUTPUTS = 3 };

static int failures;

static void check(bool ok, const char *what, const char *of)
{
	if (ok)
		return;
	printf("%s: %s\n", of, what);
	failures++;
}

/* Labels 0..3: background, 1, 2 and for classes nothing else; regions are {1, 2, 3}, {2} and {3, 1}. */
static struct labels *make_labels(bool regions, bool ignore)
{
	static int one[4] = { 0, 1, 2, 3 }, whole[3] = { 1, 2, 3 }, mixed[2] = { 3, 1 };
	static struct label class[3] = { { .n = 1, .value = one }, { .n = 1, .value = one + 1 }, { .n = 1, .value = one + 2 } };
	static struct label region[4] = { { .n = 1, .value = one }, { .n = 3, .value = whole }, { .n = 1, .value = one + 2 },
	                                  { .n = 2, .value = mixed } };
	static int foreground[2] = { 1, 2 };
	static struct labels l;

	l = (struct labels){ .n = regions ? 4 : 3, .entry = regions ? region : class, .ignore = ignore ? IGNORE : -1,
	                     .has_regions = regions, .n_outputs = OUTPUTS, .n_foreground = 2, .foreground = foreground,
	                     .max_value = regions ? 3 : 2 };
	return &l;
}

/* Only the heads' sizes count here. */
static void make_network(struct network *n, const int64_t patch[3], int stages)
{
	struct architecture a = { .class = UNET_PLAIN, .dims = patch[0] > 1 ? 3 : 2, .n_stages = stages, .slope = 0.01 };

	for (int s = 0; s < stages; s++) {
		a.features[s] = a.n_conv_encoder[s] = a.n_conv_decoder[s] = 1;
		for (int i = 0; i < 3; i++) {
			a.kernel[s][i] = 1;
			a.stride[s][i] = s && (i || patch[0] > 1) ? 2 : 1;
		}
	}
	if (!network_build_training(n, &a, 1, OUTPUTS, patch))
		die_failed();
}

struct trial {
	const char *name;
	struct network n;
	struct labels *l;
	bool batch_dice;
	size_t voxels[MAX_STAGES];
	uint16_t *labels, *target[MAX_STAGES];
	float *logits[MAX_STAGES], *d_logits[MAX_STAGES];
};

static bool is_in(const struct trial *t, uint16_t value, int c)
{
	return t->l->has_regions ? label_has(labels_structure(t->l, c), value) : value == c;
}

/* ---- contract 8.2, in double and one voxel at a time ---- */

static void probabilities(double *p, const struct trial *t, int h, size_t b, size_t i)
{
	double sum = 0, most = -INFINITY;
	const float *l = t->logits[h] + b * OUTPUTS * t->voxels[h] + i;

	for (int c = 0; c < OUTPUTS; c++)
		most = fmax(most, (double)l[(size_t)c * t->voxels[h]]);
	for (int c = 0; c < OUTPUTS; c++) {
		double x = (double)l[(size_t)c * t->voxels[h]];
		sum += p[c] = t->l->has_regions ? 1 / (1 + exp(-x)) : exp(x - most);
	}
	for (int c = 0; c < OUTPUTS && !t->l->has_regions; c++)
		p[c] /= sum;
}

static double plain_head(const struct trial *t, int h)
{
	double tp[BATCH][OUTPUTS] = {{0}}, sum_p[BATCH][OUTPUTS] = {{0}}, sum_y[BATCH][OUTPUTS] = {{0}};
	double entropy = 0, dice = 0, p[OUTPUTS];
	size_t n = 0;
	int terms = 0;

	for (size_t b = 0; b < BATCH; b++)
		for (size_t i = 0; i < t->voxels[h]; i++) {
			uint16_t value = t->target[h][b * t->voxels[h] + i];
			size_t to = t->batch_dice ? 0 : b;
			if (value == t->l->ignore)
				continue;
			probabilities(p, t, h, b, i);
			n++;
			for (int c = 0; c < OUTPUTS; c++) {
				bool y = is_in(t, value, c);
				if (t->l->has_regions || y)
					entropy -= log(fmax(y ? p[c] : 1 - p[c], DBL_MIN));
				tp[to][c] += y ? p[c] : 0;
				sum_p[to][c] += p[c];
				sum_y[to][c] += y;
			}
		}
	for (int b = 0; b < (t->batch_dice ? 1 : BATCH); b++)
		for (int c = t->l->has_regions ? 0 : 1; c < OUTPUTS; c++, terms++)
			dice += (2 * tp[b][c] + 1e-5) / (sum_y[b][c] + sum_p[b][c] + 1e-5);
	if (t->l->has_regions && t->l->ignore < 0)
		n *= OUTPUTS;
	return (n ? entropy / (double)n : 0) - dice / terms;
}

static double plain_loss(const struct trial *t)
{
	double sum = 0;

	for (int h = 0; h < t->n.n_heads; h++)
		if (loss_weight(t->n.n_heads, h) > 0)
			sum += loss_weight(t->n.n_heads, h) * plain_head(t, h);
	return sum;
}

/* ---- */

static void trial_open(struct trial *t, const char *name, const int64_t patch[3], int stages, struct labels *l, bool batch_dice)
{
	*t = (struct trial){ .name = name, .l = l, .batch_dice = batch_dice };
	make_network(&t->n, patch, stages);
	for (int h = 0; h < t->n.n_heads; h++) {
		const int64_t *size = network_head_value(&t->n, h)->size;
		size_t n = t->voxels[h] = (size_t)(size[0] * size[1] * size[2]);
		t->target[h] = xmalloc(BATCH * n, sizeof(uint16_t));
		t->logits[h] = xmalloc(BATCH * OUTPUTS * n, sizeof(float));
		t->d_logits[h] = xcalloc(BATCH * OUTPUTS * n, sizeof(float));
		for (size_t i = 0; i < BATCH * OUTPUTS * n; i++)
			t->logits[h][i] = (float)(8 * random_unit(1, (uint64_t)h, i) - 4);
	}
	t->labels = t->target[0];
	for (size_t i = 0; i < BATCH * t->voxels[0]; i++) {
		uint16_t value = (uint16_t)(random_unit(2, 0, i) * (l->has_regions ? 4 : 3));
		t->labels[i] = l->ignore >= 0 && random_unit(2, 1, i) < 0.3 ? IGNORE : value;
	}
	for (int h = 1; h < t->n.n_heads; h++) {        /* every second, fourth ... voxel from the middle of its block on */
		const int64_t *size = network_head_value(&t->n, h)->size, *from = t->n.patch;
		uint16_t *to = t->target[h];
		for (int64_t b = 0; b < BATCH; b++)
			for (int64_t z = 0; z < size[0]; z++)
				for (int64_t y = 0; y < size[1]; y++)
					for (int64_t x = 0; x < size[2]; x++) {
						int64_t kz = from[0] / size[0], k = from[1] / size[1];
						int64_t plane = b * from[0] + z * kz + kz / 2, row = y * k + k / 2;
						*to++ = t->labels[(plane * from[1] + row) * from[2] + x * k + k / 2];
					}
	}
}

static void trial_close(struct trial *t)
{
	for (int h = 0; h < t->n.n_heads; h++) {
		free(t->target[h]);
		free(t->logits[h]);
		free(t->d_logits[h]);
	}
	network_free(&t->n);
}

static double call(struct trial *t, int threads)
{
	struct loss *s = loss_open(&t->n, t->l, BATCH, t->batch_dice, threads);
	double value, alone;

	if (!loss_targets(s, t->labels))
		die_failed();
	value = loss_value(s, (const float *const *)t->logits, t->d_logits);
	alone = loss_value(s, (const float *const *)t->logits, NULL);
	check(alone == value || (isnan(alone) && isnan(value)), "the value alone is another one", t->name);
	loss_close(s);
	return value;
}

/* Central differences of the plain loss at some 25 logits of each head. */
static void check_derivatives(struct trial *t)
{
	for (int h = 0; h < t->n.n_heads; h++) {
		size_t n = BATCH * OUTPUTS * t->voxels[h], every = n / 25 + 1;
		for (size_t i = 0; i < n; i += every) {
			float kept = t->logits[h][i], up = kept + 0x1p-10f, down = kept - 0x1p-10f;
			double slope;
			t->logits[h][i] = up;
			slope = plain_loss(t);
			t->logits[h][i] = down;
			slope = (slope - plain_loss(t)) / ((double)up - (double)down);
			t->logits[h][i] = kept;
			if (fabs(slope - (double)t->d_logits[h][i]) <= 1e-4 * fabs(slope) + 1e-6 / (double)t->voxels[h])
				continue;
			printf("%s: head %d, logit %zu: slope %.9g, derivative %.9g\n", t->name, h, i, slope,
			       (double)t->d_logits[h][i]);
			failures++;
			return;
		}
	}
}

static void check_threads(struct trial *t, double value)
{
	size_t bytes = BATCH * OUTPUTS * t->voxels[0] * sizeof(float);
	float *kept = xmalloc(bytes, 1);

	memcpy(kept, t->d_logits[0], bytes);
	check(call(t, 3) == value && !memcmp(kept, t->d_logits[0], bytes), "threads change the loss", t->name);
	free(kept);
}

/* Predictions of the finest head, counted one voxel at a time. */
static void check_counts(struct trial *t)
{
	struct loss *s = loss_open(&t->n, t->l, BATCH, t->batch_dice, 2);
	double got[3][OUTPUTS] = {{0}}, want[3][OUTPUTS] = {{0}};
	int first = t->l->has_regions ? 0 : 1;

	t->logits[0][t->voxels[0]] = t->logits[0][0] = 3;       /* the first class wins a tie */
	for (size_t b = 0; b < BATCH; b++)
		for (size_t i = 0; i < t->voxels[0]; i++) {
			const float *l = t->logits[0] + b * OUTPUTS * t->voxels[0] + i;
			uint16_t value = t->labels[b * t->voxels[0] + i];
			int best = 0;
			for (int c = 1; c < OUTPUTS; c++)
				best = l[(size_t)c * t->voxels[0]] > l[(size_t)best * t->voxels[0]] ? c : best;
			for (int c = first; c < OUTPUTS && value != t->l->ignore; c++) {
				bool p = t->l->has_regions ? l[(size_t)c * t->voxels[0]] > 0 : best == c, y = is_in(t, value, c);
				want[0][c - first] += p && y;
				want[1][c - first] += p && !y;
				want[2][c - first] += !p && y;
			}
		}
	if (!loss_targets(s, t->labels))
		die_failed();
	loss_count(s, t->logits[0], got[0], got[1], got[2]);
	check(!memcmp(got, want, sizeof got), "wrong counts", t->name);
	loss_count(s, t->logits[0], got[0], got[1], got[2]);
	check(got[0][0] == 2 * want[0][0], "counts are not added to", t->name);
	loss_close(s);
}

static void run(const char *name, const int64_t patch[3], int stages, bool regions, bool ignore, bool batch_dice)
{
	struct trial t;
	double value;

	trial_open(&t, name, patch, stages, make_labels(regions, ignore), batch_dice);
	value = call(&t, 1);
	if (!(fabs(value - plain_loss(&t)) <= 2e-6)) {
		printf("%s: loss %.9g instead of %.9g\n", name, value, plain_loss(&t));
		failures++;
	}
	check_derivatives(&t);
	check_threads(&t, value);
	check_counts(&t);
	trial_close(&t);
}

/* Nothing annotated: no entropy, Dice 1 of nothing, no derivative.  Large logits stay finite, a NaN does not hide. */
static void check_extremes(bool regions)
{
	struct trial t;
	double value;
	float most = 0;

	trial_open(&t, regions ? "extremes of regions" : "extremes of classes", (int64_t[3]){ 1, 8, 8 }, 3,
	           make_labels(regions, true), false);
	for (size_t i = 0; i < BATCH * OUTPUTS * 64; i++)
		t.logits[0][i] = i % 3 ? i % 3 == 1 ? 1e4f : -1e4f : 90;
	value = call(&t, 1);
	for (size_t i = 0; i < BATCH * OUTPUTS * 64; i++)
		check(isfinite(t.d_logits[0][i]), "a derivative of large logits is not finite", t.name);
	check(isfinite(value) && value > 100, "the loss of large logits", t.name);
	t.logits[0][70] = NAN;
	t.labels[70] = 0;
	check(isnan(call(&t, 1)), "a NaN is lost", t.name);
	t.logits[0][70] = 0;
	for (size_t i = 0; i < BATCH * 64; i++)
		t.labels[i] = IGNORE;
	value = call(&t, 1);
	for (size_t i = 0; i < BATCH * OUTPUTS * 64; i++)
		most = fmaxf(most, fabsf(t.d_logits[0][i]));
	check(fabs(value + 1) < 1e-6 && most == 0, "the loss without annotated voxels", t.name);
	trial_close(&t);
}

static void check_wrong_labels(bool regions)
{
	struct trial t;
	struct loss *s;

	trial_open(&t, "labels", (int64_t[3]){ 1, 8, 8 }, 3, make_labels(regions, false), false);
	s = loss_open(&t.n, t.l, BATCH, false, 1);
	check(loss_targets(s, t.labels), failed_text(), t.name);
	t.labels[100] = regions ? 4 : 3;
	check(!loss_targets(s, t.labels) && failed_code() == XDATA && strstr(failed_text(), regions ? "label 4" : "label 3"),
	      "a wrong label is taken", t.name);
	loss_close(s);
	trial_close(&t);
}

/* One run by every instruction set: the same but for rounding. */
static void check_sets(bool regions)
{
	struct trial t;
	float p[4][OUTPUTS * LANES_RUN] = {{0}};
	double entropy[4];
	struct lanes_sums sums[4][OUTPUTS] = {{{0}}};
	static const struct lanes_slope slope[OUTPUTS] = { { 0, 0 }, { -0.5f, 0.25f }, { -0.125f, 0.5f } };
	const struct lanes *const *set = lanes_all();

	trial_open(&t, "instruction sets", (int64_t[3]){ 1, 20, 20 }, 2, make_labels(regions, true), false);
	for (int k = 0; set[k]; k++) {
		const struct label *region[OUTPUTS];
		struct lanes_run r = { .n = 397, .n_outputs = OUTPUTS, .region = regions ? region : NULL, .ignore = IGNORE,
		                       .target = t.labels, .logits = t.logits[0], .p = p[k], .stride = 400,
		                       .p_stride = LANES_RUN };
		for (int c = 0; c < OUTPUTS && regions; c++)
			region[c] = labels_structure(t.l, c);
		entropy[k] = (regions ? set[k]->regions : set[k]->classes)(&r, sums[k]);
		(regions ? set[k]->regions_back : set[k]->classes_back)(&r, slope, 0.5f);
		check(fabs(entropy[k] - entropy[0]) <= 1e-5 * entropy[0], "entropies differ", t.name);
		for (int c = 0; c < OUTPUTS; c++)
			check(fabs(sums[k][c].tp - sums[0][c].tp) + fabs(sums[k][c].p - sums[0][c].p) <= 1e-4 &&
			      sums[k][c].target == sums[0][c].target, "sums differ", t.name);
		for (int i = 0; i < OUTPUTS * LANES_RUN; i++)
			check(fabsf(p[k][i] - p[0][i]) <= 1e-6f, "derivatives differ", t.name);
		check(p[k][397] == 0 && p[k][396] != 0, "a run's end", t.name);
	}
	trial_close(&t);
}

int main(void)
{
	for (int k = 0; k < 8; k++) {
		bool regions = k & 1, ignore = k & 2, batch_dice = k & 4;
		char *name = xasprintf("%s%s%s", regions ? "regions" : "classes", ignore ? ", ignore label" : "",
		                       batch_dice ? ", batch Dice" : "");
		run(name, (int64_t[3]){ 1, 24, 16 }, 4, regions, ignore, batch_dice);
		run(name, (int64_t[3]){ 4, 4, 4 }, 2, regions, ignore, batch_dice);             /* one head */
		run(name, (int64_t[3]){ 1, 60, 76 }, 3, regions, ignore, batch_dice);           /* over a piece and a run */
		free(name);
	}
	for (int regions = 0; regions < 2; regions++) {
		check_extremes(regions);
		check_wrong_labels(regions);
		check_sets(regions);
	}
	return failures > 0;
}
