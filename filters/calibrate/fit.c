#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/calibrate/fit.h"

static const double quanta_nll = 0x1p48;
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

/* A voxel of one problem: n other probabilities beside the largest, whose logarithms lie d [n] behind the largest's. */
struct voxel {
	int problem, n;
	double *d, *scratch;     /* both [n] */
	bool under;              /* the problem's probability is that of the others together, not the largest */
	bool event;
	double behind;           /* how far the logarithm of what happened lies behind */
	double fixed;            /* its loss where T does not change it; NaN else */
};

/* All steps.  An octave further down 1 / T is twice as large, and so e^(d / T) the square of what it was. */
static void add_steps(struct fit *f, const struct voxel *v)
{
	enum { OCTAVE = 8 };
	double *w = v->scratch;

	for (int top = FIT_STEPS - 1; top > FIT_STEPS - 1 - OCTAVE; top--) {
		for (int i = 0; i < v->n; i++)
			w[i] = exp(sharpness(top) * v->d[i]);
		for (int k = top; k >= 0; k -= OCTAVE) {
			double others = 0, p;
			for (int i = 0; i < v->n; i++) {
				others += w[i];
				w[i] = w[i] > 1e-20 ? w[i] * w[i] : 0;          /* the square is nothing beside 1 */
			}
			p = (v->under ? others : 1) / (1 + others);
			add(f, k, v->problem, p, v->event, isnan(v->fixed) ? log(1 + others) - sharpness(k) * v->behind : v->fixed);
		}
	}
	f->n++;
}

void fit_add_classes(struct fit *f, const float *p, int classes, size_t stride, int truth, int best, double *scratch)
{
	struct voxel v = { .d = scratch, .scratch = scratch + classes, .event = truth == best, .fixed = NAN };
	double top = log((double)p[(size_t)best * stride]), loss;
	bool zero;

	loss = log_loss(p[(size_t)truth * stride], true, &zero);
	if (zero)
		v.fixed = loss;
	for (int c = 0; c < classes; c++) {
		double q = (double)p[(size_t)c * stride];
		if (c == best || q <= 0)
			continue;
		v.d[v.n++] = log(q) - top;
		if (c == truth)
			v.behind = v.d[v.n - 1];
	}
	add_steps(f, &v);
}

void fit_add_region(struct fit *f, int region, float p, bool event)
{
	double scratch, behind = -fabs(log((double)p) - log1p(-(double)p));
	struct voxel v = { .problem = region, .n = 1, .d = &behind, .scratch = &scratch, .under = p < 0.5f, .event = event, .fixed = NAN };
	bool zero;

	if (event == v.under)
		v.behind = behind;
	if (p <= 0 || p >= 1) {                         /* these stay as they are */
		v.n = 0;
		v.fixed = log_loss(p, event, &zero);
	}
	add_steps(f, &v);
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
