#include <math.h>
#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/fast.h"

/* What the passes over one layer's voxels share: `samples` samples from the first one on. */
struct pass {
	struct fast *e;
	const struct step *l;
	const struct layout *out;
	const struct fast_kernels *k;
	int first, samples, runs;
	float *d;                       /* the gradient by the layer's value, [blocks][samples][pixels][lanes] */
};

static struct pass pass_of(struct fast *e, const struct step *l, int first, int samples)
{
	const struct layout *out = &e->value[l->node->out];

	return (struct pass){ e, l, out, l->forward.k, first, samples, norm_runs(out->pixels), e->gradient + out->gradient };
}

/* Item i is run i % runs of block and sample i / runs = block * samples + sample. */
static int item(int *block, int *sample, size_t *pixels, const struct pass *p, int i)
{
	int run = i % p->runs, left = p->out->pixels - run * NORM_PIXELS;

	*block = i / p->runs / p->samples;
	*sample = i / p->runs % p->samples;
	*pixels = (size_t)(left < NORM_PIXELS ? left : NORM_PIXELS);
	return run * NORM_PIXELS;
}

/* The item's first pixel in values of all samples, [blocks][batch][pixels][lanes]. */
static size_t place(const struct pass *p, int block, int sample, int pixel)
{
	size_t before = (size_t)block * (size_t)p->e->batch + (size_t)(p->first + sample);

	return (before * (size_t)p->out->pixels + (size_t)pixel) * (size_t)p->out->lanes;
}

/* And in gradients. */
static float *gradient_of(const struct pass *p, int block, int sample, int pixel)
{
	size_t before = (size_t)block * (size_t)p->samples + (size_t)sample;

	return p->d + (before * (size_t)p->out->pixels + (size_t)pixel) * (size_t)p->out->lanes;
}

/* Two vectors of sums of each item. */
static double *statistics(const struct pass *p, int i) { return p->e->statistics + 2 * (size_t)i * (size_t)p->out->lanes; }

static size_t vector(const struct pass *p, int block, int sample)
{
	return ((size_t)(p->first + sample) * (size_t)p->out->blocks + (size_t)block) * (size_t)p->out->lanes;
}

static void measure(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	int block, sample, pixel;
	size_t pixels;

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	p->k->infer->moments(statistics(p, i), p->e->data + p->l->raw + place(p, block, sample, pixel), pixels, 1);
}

/* Mean and sum of squared deviations of a block and sample in the place of its first run's: those of its runs joined (Chan, Golub
 * and LeVeque, 1979), in their order. */
static void join(const struct pass *p, int i)
{
	int lanes = p->out->lanes;
	double *mean = statistics(p, i), *squares = mean + lanes;

	for (int run = 1; run < p->runs; run++) {
		const double *m = statistics(p, i + run), *s = m + lanes;
		double before = (double)run * NORM_PIXELS, left = (double)p->out->pixels - before, n = left < NORM_PIXELS ? left : NORM_PIXELS;
		for (int o = 0; o < lanes; o++) {
			double d = m[o] - mean[o];
			squares[o] += s[o] + d * d * before * n / (before + n);
			mean[o] += d * n / (before + n);
		}
	}
}

static const float *parameter(const struct fast *e, int i) { return e->weights + e->network->parameter[i].offset; }

/* y = gamma (x - mean) / sqrt(var + eps) + beta (contract 3) as x * scale + shift. */
static void set_norm(const struct pass *p, int block, int sample)
{
	const struct node *o = p->l->node;
	const double *mean = statistics(p, (block * p->samples + sample) * p->runs), *squares = mean + p->out->lanes;
	float *data = p->e->data + vector(p, block, sample);

	for (int i = 0; i < p->out->lanes; i++) {
		int c = block * p->out->lanes + i;
		bool used = c < p->out->channels;
		double rstd = used ? 1 / sqrt(squares[i] / p->out->pixels + (double)o->eps) : 0;
		double scale = used ? (double)parameter(p->e, o->gamma)[c] * rstd : 0;
		data[p->l->mean + (size_t)i] = (float)mean[i];
		data[p->l->rstd + (size_t)i] = (float)rstd;
		data[p->l->scale + (size_t)i] = (float)scale;
		data[p->l->shift + (size_t)i] = used ? (float)((double)parameter(p->e, o->beta)[c] - mean[i] * scale) : 0;
	}
}

static struct norm norm_of(const struct pass *p, int block, int sample)
{
	const float *data = p->e->data + vector(p, block, sample);
	const struct node *o = p->l->node;

	return (struct norm){ data + p->l->scale, data + p->l->shift, o->leaky && o->residual < 0 ? o->slope : 1 };
}

/* out = leaky(norm(x) + residual) */
static void add_residual(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	const struct node *o = p->l->node;
	const struct layout *residual = &p->e->value[o->residual];
	int block, sample, pixel;
	size_t pixels, at;
	struct norm a, r = { .slope = 1 };

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	at = place(p, block, sample, pixel);
	a = norm_of(p, block, sample);
	a.slope = o->leaky ? o->slope : 1;
	if (residual->normed_by >= 0) {
		const struct step *of = &p->e->layer[residual->normed_by];
		const float *data = p->e->data + vector(p, block, sample);
		r = (struct norm){ data + of->scale, data + of->shift, of->node->leaky ? of->node->slope : 1 };
	}
	p->k->join(p->e->data + p->out->data + at, p->e->data + p->l->raw + at, &a, p->e->data + residual->data + at, r.scale ? &r : NULL,
	           pixels);
}

void norm_measure(struct fast *e, const struct step *l)
{
	struct pass p = pass_of(e, l, 0, e->batch);
	int items = p.out->blocks * p.samples * p.runs;

	if (!l->node->norm)
		return;
	parallel_for(e->threads, items, measure, &p);
	for (int i = 0; i < items; i += p.runs) {
		join(&p, i);
		set_norm(&p, i / p.runs / p.samples, i / p.runs % p.samples);
	}
	if (l->node->residual >= 0)
		parallel_for(e->threads, items, add_residual, &p);
}

/* ---- backward ---- */

/* Through the leaky ReLU after a residual sum, whose derivative goes to the residual, too. */
static void split(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	const struct node *o = p->l->node;
	int block, sample, pixel;
	size_t pixels;
	float *d, *residual;

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	d = gradient_of(p, block, sample, pixel);
	residual = p->e->gradient + p->e->value[o->residual].gradient + (d - p->d);
	if (o->leaky)
		p->k->leaky_back(d, p->e->data + p->out->data + place(p, block, sample, pixel), o->slope, pixels);
	if (p->e->reached[o->residual])
		p->k->add(residual, d, pixels);
	else
		memcpy(residual, d, pixels * (size_t)p->out->lanes * sizeof *d);
}

static void set_lanes(struct norm_lanes *l, const struct pass *p, int block, int sample)
{
	const float *data = p->e->data + vector(p, block, sample);
	int lanes = p->out->lanes;

	for (int i = 0; i < lanes; i++) {
		int c = block * lanes + i;
		l->mean[i] = data[p->l->mean + (size_t)i];
		l->rstd[i] = data[p->l->rstd + (size_t)i];
		l->gamma[i] = c < p->out->channels ? parameter(p->e, p->l->node->gamma)[c] : 0;
	}
}

static void set_means(struct norm_lanes *l, const struct pass *p, int block, int sample)
{
	const double *sums = statistics(p, (block * p->samples + sample) * p->runs);
	int lanes = p->out->lanes;

	for (int i = 0; i < lanes; i++) {
		l->dz[i] = (float)(sums[i] / p->out->pixels);
		l->dz_x[i] = (float)(sums[lanes + i] / p->out->pixels);
	}
}

static void sum_run(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	int block, sample, pixel;
	size_t pixels;
	struct norm_lanes lanes;
	struct norm a;

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	a = norm_of(p, block, sample);
	set_lanes(&lanes, p, block, sample);
	p->k->norm_sums(statistics(p, i), statistics(p, i) + p->out->lanes, gradient_of(p, block, sample, pixel),
	                p->e->data + p->l->raw + place(p, block, sample, pixel), &a, &lanes, pixels);
}

static void apply_run(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	int block, sample, pixel;
	size_t pixels;
	struct norm_lanes lanes;
	struct norm a;

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	a = norm_of(p, block, sample);
	set_lanes(&lanes, p, block, sample);
	set_means(&lanes, p, block, sample);
	p->k->norm_back(gradient_of(p, block, sample, pixel), p->e->data + p->l->raw + place(p, block, sample, pixel), &a, &lanes, pixels);
}

/* While the run is near, where it is the only one. */
static void sum_and_apply(void *arg, int i, int worker)
{
	sum_run(arg, i, worker);
	apply_run(arg, i, worker);
}

/* Sums of a block's samples in order: d beta = sum of dz, d gamma = sum of dz (x - mean) rstd. */
static void norm_gradients(const struct pass *p, float *gradients)
{
	const struct node *o = p->l->node;
	float *gamma = gradients + p->e->network->parameter[o->gamma].offset, *beta = gradients + p->e->network->parameter[o->beta].offset;

	for (int c = 0; c < p->out->channels; c++) {
		int lanes = p->out->lanes, block = c / lanes;
		double dz = 0, dz_x = 0;
		for (int s = 0; s < p->samples; s++) {
			const double *sums = statistics(p, (block * p->samples + s) * p->runs);
			dz += sums[c % lanes];
			dz_x += sums[lanes + c % lanes];
		}
		gamma[c] += (float)dz_x;
		beta[c] += (float)dz;
	}
}

void norm_back(struct fast *e, const struct step *l, int first, int samples, float *gradients)
{
	struct pass p = pass_of(e, l, first, samples);
	int items = p.out->blocks * samples * p.runs;

	if (l->node->residual >= 0) {
		parallel_for(e->threads, items, split, &p);
		e->reached[l->node->residual] = true;
	}
	parallel_for(e->threads, items, p.runs == 1 ? sum_and_apply : sum_run, &p);
	for (int i = 0; i < items && p.runs > 1; i += p.runs)
		for (int run = 1; run < p.runs; run++)
			for (int o = 0; o < 2 * p.out->lanes; o++)
				statistics(&p, i)[o] += statistics(&p, i + run)[o];
	norm_gradients(&p, gradients);
	if (p.runs > 1)
		parallel_for(e->threads, items, apply_run, &p);
}

static void sum_bias(void *arg, int i, int worker)
{
	const struct pass *p = arg;
	int block, sample, pixel;
	size_t pixels;

	(void)worker;
	pixel = item(&block, &sample, &pixels, p, i);
	p->k->sum(statistics(p, i), gradient_of(p, block, sample, pixel), pixels);
}

void bias_back(struct fast *e, const struct step *l, int samples, float *gradient)
{
	struct pass p = pass_of(e, l, 0, samples);
	int per_block = samples * p.runs;

	parallel_for(e->threads, p.out->blocks * per_block, sum_bias, &p);
	for (int c = 0; c < p.out->channels; c++) {
		double sum = 0;
		for (int i = 0; i < per_block; i++)
			sum += statistics(&p, c / p.out->lanes * per_block + i)[c % p.out->lanes];
		gradient[c] += (float)sum;
	}
}
