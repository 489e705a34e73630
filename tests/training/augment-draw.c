/* What is drawn for 50,000 patches: how often each transform comes, the ranges and means of its numbers, and that patches,
 * channels and transforms draw apart from each other. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/augment.h"

enum { DRAWS = 50000 };

static int wrong;

struct series { double n, sum, least, most; };

static void add(struct series *s, double v)
{
	s->least = s->n++ && s->least < v ? s->least : v;
	s->most = s->n > 1 && s->most > v ? s->most : v;
	s->sum += v;
}

/* 4.5 standard deviations: one of 150,000 checks fails by chance, and the numbers are the same every time. */
static void rate(const char *name, double times, double of, double p)
{
	if (fabs(times - of * p) > 4.5 * sqrt(of * p * (1 - p)) + 1e-9)
		wrong += printf("%s: %g times of %g, not %g of them\n", name, times, of, p);
}

/* Even in lo..middle and, as often, in middle..hi. */
static void range(const char *name, const struct series *s, double lo, double middle, double hi)
{
	double mean = (lo + 2 * middle + hi) / 4, sd = (hi - lo) / 3, near = 20 * (hi - lo) / s->n;

	if (!(s->least >= lo && s->most <= hi))
		wrong += printf("%s: %g to %g leaves %g to %g\n", name, s->least, s->most, lo, hi);
	if (!(s->least < lo + near && s->most > hi - near))
		wrong += printf("%s: %g to %g does not fill %g to %g\n", name, s->least, s->most, lo, hi);
	if (!(fabs(s->sum / s->n - mean) < 4.5 * sd / sqrt(s->n)))
		wrong += printf("%s: the mean is %g, not %g\n", name, s->sum / s->n, mean);
}

static struct augmentation nth(const struct augmenter *a, int i)
{
	struct augmentation d;

	augment_draw(&d, a, i / 2500 % 20, i / 10 % 250, i % 10);
	return d;
}

static void patches(const struct augmenter *a)
{
	static const double chance[] = { 0.2, 0.2, 0.1, 0.2, 0.15, 0.15, 0.25, 0.1, 0.3, 1, 0.4, 0.2 };
	double times[AUGMENT_KINDS][AUGMENT_KINDS] = {0};

	for (int i = 0; i < DRAWS; i++) {
		struct augmentation d = nth(a, i);
		for (int k = 0; k < AUGMENT_KINDS; k++)
			for (int j = 0; j <= k; j++)
				times[k][j] += d.kinds >> k & d.kinds >> j & 1;
	}
	for (int k = 0; k < AUGMENT_KINDS; k++)
		for (int j = 0; j <= k; j++) {
			char name[80];
			snprintf(name, sizeof name, "%s with %s", augment_name[k], augment_name[j]);
			rate(name, times[k][j], DRAWS, chance[k] * (j == k ? 1 : chance[j]));
		}
}

static void channels(const struct augmenter *a)
{
	struct series sd[3] = {0}, scale = {0}, noise = {0}, zoom = {0}, factor[4] = {0};
	double blurred[3] = {0}, coarse[3] = {0}, below = 0, both = 0, mirrored[3] = {0};

	for (int i = 0; i < DRAWS; i++) {
		struct augmentation d = nth(a, i);
		double *f[] = { d.brightness, d.contrast, d.inverted_gamma, d.gamma };
		if (d.kinds >> AUGMENT_SCALING & 1)
			add(&scale, d.scale);
		if (d.kinds >> AUGMENT_NOISE & 1)
			add(&noise, d.noise_sd);
		for (int c = 0; c < 2; c++) {
			blurred[c] += d.blur_sd[c][2] > 0;
			coarse[c] += d.zoom[c] < 1;
			for (int axis = 0; axis < 3 && d.blur_sd[c][2] > 0; axis++)
				add(&sd[axis], d.blur_sd[c][axis]);
			if (d.zoom[c] < 1)
				add(&zoom, d.zoom[c]);
			for (int k = 0; k < 4; k++)
				if (d.kinds >> (int[]){ AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_INVERTED_GAMMA, AUGMENT_GAMMA }[k] & 1)
					add(&factor[k], f[k][c]);
		}
		blurred[2] += d.blur_sd[0][2] > 0 && d.blur_sd[1][2] > 0;
		coarse[2] += d.zoom[0] < 1 && d.zoom[1] < 1;
		if (d.kinds >> AUGMENT_GAMMA & 1) {
			below += d.gamma[0] < 1;
			both += d.gamma[0] < 1 && d.gamma[1] < 1;
		}
		for (int axis = 0; axis < 3; axis++)
			mirrored[axis] += d.mirror[axis];
	}
	for (int c = 0; c < 3; c++) {
		rate("blurred channels, 2: both", blurred[c], DRAWS, c < 2 ? 0.1 : 0.05);
		rate("coarse channels, 2: both", coarse[c], DRAWS, c < 2 ? 0.125 : 0.0625);
		rate("mirrored axes", mirrored[c], DRAWS, 0.5);
		range("blur", &sd[c], 0.5, 0.75, 1);
	}
	rate("powers below 1", below, factor[3].n / 2, 0.5);
	rate("both powers below 1", both, factor[3].n / 2, 0.25);
	range("scaling", &scale, 0.7, 1.05, 1.4);
	range("noise", &noise, 0, 0.05, 0.1);
	range("low-resolution", &zoom, 0.5, 0.75, 1);
	range("brightness", &factor[0], 0.75, 1, 1.25);
	range("contrast", &factor[1], 0.75, 1, 1.25);
	range("inverted-gamma", &factor[2], 0.7, 1, 1.5);
	range("gamma", &factor[3], 0.7, 1, 1.5);
}

static void classes(const struct augmenter *a)
{
	struct series radius = {0}, choice = {0};
	double operators[5] = {0}, changed = 0, both = 0, removed = 0, first[2] = {0};

	for (int i = 0; i < DRAWS; i++) {
		struct augmentation d = nth(a, i);
		struct augment_class c[2] = { augment_draw_class(&d, a, 0), augment_draw_class(&d, a, 1) };
		for (int k = 0; k < 2; k++) {
			operators[c[k].operator]++;
			changed += c[k].operator != AUGMENT_KEEP;
			removed += c[k].removes;
			first[k] += c[0].turn[k] < c[1].turn[k];
			if (c[k].operator != AUGMENT_KEEP)
				add(&radius, c[k].radius);
			if (c[k].removes)
				add(&choice, c[k].choice);
		}
		both += c[0].operator != AUGMENT_KEEP && c[1].operator != AUGMENT_KEEP;
	}
	rate("classes with an operator", changed, 2 * DRAWS, 0.2);
	rate("both classes with an operator", both, DRAWS, 0.1);
	rate("classes that lose a component", removed, 2 * DRAWS, 0.1);
	for (int o = AUGMENT_DILATE; o <= AUGMENT_OPEN; o++)
		rate(augment_operator_name[o], operators[o], changed, 0.25);
	for (int k = 0; k < 2; k++)
		rate("class 0 before class 1", first[k], DRAWS, 0.5);
	range("radius", &radius, 1, 4.5, 8);
	range("choice", &choice, 0, 0.5, 1);
}

/* The angles of a network's patch: about n axes, up to so many degrees. */
static void angles(struct augmenter a, int64_t z, int64_t y, int64_t x, int n, double degrees)
{
	struct series s[3] = {0};
	double limit = degrees / 180 * acos(-1), mirrored_z = 0;

	memcpy(a.to, (int64_t[]){ z, y, x }, sizeof a.to);
	for (int i = 0; i < DRAWS; i++) {
		struct augmentation d = nth(&a, i);
		for (int axis = 0; axis < n; axis++)
			if (d.kinds >> AUGMENT_ROTATION & 1)
				add(&s[axis], d.angle[axis]);
		for (int axis = 0; axis < 3; axis++)
			if (d.angle[axis] != 0 && (axis >= n || !(d.kinds >> AUGMENT_ROTATION & 1)))
				wrong += printf("%lldx%lldx%lld is turned about axis %d\n", (long long)z, (long long)y, (long long)x, axis);
		mirrored_z += d.mirror[0];
	}
	for (int axis = 0; axis < n; axis++)
		range("rotation", &s[axis], -limit, 0, limit);
	rate("mirrored along z", mirrored_z, DRAWS, z > 1 ? 0.5 : 0);
}

/* Nothing is drawn that may not be, all with always; another seed, epoch, iteration or place draws other numbers. */
static void sets(struct augmenter a)
{
	struct augmentation d = nth(&a, 0);
	double same = 0;

	for (int i = 1; i < DRAWS; i++)
		same += nth(&a, i).noise_sd == d.noise_sd;
	a.seed++;
	same += nth(&a, 0).noise_sd == d.noise_sd;
	if (same > 0)
		wrong += printf("%g patches draw what the first one does\n", same);
	a.always = true;
	for (int k = 0; k < AUGMENT_KINDS; k++) {
		a.kinds = 1U << k;
		for (int i = 0; i < 100; i++) {
			d = nth(&a, i);
			if (d.kinds != a.kinds || (d.blur_sd[1][1] > 0) != (k == AUGMENT_BLUR) || (d.zoom[1] < 1) != (k == AUGMENT_LOW_RESOLUTION) ||
			    d.mirror[1] != (k == AUGMENT_MIRRORING) || (d.scale != 1) != (k == AUGMENT_SCALING) || (d.angle[1] != 0) != (k == AUGMENT_ROTATION))
				wrong += printf("%s alone draws something else\n", augment_name[k]);
		}
	}
}

int main(void)
{
	struct augmenter a = { .from = { 92, 92, 92 }, .to = { 64, 64, 64 }, .channels = 2, .classes = 2, .kinds = (1U << AUGMENT_KINDS) - 1 };

	patches(&a);
	channels(&a);
	classes(&a);
	angles(a, 1, 96, 64, 1, 180);           /* 1.5 times as long as wide is not more than that */
	angles(a, 1, 97, 64, 1, 15);
	angles(a, 64, 64, 64, 3, 30);
	angles(a, 40, 120, 100, 3, 30);
	angles(a, 39, 120, 100, 1, 180);
	sets(a);
	return wrong > 0;
}
