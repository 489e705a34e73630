#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/reference.h"
#include "filters/calibrate/count.h"

enum { VALUES = 65536 };         /* of a label map */

bool count_begin(struct counter *c, struct counts *s, const struct frame *f, const char *path)
{
	if (!labels_probs(&c->probs, f))
		return false;
	if (!c->probs)
		return fail(XDATA, "it holds no probabilities");
	if (!labels_from_frame(&c->labels, f, c->probs->channels) || !reference_read(&c->reference, path, f, &c->labels) ||
	    !counts_labels(s, &c->labels))
		return false;
	if (s->foreground)
		c->seg = xmalloc((size_t)f->slab[0] * (size_t)f->slab[1] * (size_t)f->shape[2], sizeof *c->seg);
	if (s->regions)
		c->has = xcalloc((size_t)s->n_targets, VALUES);
	for (int r = 0; s->regions && r < s->n_targets; r++)
		for (int k = 0; k < labels_structure(&c->labels, r)->n; k++)
			c->has[(size_t)r * VALUES + (size_t)labels_structure(&c->labels, r)->value[k]] = 1;
	c->scratch = xmalloc(2 * (size_t)c->probs->channels, sizeof *c->scratch);
	if (!c->part.tally)
		part_make(&c->part, s);
	else
		part_clear(&c->part, s);
	return true;
}

void count_end(struct counter *c)
{
	labels_free(&c->labels);
	free(c->reference);
	free(c->seg);
	free(c->has);
	free(c->scratch);
	*c = (struct counter){ .part = c->part };
}

void count_free(struct counter *c, const struct counts *s)
{
	part_free(&c->part, s);
}

/* One channel: (p - y)^2 and -log p of what happened. */
static void add_binary(struct tally *t, float p, bool event)
{
	double miss = (double)p - event;
	bool zero;
	double loss = log_loss(p, event, &zero);

	tally_add(t, p, event, miss * miss, loss, zero);
}

/* A voxel of class truth; p: [classes] with steps of stride. */
static bool add_classes(struct counter *c, const float *p, size_t stride, int truth, bool with_fit)
{
	int best = 0, classes = c->labels.n_outputs;
	float top = -1;
	double sum = 0, brier = 0, loss;
	bool zero;

	for (int k = 0; k < classes; k++) {
		float q = fminf(p[(size_t)k * stride], 1);      /* a softmax in fp32 may round to a little over 1 */
		double miss = (double)q - (k == truth);
		if (q > top) {                          /* the lowest of equal ones, as in a segmentation */
			top = q;
			best = k;
		}
		sum += (double)q;
		brier += miss * miss;
		add_binary(&c->part.tally[k + 1], q, k == truth);
	}
	if (fabs(sum - 1) > 0.01)
		return fail(XDATA, "its probabilities of a voxel sum to %g, not to 1", sum);
	loss = log_loss(fminf(p[(size_t)truth * stride], 1), true, &zero);
	tally_add(&c->part.tally[0], top, best == truth, fmin(brier, 2), loss, zero);
	if (with_fit)
		fit_add_classes(&c->part.fit, p, classes, stride, truth, best, c->scratch);
	return true;
}

static void add_regions(struct counter *c, const float *p, size_t stride, int truth, bool with_fit)
{
	for (int r = 0; r < c->labels.n_outputs; r++) {
		float q = fminf(p[(size_t)r * stride], 1);
		bool event = c->has[(size_t)r * VALUES + (size_t)truth];
		add_binary(&c->part.tally[r], q, event);
		if (with_fit)
			fit_add_region(&c->part.fit, r, q, event);
	}
}

/* Also of voxels that do not count: a NaN there is no less wrong. */
static bool all_probabilities(const float *p, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= p[i] >= 0 && p[i] <= 1.0001f;
	return ok || fail(XDATA, "its probabilities hold a value that is not in 0 to 1");
}

bool count_slab(struct counter *c, const struct counts *s, const struct frame *f)
{
	size_t n = frame_voxels(f);
	const uint16_t *truth = c->reference + ((size_t)f->z * (size_t)f->shape[1] + (size_t)f->y) * (size_t)f->shape[2];
	const float *p = c->probs->data;

	if (!all_probabilities(p, n * (size_t)c->probs->channels))
		return false;
	if (c->seg)
		labels_segment(c->seg, p, &c->labels, n);
	for (size_t v = 0; v < n; v++) {
		if (truth[v] == c->labels.ignore || (c->seg && !truth[v] && !c->seg[v]))
			continue;
		if (s->regions)
			add_regions(c, p + v, n, truth[v], s->with_fit);
		else if (!add_classes(c, p + v, n, truth[v], s->with_fit))
			return false;
	}
	return true;
}
