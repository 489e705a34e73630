/* render: draw segmentations and their uncertainty as PNG pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/progress.h"
#include "filters/render/layout.h"
#include "filters/render/slice.h"

static const char *folder, *images, *references, *kind;
static bool only_overlay, only_panel, only_thumbnail, pass;
static int slice_number;
static double scale_max = NAN;
static struct case_list sources;

static const struct opt opts[] = {
	OPT_STRING('o', "output", &folder, "FOLDER", "where the pictures go; it is made if it is missing"),
	OPT_STRING('i', "images", &images, "IMAGES", "folder of the source images (else the layer image, if there is one)"),
	OPT_STRING('r', "references", &references, "LABELS", "folder of reference labels, whose contours are drawn in white"),
	OPT_STRING('m', "map", &kind, "KIND", "map to show (else class_entropy or the first there is)"),
	OPT_DOUBLE(0, "max", &scale_max, "NUMBER", 1e-30, 1e30, "value at the upper end of the colour scale"),
	OPT_INT(0, "slice", &slice_number, "N", 1, 1 << 30, "draw the N-th slice of a volume (else the most uncertain)"),
	OPT_FLAG(0, "overlay", &only_overlay, "write CASE_overlay.png only"),
	OPT_FLAG(0, "panel", &only_panel, "write CASE_panel.png only"),
	OPT_FLAG(0, "thumbnail", &only_thumbnail, "write CASE_thumbnail.png only"),
	OPT_FLAG('p', "pass", &pass, "pass the stream on"),
	OPT_PROGRESS,
	OPT_KEEP_GOING,
	OPT_END
};

/* What belongs to one case beside its frame. */
struct work {
	struct slice slice;
	struct labels labels;
	struct image image, reference;          /* data is NULL where there is none */
	uint16_t *reference_plane;              /* [y][x] */
	float *image_plane;                     /* [channels][y][x] */
	char *figures, *map_title;
	int n_classes, *value;
	const char **class_name;
	char (*number)[12];                     /* names of classes that have none */
};

static void work_free(struct work *w)
{
	slice_free(&w->slice);
	labels_free(&w->labels);
	image_free(&w->image);
	image_free(&w->reference);
	free(w->reference_plane);
	free(w->image_plane);
	free(w->figures);
	free(w->map_title);
	free(w->value);
	free(w->class_name);
	free(w->number);
	*w = (struct work){0};
}

static bool same_grid(const struct image *im, const struct frame *f, const char *path)
{
	if (!memcmp(im->shape, f->shape, sizeof f->shape))
		return true;
	return fail(XDATA, "%s has %lldx%lldx%lld voxels, the case %lldx%lldx%lld", path,
	    (long long)im->shape[0], (long long)im->shape[1], (long long)im->shape[2],
	    (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2]);
}

static bool read_image(struct work *w, const struct frame *f)
{
	for (int i = 0; i < sources.n; i++) {
		const char *path = sources.c[i].path[0];
		if (!strcmp(sources.c[i].name, f->name))
			return image_read(&w->image, f->zone, path) && same_grid(&w->image, f, path);
	}
	return fail(XDATA, "there is no image of it in %s", images);
}

static bool read_reference(struct work *w, const struct frame *f)
{
	char *path = label_file(references, f->name);
	bool ok = path && image_read(&w->reference, f->zone, path) && same_grid(&w->reference, f, path);

	if (ok && w->reference.channels != 1)
		ok = fail(XDATA, "%s is a colour picture, not a label map", path);
	free(path);
	return ok;
}

static bool begin(struct work *w, const struct frame *f)
{
	*w = (struct work){0};
	if (slice_number > f->shape[0])
		return fail(XDATA, "it has no slice %d, its last is %lld", slice_number, (long long)f->shape[0]);
	if (!slice_begin(&w->slice, f, kind))
		return false;
	if (w->slice.probs || mpk_get(&f->header, "labels"))
		if (!labels_from_frame(&w->labels, f, w->slice.probs ? w->slice.probs->channels : 0))
			return false;
	return (!images || read_image(w, f)) && (!references || read_reference(w, f));
}

/* The values that a segmentation may hold and their names: regions in their order, classes, or those that occur. */
static void name_classes(struct work *w, size_t voxels)
{
	const uint16_t *label = w->slice.best.label;
	bool *seen = xcalloc(65536, sizeof *seen);
	int most = 0;

	for (size_t i = 0; i < voxels; i++)
		seen[label[i]] = true;
	for (int v = 1; v < 65536; v++)
		most += seen[v];
	most = w->labels.n ? labels_n_structures(&w->labels) : most;
	w->value = xcalloc((size_t)most, sizeof *w->value);
	w->class_name = xcalloc((size_t)most, sizeof *w->class_name);
	w->number = xcalloc((size_t)most, sizeof *w->number);
	for (int i = 0, v = 1; i < most; i++) {
		if (w->labels.n) {
			const struct label *l = labels_structure(&w->labels, i);
			w->value[i] = w->labels.has_regions ? w->labels.regions_class_order[i] : l->value[0];
			w->class_name[i] = l->name;
			continue;
		}
		while (!seen[v])
			v++;
		snprintf(w->number[i], sizeof w->number[i], "%d", v);
		w->class_name[i] = w->number[i];
		w->value[i] = v++;
	}
	w->n_classes = most;
	free(seen);
}

/* The least of 1, 2, 5, 10, ... that is not smaller. */
static double round_up(double v)
{
	double ten = pow(10, floor(log10(v)));

	return v <= ten ? ten : v <= 2 * ten ? 2 * ten : v <= 5 * ten ? 5 * ten : 10 * ten;
}

/* Where it has a natural largest value, the same for all cases; else what the case needs. */
static double map_max(const struct work *w)
{
	const char *base = mpk_get_str(&w->slice.map->map, "base", "");
	double classes = w->labels.n_outputs;

	if (!isnan(scale_max))
		return scale_max;
	if (!strcmp(w->slice.kind, "class_entropy") && classes > 1 && !w->labels.has_regions && *base)
		return !strcmp(base, "2") ? log2(classes) : !strcmp(base, "e") ? log(classes) : 1;
	return w->slice.max > 0 ? round_up(w->slice.max) : 1;
}

static void say_figures(struct work *w, const struct frame *f)
{
	const char *base = w->slice.map ? mpk_get_str(&w->slice.map->map, "base", "") : "";
	double score = w->slice.kind ? frame_score(f, w->slice.kind) : NAN, dice = frame_score(f, "dice");
	char a[64] = "", b[64] = "";

	if (w->slice.kind && mpk_get(mpk_get_map(&f->closing, "scores"), w->slice.kind))
		snprintf(a, sizeof a, "%.40s %.4g", w->slice.kind, score);
	if (mpk_get(mpk_get_map(&f->closing, "scores"), "dice"))
		snprintf(b, sizeof b, "%sDice %.3f", *a ? ", " : "", dice);
	w->figures = xasprintf("%s%s", a, b);
	w->map_title = xasprintf("%s%s", w->slice.kind ? w->slice.kind : "",
	    !strcmp(base, "2") ? ", bits" : !strcmp(base, "e") ? ", nats" : "");
}

/* The plane of all channels of a picture, or of the first of several that are no colours. */
static const float *plane_of(struct work *w, const struct frame *f, int *channels)
{
	size_t n = (size_t)(f->shape[1] * f->shape[2]);

	*channels = 1;
	if (!w->image.data)
		return w->slice.best.image;
	*channels = w->image.channels >= 3 ? 3 : 1;
	w->image_plane = xmalloc((size_t)*channels * n, sizeof *w->image_plane);
	for (int i = 0; i < *channels; i++) {
		const float *plane = w->image.data + ((size_t)i * (size_t)f->shape[0] + (size_t)w->slice.best.z) * n;
		memcpy(w->image_plane + (size_t)i * n, plane, n * sizeof(float));
	}
	return w->image_plane;
}

/* If it is among those asked for: all, unless some are named. */
static bool write_picture(const char *into, const struct scene *s, const char *what, bool (*write)(const char *, const struct scene *),
	bool asked)
{
	char *path;
	bool ok;

	if (!asked && (only_overlay || only_panel || only_thumbnail))
		return true;
	path = xasprintf("%s/%s_%s.png", into, s->name, what);
	ok = write(path, s);
	free(path);
	return ok;
}

static bool draw(struct work *w, const struct frame *f)
{
	const struct plane *p = &w->slice.best;
	size_t n = (size_t)(f->shape[1] * f->shape[2]);
	struct scene s = { .name = f->name, .z = p->z, .label = p->label, .map = p->map };
	char *into;
	bool ok;

	name_classes(w, n);
	say_figures(w, f);
	memcpy(s.shape, f->shape, sizeof s.shape);
	memcpy(s.spacing_mm, f->spacing_mm, sizeof s.spacing_mm);
	s.image = plane_of(w, f, &s.channels);
	s.map_max = p->map ? map_max(w) : 1;
	s.map_title = w->map_title;
	s.figures = w->figures;
	s.n_classes = w->n_classes;
	s.value = w->value;
	s.class_name = w->class_name;
	if (w->reference.data) {
		w->reference_plane = xmalloc(n, sizeof *w->reference_plane);
		for (size_t i = 0; i < n; i++) {
			float v = w->reference.data[(size_t)p->z * n + i];
			w->reference_plane[i] = v >= 0 && v <= 65535 ? (uint16_t)(v + 0.5f) : 0;
		}
		s.reference = w->reference_plane;
	}
	into = image_folder(folder, f);
	ok = into && write_picture(into, &s, "overlay", write_overlay, only_overlay) &&
	     write_picture(into, &s, "panel", write_panel, only_panel) && write_picture(into, &s, "thumbnail", write_thumbnail, only_thumbnail);
	free(into);
	return ok;
}

static void one_case(struct sink *out, struct source *in, struct frame *f)
{
	struct work w;
	bool ok = begin(&w, f), begun = false;

	while (ok && source_slab(in, f)) {
		ok = slice_take(&w.slice, f, &w.labels, slice_number - 1);
		if (ok && !begun)
			sink_begin(out, f);
		begun |= ok;
		if (ok)
			sink_slab(out, f);
	}
	if (!ok) {
		case_failed(out, in, f);
	} else {
		if (!f->failed && !draw(&w, f))         /* the stream may be under way: no failed frame can be made any more */
			die(failed_code(), "%s: %s", f->name, failed_text());
		sink_end(out, f);
	}
	work_free(&w);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct sink *out = NULL;
	bool failed = false;

	opt_parse(&argc, &argv, opts, "", "draw segmentations and their uncertainty as PNG pictures");
	if (!folder)
		opt_usage("-o FOLDER is needed");
	struct source *in = source_open(NULL);
	if (pass)
		out = sink_open(in);
	if (images && !case_list_folder(&sources, images, false))
		die_failed();
	if (!io_mkdirs(folder))
		die_failed();
	progress_begin(source_cases(in));
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f);
		failed |= f.failed != NULL;
		progress_step(f.name);
	}
	progress_end();
	case_list_free(&sources);
	frame_free(&f);
	int status = filter_end(in, out);
	return failed ? XDATA : status;
}
