#include <math.h>
#include <string.h>
#include "common/augment.h"
#include "common/random.h"

const char *const augment_name[AUGMENT_KINDS] = {
	"rotation", "scaling", "noise", "blur", "brightness", "contrast", "low-resolution", "inverted-gamma", "gamma", "mirroring",
	"morphology", "removal",
};
const char *const augment_operator_name[] = { "keep", "dilate", "erode", "close", "open" };

/* How likely each is for a patch, and for a channel or class of it. */
static const struct { double patch, part; } chance[AUGMENT_KINDS] = {
	[AUGMENT_ROTATION] = { 0.2, 1 }, [AUGMENT_SCALING] = { 0.2, 1 }, [AUGMENT_NOISE] = { 0.1, 1 },
	[AUGMENT_BLUR] = { 0.2, 0.5 }, [AUGMENT_BRIGHTNESS] = { 0.15, 1 },
	[AUGMENT_CONTRAST] = { 0.15, 1 }, [AUGMENT_LOW_RESOLUTION] = { 0.25, 0.5 },
	[AUGMENT_INVERTED_GAMMA] = { 0.1, 1 }, [AUGMENT_GAMMA] = { 0.3, 1 }, [AUGMENT_MIRRORING] = { 1, 0.5 },
	[AUGMENT_MORPHOLOGY] = { 0.4, 0.5 }, [AUGMENT_REMOVAL] = { 0.2, 0.5 },
};

bool augment_flat(const int64_t patch[3])
{
	double most = fmax((double)patch[0], fmax((double)patch[1], (double)patch[2]));

	return patch[0] == 1 || most / (double)patch[0] > 3;
}

double augment_degrees(const int64_t patch[3])
{
	double most = fmax((double)patch[1], (double)patch[2]), least = fmin((double)patch[1], (double)patch[2]);

	return !augment_flat(patch) ? 30 : patch[0] == 1 && most / least > 1.5 ? 15 : 180;
}

/* The k-th number of a kind, in (0, 1).  The places below 2^40 of a stream are those of who cut the patch out. */
static double draw(const struct augmentation *d, const struct augmenter *a, enum augment_kind kind, int k)
{
	return random_unit(a->seed, d->stream, ((uint64_t)kind + 1) << 40 | (uint64_t)k);
}

static double between(double least, double most, double u) { return least + u * (most - least); }

/* nnU-Net's rule for factors: below and above 1 with the same probability. */
static double factor(double least, double most, double coin, double u)
{
	return coin < 0.5 ? between(least, 1, u) : between(1, most, u);
}

/* Whether a kind happens to the patch; whether it does to a part of it.  Numbers 0 and 8, 16, 24 ... of the kind. */
static bool happens(const struct augmentation *d, const struct augmenter *a, enum augment_kind kind)
{
	bool may = a->kinds >> kind & 1 && (a->classes || (kind != AUGMENT_MORPHOLOGY && kind != AUGMENT_REMOVAL));

	return may && (a->always || draw(d, a, kind, 0) < chance[kind].patch);
}

static bool takes(const struct augmentation *d, const struct augmenter *a, enum augment_kind kind, int part)
{
	return d->kinds >> kind & 1 && (a->always || draw(d, a, kind, 8 * (part + 1)) < chance[kind].part);
}

/* Of a part of the patch: its channel, axis or class. */
static double draw_part(const struct augmentation *d, const struct augmenter *a, enum augment_kind kind, int part, int k)
{
	return draw(d, a, kind, 8 * (part + 1) + k);
}

static void draw_channel(struct augmentation *d, const struct augmenter *a, int c)
{
	static const struct { enum augment_kind kind; double least, most; } rule[] = {
		{ AUGMENT_BRIGHTNESS, 0.75, 1.25 }, { AUGMENT_CONTRAST, 0.75, 1.25 }, { AUGMENT_INVERTED_GAMMA, 0.7, 1.5 },
		{ AUGMENT_GAMMA, 0.7, 1.5 },
	};
	double *to[] = { &d->brightness[c], &d->contrast[c], &d->inverted_gamma[c], &d->gamma[c] };

	for (int axis = 0; axis < 3; axis++)
		d->blur_sd[c][axis] = takes(d, a, AUGMENT_BLUR, c) && (axis || a->to[0] > 1)
		                      ? between(0.5, 1, draw_part(d, a, AUGMENT_BLUR, c, 1 + axis)) : 0;
	d->zoom[c] = takes(d, a, AUGMENT_LOW_RESOLUTION, c) ? between(0.5, 1, draw_part(d, a, AUGMENT_LOW_RESOLUTION, c, 1)) : 1;
	for (size_t k = 0; k < sizeof rule / sizeof *rule; k++)
		*to[k] = factor(rule[k].least, rule[k].most, draw_part(d, a, rule[k].kind, c, 1),
		                draw_part(d, a, rule[k].kind, c, 2));
}

void augment_draw(struct augmentation *d, const struct augmenter *a, int64_t epoch, int64_t iteration, int64_t index)
{
	double limit = augment_degrees(a->to) / 180 * acos(-1);
	bool flat = augment_flat(a->to);

	memset(d, 0, sizeof *d);
	d->stream = (uint64_t)epoch << 40 | (uint64_t)iteration << 16 | (uint64_t)index;
	for (int kind = 0; kind < AUGMENT_KINDS; kind++)
		d->kinds |= (unsigned)happens(d, a, kind) << kind;
	for (int axis = 0; axis < (flat ? 1 : 3); axis++)
		if (d->kinds >> AUGMENT_ROTATION & 1)
			d->angle[axis] = between(-limit, limit, draw(d, a, AUGMENT_ROTATION, 1 + axis));
	d->scale = d->kinds >> AUGMENT_SCALING & 1 ? between(0.7, 1.4, draw(d, a, AUGMENT_SCALING, 1)) : 1;
	d->noise_sd = between(0, 0.1, draw(d, a, AUGMENT_NOISE, 1));
	for (int c = 0; c < a->channels; c++)
		draw_channel(d, a, c);
	for (int axis = a->to[0] == 1; axis < 3; axis++)
		d->mirror[axis] = takes(d, a, AUGMENT_MIRRORING, axis);
}

struct augment_class augment_draw_class(const struct augmentation *d, const struct augmenter *a, int k)
{
	struct augment_class c = {0};
	static const enum augment_kind kind[] = { AUGMENT_MORPHOLOGY, AUGMENT_REMOVAL };

	for (int i = 0; i < 2; i++)
		c.turn[i] = random_bits(a->seed, d->stream, ((uint64_t)kind[i] + 1) << 40 | (uint64_t)(8 * (k + 1) + 1));
	if (takes(d, a, AUGMENT_MORPHOLOGY, k))
		c.operator = AUGMENT_DILATE + (enum augment_operator)(4 * draw_part(d, a, AUGMENT_MORPHOLOGY, k, 2));
	c.radius = between(1, 8, draw_part(d, a, AUGMENT_MORPHOLOGY, k, 3));
	c.removes = takes(d, a, AUGMENT_REMOVAL, k);
	c.choice = draw_part(d, a, AUGMENT_REMOVAL, k, 2);
	return c;
}
