/* temper: probabilities made softer or sharper by a temperature. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/opt.h"
#include "common/tsv.h"

static const double coldest = 0.01, hottest = 100;
static double temperature;
static const char *fit;
static const struct opt opts[] = {
	OPT_DOUBLE('t', "temperature", &temperature, "T", coldest, hottest, "the temperature: above 1 softer, below 1 sharper"),
	OPT_STRING('f', "fit", &fit, "FILE", "take the temperature from the file that calibrate --fit wrote"),
	OPT_KEEP_GOING,
	OPT_END
};

/* The temperature in the row "after". */
static double read_fit(void)
{
	struct tsv t;
	int state, column;
	double v = NAN;

	if (!tsv_read(&t, fit))
		die_failed();
	state = tsv_column(&t, "state");
	column = tsv_column(&t, "temperature");
	for (size_t r = 0; state >= 0 && column >= 0 && !t.is_text[column] && r < t.n_rows; r++)
		if (!strcmp(t.cell[r * (size_t)t.n_columns + (size_t)state], "after"))
			v = tsv_number(&t, r, column);
	tsv_free(&t);
	if (!(v >= coldest && v <= hottest))
		die(XDATA, "%s holds no temperature of %g to %g as 'calibrate --fit' writes it", fit, coldest, hottest);
	return v;
}

/* softmax(log(p) / T), which is softmax(logits / T), since a voxel's log p and logits differ by one number.
 * p: [classes][voxels]; scratch: [classes]. */
static void temper_classes(float *p, double *scratch, int64_t classes, size_t voxels)
{
	for (size_t v = 0; v < voxels; v++) {
		float top = 0;
		double sum = 0;
		for (int64_t c = 0; c < classes; c++)
			top = fmaxf(top, p[(size_t)c * voxels + v]);
		for (int64_t c = 0; c < classes; c++) {
			scratch[c] = top > 0 ? pow((double)p[(size_t)c * voxels + v] / (double)top, 1 / temperature) : 0;
			sum += scratch[c];
		}
		for (int64_t c = 0; top > 0 && c < classes; c++)
			p[(size_t)c * voxels + v] = (float)(scratch[c] / sum);
	}
}

/* sigmoid(logit(p) / T); exact 0 and 1 stay what they are. */
static void temper_regions(float *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double odds = ((double)p[i]) / (1 - (double)p[i]);
		if (p[i] > 0 && p[i] < 1)
			p[i] = (float)(1 / (1 + pow(odds, -1 / temperature)));
	}
}

static bool in_range(const float *p, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= p[i] >= 0 && p[i] <= 1.0001f;             /* a softmax in fp32 may round to a little over 1 */
	return ok || fail(XDATA, "its probabilities hold a value that is not in 0 to 1");
}

/* A slab of one layer. */
static bool temper(struct layer *l, double *scratch, size_t voxels)
{
	if (!in_range(l->data, (size_t)l->channels * voxels))
		return false;
	if (temperature == 1)                                   /* renormalising would move a last bit */
		return true;
	if (mpk_is_str(mpk_get(&l->map, "activation"), "sigmoid"))
		temper_regions(l->data, (size_t)l->channels * voxels);
	else
		temper_classes(l->data, scratch, l->channels, voxels);
	return true;
}

static bool is_probs(const struct layer *l) { return !l->dropped && !strcmp(l->kind, "probs"); }

/* The layers' own key; the scratch for the classes of any, malloc'ed; NULL after fail(). */
static double *begin(struct frame *f)
{
	int64_t most = 1;

	for (int i = 0; i < f->n_layers; i++) {
		struct layer *l = f->layer[i];
		if (!is_probs(l))
			continue;
		if (l->type != DT_F4) {
			fail(XDATA, "its probabilities are of type %s, not <f4", dtype_name(l->type));
			return NULL;
		}
		layer_put(f, l, "temperature", mpk_real(temperature * mpk_get_real(&l->map, "temperature", 1)));
		most = l->channels > most ? l->channels : most;
	}
	return xmalloc((size_t)most, sizeof(double));
}

static void one_case(struct sink *out, struct source *in, struct frame *f)
{
	double *scratch = begin(f);
	bool ok = scratch, begun = false;

	while (ok && source_slab(in, f)) {
		for (int i = 0; ok && i < f->n_layers; i++)
			ok = !is_probs(f->layer[i]) || temper(f->layer[i], scratch, frame_voxels(f));
		if (!ok)
			break;
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	if (ok)
		sink_end(out, f);
	else
		case_failed(out, in, f);
	free(scratch);
}

int main(int argc, char **argv)
{
	struct frame f = {0};

	opt_parse(&argc, &argv, opts, "", "probabilities made softer or sharper by a temperature");
	if ((temperature > 0) == (fit != NULL))
		opt_usage("either -t T or -f FILE says the temperature");
	if (fit)
		temperature = read_fit();
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f);
	}
	frame_free(&f);
	return filter_end(in, out);
}
