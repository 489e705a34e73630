/* aggregate: scores of each uncertainty map: over the image, the segmentation, its boundary, patches and tails. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/aggregate/aggregate.h"
#include "filters/aggregate/volume.h"

static const char *list = "all", *ring = "both", *width = "2", *patch = "10", *quantile = "0.9";
static double threshold = NAN;
static bool in_slice, per_slice;
static struct settings settings;
static const struct opt opts[] = {
	OPT_STRING('a', "aggregations", &list, "LIST", "which, joined by commas"),
	OPT_CHOICE(0, "ring", &ring, "SIDE", "in|out|both", "side of the boundary whose voxels make ring"),
	OPT_STRING(0, "width", &width, "LENGTH", "how near to the boundary a voxel belongs to it, in voxels or as 3mm"),
	OPT_STRING(0, "patch", &patch, "LENGTH", "edge of the patch, in voxels or as 20mm"),
	OPT_FLAG(0, "in-slice", &in_slice, "measure distances and take patches within each slice"),
	OPT_DOUBLE(0, "threshold", &threshold, "T", -1e30, 1e30, "of threshold_mean, threshold_sum and threshold_share"),
	OPT_STRING(0, "quantile", &quantile, "Q", "of quantile_mean and quantile_sum; foreground: 1 minus its share"),
	OPT_EMPTY,
	OPT_FLAG(0, "per-slice", &per_slice, "also scores of each slice, for score --per-slice"),
	OPT_KEEP_GOING,
	OPT_END
};

/* One case while its slabs go by. */
struct job {
	struct scoring scoring;
	struct tally slice, all;
	uint16_t *seg;                   /* [z][y][x], if the whole case is needed */
	float *value;                    /* [n_views][z][y][x] likewise */
};

static struct length length_of(const char *option, const char *text)
{
	char *end;
	struct length l = { strtod(text, &end), false };

	l.mm = !strcmp(end, "mm");
	if (end == text || (*end && !l.mm) || !(l.n > 0 && l.n <= 1e6))
		opt_usage("--%s: '%s' is no length such as 2 (voxels) or 3.5mm", option, text);
	return l;
}

static _Noreturn void unknown(const char *name)
{
	char *names = xstrdup(aggregation_names[0]);

	for (int a = 1; a < AGGREGATIONS; a++) {
		char *more = xasprintf("%s %s", names, aggregation_names[a]);
		free(names);
		names = more;
	}
	opt_usage("-a: '%.40s' is none of %s", name, names);
}

static void choose(const char *text)
{
	char *names = xstrdup(text);

	for (char *s = names, *next; s; s = next) {
		int a = 0;
		next = strchr(s, ',');
		if (next)
			*next++ = 0;
		while (a < AGGREGATIONS && strcmp(s, aggregation_names[a]))
			a++;
		if (a == AGGREGATIONS)
			unknown(s);
		if (isnan(threshold) && a >= A_THRESHOLD_MEAN && a <= A_THRESHOLD_SHARE)
			opt_usage("%s needs --threshold", s);
		settings.wanted[a] = true;
	}
	free(names);
}

static void read_settings(void)
{
	char *end;

	settings.ring_in = strcmp(ring, "out");
	settings.ring_out = strcmp(ring, "in");
	settings.in_slice = in_slice;
	settings.threshold = threshold;
	settings.width = length_of("width", width);
	settings.patch = length_of("patch", patch);
	if (!settings.patch.mm && (settings.patch.n < 1 || settings.patch.n != floor(settings.patch.n)))
		opt_usage("--patch: '%s' is no whole number of voxels", patch);
	settings.quantile = strcmp(quantile, "foreground") ? strtod(quantile, &end) : NAN;
	if (strcmp(quantile, "foreground") && (end == quantile || *end || !(settings.quantile >= 0 && settings.quantile < 1)))
		opt_usage("--quantile: '%s' is neither a number from 0 to below 1 nor 'foreground'", quantile);
	if (strcmp(list, "all")) {
		choose(list);
		return;
	}
	for (int a = 0; a < AGGREGATIONS; a++)
		settings.wanted[a] = !isnan(threshold) || a < A_THRESHOLD_MEAN || a > A_THRESHOLD_SHARE;
}

/* Room for the whole case, where one of the aggregations needs it. */
static bool hold(struct job *j, const struct frame *f)
{
	size_t voxels = frame_grid_voxels(f), views = (size_t)j->scoring.n_views, each, need;

	if (!wants_volume(&settings))
		return true;
	each = sizeof *j->seg + views * sizeof *j->value + (wants_bands(&settings) ? bands_bytes(1) : 0);
	if (__builtin_mul_overflow(voxels, each, &need) || need > memory_limit)
		return fail(XDATA, "%s needs the whole case, %zu MiB, over the limit of %zu MiB (--memory raises it, -a leaves out "
		            "what needs it)", wants_bands(&settings) ? "the distance to the boundary" : "a patch or quantile",
		            voxels / 1024 * each >> 10, memory_limit >> 20);
	j->seg = xrealloc(j->seg, voxels, sizeof *j->seg);
	j->value = xrealloc(j->value, voxels, views * sizeof *j->value);
	return true;
}

static bool begin(struct job *j, const struct frame *f)
{
	if (!scoring_begin(&j->scoring, f, false, settings.wanted[A_CONTOUR_MM]) || !hold(j, f))
		return false;
	tally_begin(&j->slice, &j->scoring);
	tally_begin(&j->all, &j->scoring);
	return true;
}

/* The case from plane z on, so many planes. */
static struct grid grid_of(const struct job *j, const struct frame *f, int64_t z, int64_t planes)
{
	size_t at = (size_t)z * (size_t)f->shape[1] * (size_t)f->shape[2];
	struct grid g = { { planes, f->shape[1], f->shape[2] }, { f->spacing_mm[0], f->spacing_mm[1], f->spacing_mm[2] },
	                  j->seg, j->value, frame_grid_voxels(f), 0, NULL };

	if (wants_volume(&settings)) {
		g.seg += at;
		g.value += at;
	}
	return g;
}

static void keep(struct job *j, const struct frame *f)
{
	size_t voxels = frame_voxels(f), at = (size_t)(f->z * f->shape[1] + f->y) * (size_t)f->shape[2];

	if (!wants_volume(&settings))
		return;
	memcpy(j->seg + at, j->scoring.seg, voxels * sizeof *j->seg);
	for (int k = 0; k < j->scoring.n_views; k++)
		memcpy(j->value + (size_t)k * frame_grid_voxels(f) + at, j->scoring.value[k], voxels * sizeof *j->value);
}

static bool take_slab(struct job *j, struct frame *f)
{
	struct scoring *s = &j->scoring;
	size_t x = (size_t)f->shape[2], n = (size_t)f->dy * x;

	if (!scoring_slab(s, f))
		return false;
	keep(j, f);
	for (int64_t z = 0; z < f->dz; z++) {
		size_t at = (size_t)z * n;
		for (size_t v = 0; v < n; v += x)
			scoring_row(s, s->seg + at + v, f->shape[2]);
		tally_take(&j->slice, s, at, n, threshold);
		if (f->y + f->dy < f->shape[1])
			continue;
		scoring_slice_end(s);
		tally_slice_end(&j->slice, s);
		if (per_slice) {
			struct grid g = grid_of(j, f, f->z + z, 1);
			put_scores(s, f, f->z + z, &settings, &j->slice, &g);
		}
		tally_add(&j->all, &j->slice);
		tally_begin(&j->slice, s);
	}
	return true;
}

static bool slabs(struct sink *out, struct source *in, struct frame *f, struct job *j)
{
	bool begun = false;

	while (source_slab(in, f)) {
		if (!take_slab(j, f))
			return false;
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	if (f->failed)
		return true;
	struct grid g = grid_of(j, f, 0, f->shape[0]);
	put_scores(&j->scoring, f, -1, &settings, &j->all, &g);
	return scoring_done(&j->scoring, f, per_slice);
}

static void one_case(struct sink *out, struct source *in, struct frame *f, struct job *j)
{
	bool ok = scoring_find(&j->scoring, f, false);

	if (ok && !j->scoring.n_maps) {                 /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (ok && begin(j, f) && slabs(out, in, f, j))
		sink_end(out, f);
	else
		case_failed(out, in, f);
	scoring_end(&j->scoring);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct job j = {0};

	opt_parse(&argc, &argv, opts, "",
	          "scores of each uncertainty map: over the image, the segmentation, its boundary, patches and tails");
	read_settings();
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, &j);
	}
	scoring_free(&j.scoring);
	tally_free(&j.slice);
	tally_free(&j.all);
	free(j.seg);
	free(j.value);
	frame_free(&f);
	return filter_end(in, out);
}
