#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/average-probs/tally.h"

const char *const score_names[] = {
	"pairwise_dice", "generalized_dice", "samples_iou", "volume_mean_mm3", "volume_cv", "soft_dice_confidence", NULL
};

static size_t pairs(const struct tally *t) { return (size_t)t->members * (size_t)(t->members - 1) / 2; }

/* Members a < b. */
static int64_t *pair(const struct tally *t, int a, int b) { return t->both + (size_t)(b * (b - 1) / 2 + a) * (size_t)t->structures; }
static int64_t *member(const struct tally *t, int m) { return t->size + (size_t)m * (size_t)t->structures; }

bool tally_begin(struct tally *t, int structures, int members)
{
	size_t words, bytes, n = (size_t)structures;

	t->structures = structures;
	t->members = members;
	words = 2 + 2 + 3 + (size_t)members + pairs(t);
	if (__builtin_mul_overflow(words * sizeof(int64_t), n, &bytes) || bytes > memory_limit)
		return fail(XDATA, "counting the overlaps of %d members in %d structures needs %.1f MiB, over the limit of %.1f MiB "
		            "(--memory raises it)", members, structures, (double)words * 8 * (double)n / 0x1p20, (double)memory_limit / 0x1p20);
	if (bytes > t->room) {
		free(t->counts);
		t->counts = xmalloc(bytes, 1);
		t->room = bytes;
	}
	memset(t->counts, 0, bytes);
	t->mass = t->counts;
	t->inside = t->mass + n;
	t->predicted = (int64_t *)(t->inside + n);
	t->agreed = t->predicted + n;
	t->any = t->agreed + n;
	t->size = t->any + n;
	t->both = t->size + n * (size_t)members;
	return true;
}

void tally_free(struct tally *t)
{
	free(t->counts);
	*t = (struct tally){0};
}

/* A voxel where members differ. */
static void take_differing(struct tally *t, const uint16_t *const *label, size_t v, int first)
{
	for (int b = 0; b < t->members; b++) {
		int s = first + label[b][v] - 1;
		bool seen = false;
		if (!label[b][v])
			continue;
		member(t, b)[s]++;
		for (int a = 0; a < b; a++)
			if (label[a][v] == label[b][v]) {
				pair(t, a, b)[s]++;
				seen = true;
			}
		t->any[s] += !seen;
	}
}

void tally_members(struct tally *t, const uint16_t *const *label, const struct loops *l, size_t n, int first)
{
	uint16_t diff[LOOPS_RUN] = {0};

	for (int m = 1; m < t->members; m++)
		l->differ(diff, label[0], label[m], n);
	for (size_t v = 0; v < n; v++) {
		if (diff[v])
			take_differing(t, label, v, first);
		else if (label[0][v])
			t->agreed[first + label[0][v] - 1]++;
	}
}

void tally_mean(struct tally *t, const uint64_t *sum, const uint16_t *label, int value, size_t n, int structure)
{
	unsigned __int128 mass = 0, inside = 0;
	int64_t predicted = 0;

	for (size_t v = 0; v < n; v++) {
		uint64_t here = label[v] == value ? sum[v] : 0;
		mass += sum[v];
		inside += here;
		predicted += label[v] == value;
	}
	t->mass[structure] += mass;
	t->inside[structure] += inside;
	t->predicted[structure] += predicted;
}

void tally_join(struct tally *to, const struct tally *from)
{
	size_t n = (size_t)to->structures, counts = n * (3 + (size_t)to->members + pairs(to));

	for (size_t i = 0; i < 2 * n; i++)
		to->mass[i] += from->mass[i];
	for (size_t i = 0; i < counts; i++)
		to->predicted[i] += from->predicted[i];
}

/* ---- scores ---- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Mean of those that are numbers, whatever their order; NaN if there is none. */
static double mean_of(double *x, size_t n)
{
	size_t kept = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(x[i]))
			x[kept++] = x[i];
	qsort(x, kept, sizeof *x, ascending);
	for (size_t i = 0; i < kept; i++)
		sum += x[i];
	return kept ? sum / (double)kept : NAN;
}

static int64_t size_of(const struct tally *t, int m, int s) { return t->agreed[s] + member(t, m)[s]; }

static double dice_of(const struct tally *t, int a, int b, int s)
{
	int64_t sizes = size_of(t, a, s) + size_of(t, b, s), both = t->agreed[s] + pair(t, a, b)[s];

	return sizes ? 2 * (double)both / (double)sizes : NAN;
}

/* Sudre's generalized Dice with weights of both masks: w = 1 / (|A| + |B|)^2, so 2 sum w |A B| / sum w (|A| + |B|). */
static double generalized_of(const struct tally *t, int a, int b)
{
	double top = 0, bottom = 0;

	for (int s = 0; s < t->structures; s++) {
		double sizes = (double)(size_of(t, a, s) + size_of(t, b, s));
		if (sizes > 0) {
			top += 2 * (double)(t->agreed[s] + pair(t, a, b)[s]) / (sizes * sizes);
			bottom += 1 / sizes;
		}
	}
	return bottom > 0 ? top / bottom : NAN;
}

static void put(struct frame *f, enum score score, const struct labels *labels, int structure, double value)
{
	char *name = xasprintf("%s:%s", score_names[score], labels_structure(labels, structure)->name);

	frame_put_score(f, name, value);
	free(name);
}

/* x: room for the pairs, y for the structures. */
static void put_pairwise(struct frame *f, const struct tally *t, unsigned scores, const struct labels *labels, double *x, double *y)
{
	size_t n = 0;

	for (int s = 0; s < t->structures && scores & 1u << SCORE_PAIRWISE_DICE; s++, n = 0) {
		for (int b = 0; b < t->members; b++)
			for (int a = 0; a < b; a++)
				x[n++] = dice_of(t, a, b, s);
		put(f, SCORE_PAIRWISE_DICE, labels, s, mean_of(x, n));
	}
	for (int b = 0; b < t->members; b++)
		for (int a = 0; a < b; a++) {
			for (int s = 0; s < t->structures; s++)
				y[s] = dice_of(t, a, b, s);
			x[n++] = mean_of(y, (size_t)t->structures);
		}
	if (scores & 1u << SCORE_PAIRWISE_DICE)
		frame_put_score(f, score_names[SCORE_PAIRWISE_DICE], mean_of(x, n));
	n = 0;
	for (int b = 0; b < t->members; b++)
		for (int a = 0; a < b; a++)
			x[n++] = generalized_of(t, a, b);
	if (scores & 1u << SCORE_GENERALIZED_DICE)
		frame_put_score(f, score_names[SCORE_GENERALIZED_DICE], mean_of(x, n));
}

static double samples_iou(const struct tally *t, int s)
{
	int64_t any = t->agreed[s] + t->any[s];

	return any ? (double)t->agreed[s] / (double)any : NAN;
}

/* Mean number of voxels; *cv: population standard deviation over the mean. */
static double volume(double *cv, const struct tally *t, int s)
{
	double mean, n = t->members;
	unsigned __int128 square = 0, sum = 0;

	for (int m = 0; m < t->members; m++) {
		unsigned __int128 v = (unsigned __int128)size_of(t, m, s);
		sum += v;
		square += v * v;
	}
	mean = (double)sum / n;
	*cv = sum ? sqrt((double)((unsigned)t->members * square - sum * sum)) / n / mean : NAN;
	return mean;
}

static double soft_dice(const struct tally *t, int s)
{
	double unit = 0x1p56 * t->members;

	return t->predicted[s] ? 2 * (double)t->inside[s] / ((double)t->mass[s] + unit * (double)t->predicted[s]) : 0;
}

void tally_scores(struct frame *f, const struct tally *t, unsigned scores, const struct labels *labels)
{
	size_t n = (size_t)t->structures;
	double *x = xmalloc(pairs(t) + 1, sizeof *x), *y = xmalloc(3 * n + 1, sizeof *y), *iou = y, *cv = y + n, *soft = y + 2 * n;
	bool picture = f->shape[0] == 1 && f->spacing_mm[0] == 999;     /* nnU-Net's thickness for what has none */
	double voxel_mm3 = (picture ? 1 : f->spacing_mm[0]) * f->spacing_mm[1] * f->spacing_mm[2];
	bool nothing = true;

	put_pairwise(f, t, scores, labels, x, y);
	for (int s = 0; s < t->structures; s++) {
		double mean = volume(&cv[s], t, s);
		iou[s] = samples_iou(t, s);
		soft[s] = soft_dice(t, s);
		nothing = nothing && mean == 0;
		if (scores & 1u << SCORE_SAMPLES_IOU)
			put(f, SCORE_SAMPLES_IOU, labels, s, iou[s]);
		if (scores & 1u << SCORE_VOLUME_MEAN)
			put(f, SCORE_VOLUME_MEAN, labels, s, mean * voxel_mm3);
		if (scores & 1u << SCORE_VOLUME_CV)
			put(f, SCORE_VOLUME_CV, labels, s, cv[s]);
		if (scores & 1u << SCORE_SOFT_DICE)
			put(f, SCORE_SOFT_DICE, labels, s, soft[s]);
	}
	if (scores & 1u << SCORE_SAMPLES_IOU)
		frame_put_score(f, score_names[SCORE_SAMPLES_IOU], mean_of(iou, n));
	if (scores & 1u << SCORE_VOLUME_CV)
		frame_put_score(f, score_names[SCORE_VOLUME_CV], mean_of(cv, n));
	if (scores & 1u << SCORE_SOFT_DICE)
		frame_put_score(f, score_names[SCORE_SOFT_DICE], mean_of(soft, n));
	if (nothing)
		frame_flag(f, "members_empty");
	free(x);
	free(y);
}
