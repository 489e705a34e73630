#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/calibrate/fit.h"

static const double quanta_nll = 0x1p48;
static const double nothing = -40;               /* e^-40 beside 1 is below half a quantum of fp64 */

double fit_step_temperature(double step) { return exp2((step - FIT_ONE) / 8); }

static double sharpness(int step)                /* 1 / T */
{
	static double value[FIT_STEPS];

	if (!value[0])
		for (int k = 0; k < FIT_STEPS; k++)
			value[k] = 1 / fit_step_temperature(k);
	return value[step];
}

size_t fit_n_bins(const struct fit *f) { return (size_t)FIT_STEPS * (size_t)f->n_problems * (size_t)f->n_bins; }

void fit_make(struct fit *f, int n_problems, int bins)
{
	*f = (struct fit){ .n_problems = n_problems, .n_bins = bins };
	f->bin = xcalloc(fit_n_bins(f), sizeof *f->bin);
}

void fit_clear(struct fit *f)
{
	f->n = 0;
	memset(f->nll, 0, sizeof f->nll);
	memset(f->bin, 0, fit_n_bins(f) * sizeof *f->bin);
}

void fit_free(struct fit *f)
{
	free(f->bin);
	*f = (struct fit){0};
}

void fit_join(struct fit *f, const struct fit *part)
{
	f->n += part->n;
	for (int k = 0; k < FIT_STEPS; k++)
		f->nll[k] += part->nll[k];
	for (size_t i = 0; i < fit_n_bins(f); i++) {
		f->bin[i].n += part->bin[i].n;
		f->bin[i].events += part->bin[i].events;
		f->bin[i].p += part->bin[i].p;
	}
}

static void add(struct fit *f, int step, int problem, double p, bool event, double nll)
{
	struct bin *b = f->bin + ((size_t)step * (size_t)f->n_problems + (size_t)problem) * (size_t)f->n_bins;

	bin_add(&b[bin_of(p, f->n_bins)], p, event);
	f->nll[step] += (uint64_t)llrint(fmax(nll, 0) * quanta_nll);
}

void fit_add_classes(struct fit *f, const float *p, int classes, size_t stride, int truth, int best, double *scratch)
{
	double top = log((double)p[(size_t)best * stride]), behind = 0, floor_loss;
	bool zero;
	int n = 0;

	floor_loss = log_loss(p[(size_t)truth * stride], true, &zero);
	for (int c = 0; c < classes; c++) {              /* scratch: how far the others' logarithms lie behind */
		double q = (double)p[(size_t)c * stride];
		if (c == best || q <= 0)
			continue;
		scratch[n++] = log(q) - top;
		if (c == truth)
			behind = scratch[n - 1];
	}
	for (int k = 0; k < FIT_STEPS; k++) {
		double beta = sharpness(k), others = 0;
		for (int i = 0; i < n; i++)
			if (beta * scratch[i] > nothing)
				others += exp(beta * scratch[i]);
		add(f, k, 0, 1 / (1 + others), truth == best, zero ? floor_loss : log1p(others) - beta * behind);
	}
	f->n++;
}

void fit_add_region(struct fit *f, int region, float p, bool event)
{
	bool sure = p <= 0 || p >= 1, zero;
	double logit = sure ? 0 : log((double)p) - log1p(-(double)p), loss = log_loss(p, event, &zero);

	for (int k = 0; k < FIT_STEPS; k++) {
		double u = sharpness(k) * logit;
		add(f, k, region, sure ? (double)p : 1 / (1 + exp(-u)), event, sure ? loss : log1p(exp(event ? -u : u)));
	}
	f->n++;
}

/* The quartic through y[0..4] at 0..4 (Lagrange). */
static double quartic(const double *y, double x)
{
	double sum = 0;

	for (int i = 0; i < 5; i++) {
		double w = y[i];
		for (int j = 0; j < 5; j++)
			w *= j == i ? 1 : (x - j) / (i - j);
		sum += w;
	}
	return sum;
}

/* Where the quartic is least between lo and hi: golden section. */
static double least(const double *y, double lo, double hi)
{
	const double ratio = 0.6180339887498949;

	for (int i = 0; i < 64; i++) {
		double a = hi - ratio * (hi - lo), b = lo + ratio * (hi - lo);
		if (quartic(y, a) <= quartic(y, b))
			hi = b;
		else
			lo = a;
	}
	return (lo + hi) / 2;
}

static double ece(const struct fit *f, int step)
{
	double sum = 0;

	for (int r = 0; r < f->n_problems; r++)
		sum += bins_ece(f->bin + ((size_t)step * (size_t)f->n_problems + (size_t)r) * (size_t)f->n_bins, f->n_bins);
	return sum / f->n_problems;
}

enum fitted fit_solve(struct temperature *before, struct temperature *after, const struct fit *f)
{
	double y[FIT_STEPS], x, share;
	int k = FIT_ONE, first, below;
	bool flat = true;

	for (int i = 0; i < FIT_STEPS; i++)
		y[i] = f->n ? (double)f->nll[i] / quanta_nll / (double)f->n : NAN;
	*before = (struct temperature){ 1, y[FIT_ONE], ece(f, FIT_ONE) };
	*after = *before;
	for (int i = 0; i < FIT_STEPS; i++) {
		flat &= f->nll[i] == f->nll[FIT_ONE];
		if (f->nll[i] < f->nll[k])
			k = i;
	}
	if (flat)
		return FIT_NOTHING;
	if (k == 0 || k == FIT_STEPS - 1) {
		*after = (struct temperature){ fit_step_temperature(k), y[k], ece(f, k) };
		return FIT_AT_END;
	}
	first = k < 2 ? 0 : k > FIT_STEPS - 3 ? FIT_STEPS - 5 : k - 2;
	x = least(y + first, k - first - 1, k - first + 1);
	below = first + (int)x;
	share = first + x - below;
	*after = (struct temperature){ fit_step_temperature(first + x), quartic(y + first, x),
	                               (1 - share) * ece(f, below) + share * ece(f, below + 1) };
	return FIT_INSIDE;
}
