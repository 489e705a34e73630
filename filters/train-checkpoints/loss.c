#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/train-checkpoints/lanes.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/targets.h"

enum { PIECE = 8 * LANES_RUN };

/* Voxels of one head and sample that one thread works on. */
struct piece { int head, sample; size_t from, n; };

struct loss {
	const struct network *n;
	const struct labels *l;
	const struct lanes *lanes;
	int batch, threads, max_label;
	bool batch_dice;
	const struct label **region;            /* [n_outputs], NULL for classes */
	uint16_t *target[MAX_STAGES];           /* of each head, [batch][voxels] */
	double annotated[MAX_STAGES];           /* voxels of the batch that are not ignored */
	int n_pieces, n_finest;                 /* those of the finest head come first */
	struct piece *piece;
	struct lanes_sums *sums;                /* [n_pieces][n_outputs] */
	double *entropy;                        /* [n_pieces] */
	struct lanes_slope *slope;              /* [n_heads][batch][n_outputs] */
	float entropy_slope[MAX_STAGES];
	float *scratch;                         /* [threads][n_outputs][LANES_RUN] */
	/* of the call in work */
	const float *const *logits;
	float *const *d_logits;
};

double loss_weight(int n, int i)
{
	double sum = 0;

	for (int k = 0; k < n - 1; k++)
		sum += 1.0 / (1 << k);
	return n == 1 ? 1 : i == n - 1 ? 0 : 1.0 / (1 << i) / sum;
}

static size_t voxels(const struct network *n, int head)
{
	const int64_t *size = network_head_value(n, head)->size;

	return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static bool counts(const struct loss *s, int head) { return loss_weight(s->n->n_heads, head) > 0; }

/* pieces may be NULL, to count them. */
static int cut(const struct loss *s, int head, struct piece *pieces)
{
	size_t n = voxels(s->n, head);
	int at = 0;

	for (int b = 0; counts(s, head) && b < s->batch; b++)
		for (size_t i = 0; i < n; i += PIECE, at++)
			if (pieces)
				pieces[at] = (struct piece){ head, b, i, n - i < PIECE ? n - i : PIECE };
	return at;
}

struct loss *loss_open(const struct network *n, const struct labels *l, int batch, bool batch_dice, int threads)
{
	struct loss *s = xcalloc(1, sizeof *s);
	size_t outputs = (size_t)n->n_outputs;

	*s = (struct loss){ .n = n, .l = l, .lanes = lanes_best(), .batch = batch, .threads = threads, .batch_dice = batch_dice };
	for (int i = 0; i < l->n; i++)
		for (int k = 0; k < l->entry[i].n; k++)
			s->max_label = l->entry[i].value[k] > s->max_label ? l->entry[i].value[k] : s->max_label;
	if (l->has_regions) {
		s->region = xcalloc(outputs, sizeof *s->region);
		for (int i = 0; i < n->n_outputs; i++)
			s->region[i] = labels_structure(l, i);
	}
	for (int h = 0; h < n->n_heads; h++) {
		s->target[h] = xmalloc((size_t)batch * voxels(n, h), sizeof *s->target[h]);
		s->n_pieces += cut(s, h, NULL);
	}
	s->n_finest = cut(s, 0, NULL);
	s->piece = xmalloc((size_t)s->n_pieces, sizeof *s->piece);
	for (int h = 0, at = 0; h < n->n_heads; h++)
		at += cut(s, h, s->piece + at);
	s->sums = xmalloc((size_t)s->n_pieces * outputs, sizeof *s->sums);
	s->entropy = xmalloc((size_t)s->n_pieces, sizeof *s->entropy);
	s->slope = xmalloc((size_t)n->n_heads * (size_t)batch * outputs, sizeof *s->slope);
	s->scratch = xaligned((size_t)threads * outputs * LANES_RUN, sizeof *s->scratch);
	return s;
}

void loss_close(struct loss *s)
{
	for (int h = 0; h < s->n->n_heads; h++)
		free(s->target[h]);
	free(s->region);
	free(s->piece);
	free(s->sums);
	free(s->entropy);
	free(s->slope);
	free(s->scratch);
	free(s);
}

bool loss_targets(struct loss *s, const uint16_t *labels)
{
	const struct network *n = s->n;
	size_t total = (size_t)s->batch * voxels(n, 0);
	int largest = 0;

	for (size_t i = 0; i < total; i++) {
		int value = labels[i] == s->l->ignore ? 0 : labels[i];
		largest = value > largest ? value : largest;
	}
	if (largest > s->max_label)
		return fail(XDATA, "a patch has label %d, which the data set does not have", largest);
	memcpy(s->target[0], labels, total * sizeof *labels);
	for (int h = 0; h < n->n_heads; h++) {
		size_t ignored = 0, here = (size_t)s->batch * voxels(n, h);
		if (h)
			targets_shrink(s->target[h], labels, s->batch, network_head_value(n, h)->size, n->patch, s->threads);
		for (size_t i = 0; i < here; i++)
			ignored += s->target[h][i] == s->l->ignore;
		s->annotated[h] = (double)(here - ignored);
	}
	return true;
}

/* The run from voxel i of a piece on; without d_logits its probabilities go to the worker's scratch. */
static struct lanes_run run_of(const struct loss *s, const struct piece *p, size_t i, int worker)
{
	size_t v = voxels(s->n, p->head), outputs = (size_t)s->n->n_outputs, left = p->from + p->n - i;
	size_t at = (size_t)p->sample * outputs * v + i;

	return (struct lanes_run){
		.n = left < LANES_RUN ? (int)left : LANES_RUN, .n_outputs = s->n->n_outputs, .region = s->region,
		.ignore = s->l->ignore, .target = s->target[p->head] + (size_t)p->sample * v + i,
		.logits = s->logits[p->head] + at, .stride = v,
		.p = s->d_logits ? s->d_logits[p->head] + at : s->scratch + (size_t)worker * outputs * LANES_RUN,
		.p_stride = s->d_logits ? v : LANES_RUN
	};
}

static struct lanes_slope *slope_of(const struct loss *s, int head, int sample)
{
	return s->slope + ((size_t)head * (size_t)s->batch + (size_t)sample) * (size_t)s->n->n_outputs;
}

static struct lanes_sums *sums_of(const struct loss *s, int piece) { return s->sums + (size_t)piece * (size_t)s->n->n_outputs; }

static void sum_piece(void *loss, int i, int worker)
{
	struct loss *s = loss;
	const struct piece *p = &s->piece[i];

	memset(sums_of(s, i), 0, (size_t)s->n->n_outputs * sizeof *s->sums);
	s->entropy[i] = 0;
	for (size_t at = p->from; at < p->from + p->n; at += LANES_RUN) {
		struct lanes_run r = run_of(s, p, at, worker);
		s->entropy[i] += (s->region ? s->lanes->regions : s->lanes->classes)(&r, sums_of(s, i));
	}
}

static void derive_piece(void *loss, int i, int worker)
{
	struct loss *s = loss;
	const struct piece *p = &s->piece[i];
	const struct lanes_slope *slope = slope_of(s, p->head, p->sample);

	for (size_t at = p->from; at < p->from + p->n; at += LANES_RUN) {
		struct lanes_run r = run_of(s, p, at, worker);
		(s->region ? s->lanes->regions_back : s->lanes->classes_back)(&r, slope, s->entropy_slope[p->head]);
	}
}

static void count_piece(void *loss, int i, int worker)
{
	struct loss *s = loss;
	const struct piece *p = &s->piece[i];

	memset(sums_of(s, i), 0, (size_t)s->n->n_outputs * sizeof *s->sums);
	for (size_t at = p->from; at < p->from + p->n; at += LANES_RUN) {
		struct lanes_run r = run_of(s, p, at, worker);
		s->lanes->count(&r, sums_of(s, i));
	}
}

/* Sums of a head and output; sample -1: of the batch. */
static struct lanes_sums gather(const struct loss *s, int head, int sample, int output)
{
	struct lanes_sums all = {0};

	for (int i = 0; i < s->n_pieces; i++) {
		const struct lanes_sums *one = sums_of(s, i) + output;
		if (s->piece[i].head != head || (sample >= 0 && s->piece[i].sample != sample))
			continue;
		all.tp += one->tp;
		all.p += one->p;
		all.target += one->target;
	}
	return all;
}

/* -Dice of a head, and its slopes: the mean of -(2 tp + e) / (target + p + e), e = 1e-5, over outputs (without background) and
 * samples, or over outputs alone where sums are of the batch.  Its derivative by a probability is
 * (-2 target / d + (2 tp + e) / d^2) / terms, d the denominator. */
static double dice(struct loss *s, int head, double weight)
{
	const double e = 1e-5;
	int first = s->region ? 0 : 1, samples = s->batch_dice ? 1 : s->batch;
	double sum = 0, terms = (double)(s->n->n_outputs - first) * samples;

	for (int b = 0; b < s->batch; b++)
		for (int c = 0; c < s->n->n_outputs; c++) {
			struct lanes_slope *slope = slope_of(s, head, b) + c;
			struct lanes_sums t = gather(s, head, s->batch_dice ? -1 : b, c);
			double above = 2 * t.tp + e, below = t.target + t.p + e;
			*slope = (struct lanes_slope){0};
			if (c < first)
				continue;
			slope->a = (float)(-2 * weight / terms / below);
			slope->b = (float)(weight / terms * above / below / below);
			sum += b < samples ? above / below : 0;
		}
	return -sum / terms;
}

/* Mean over voxels that are not ignored; for regions over their outputs, too, but not where the data set has an ignore label
 * (nnU-Net divides by the mask's voxels there). */
static double entropy_share(const struct loss *s, int head)
{
	double n = s->annotated[head];

	if (s->region && s->l->ignore < 0)
		n *= s->n->n_outputs;
	return n > 0 ? 1 / n : 0;
}

double loss_value(struct loss *s, const float *const *logits, float *const *d_logits)
{
	double value = 0;

	s->logits = logits;
	s->d_logits = d_logits;
	parallel_for(s->threads, s->n_pieces, sum_piece, s);
	for (int h = 0; h < s->n->n_heads; h++) {
		double weight = loss_weight(s->n->n_heads, h), entropy = 0;
		if (!counts(s, h))
			continue;
		for (int i = 0; i < s->n_pieces; i++)
			entropy += s->piece[i].head == h ? s->entropy[i] : 0;
		s->entropy_slope[h] = (float)(weight * entropy_share(s, h));
		value += weight * (entropy * entropy_share(s, h) + dice(s, h, weight));
	}
	if (d_logits)
		parallel_for(s->threads, s->n_pieces, derive_piece, s);
	return value;
}

void loss_count(struct loss *s, const float *logits, double *tp, double *fp, double *fn)
{
	s->logits = &logits;
	s->d_logits = NULL;
	parallel_for(s->threads, s->n_finest, count_piece, s);
	for (int i = 0; i < labels_n_structures(s->l); i++) {
		int c = labels_structure_channel(s->l, i);
		for (int k = 0; k < s->n_finest; k++) {
			const struct lanes_sums *one = sums_of(s, k) + c;
			tp[i] += one->tp;
			fp[i] += one->p - one->tp;
			fn[i] += one->target - one->tp;
		}
	}
}
