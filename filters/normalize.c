/* normalize: bring images onto a network's grid: transpose, crop, normalise, resample. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/checkpoint.h"
#include "common/die.h"
#include "common/image.h"
#include "common/nonfinite.h"
#include "common/opt.h"
#include "common/preprocess.h"
#include "common/progress.h"

static const char *configuration, *previous;

static const struct opt opts[] = {
	OPT_STRING('c', "configuration", &configuration, "NAME", "the plans' configuration (else that of the first checkpoint)"),
	OPT_STRING(0, "previous", &previous, "FOLDER", "label maps of the previous stage of a cascade"),
	OPT_KEEP_GOING,
	OPT_PROGRESS,
	OPT_END
};

struct model {
	struct plan plan;
	struct dataset dataset;
};

/* The configuration of a checkpoint, malloc'ed; NULL if it does not say. */
static char *of_checkpoint(const char *path)
{
	struct checkpoint c;
	char *found;

	if (!checkpoint_open_settings(&c, path))
		die_failed();
	found = c.configuration ? xstrdup(c.configuration) : NULL;
	checkpoint_close(&c);
	return found;
}

/* -c, or what the model folder says without doubt. */
static char *choose_configuration(const char *model, const char *plans_json)
{
	char *path = configuration ? NULL : model_first_checkpoint(model), **names;
	char *found = configuration ? xstrdup(configuration) : path ? of_checkpoint(path) : NULL, choices[400] = "";

	free(path);
	if (found)
		return found;
	names = plans_configurations(plans_json);
	if (!names)
		die_failed();
	if (names[0] && !names[1])
		found = xstrdup(names[0]);
	for (size_t i = 0, n = 0; names[i] && n < sizeof choices; i++)
		n += (size_t)snprintf(choices + n, sizeof choices - n, "%s%s", i ? ", " : "", names[i]);
	free(names);
	if (!found)
		opt_usage("%s holds no checkpoint that names a configuration; choose one of %s with -c", model, choices);
	return found;
}

static void read_model(struct model *m, const char *folder)
{
	char *plans = xasprintf("%s/plans.json", folder), *dataset = xasprintf("%s/dataset.json", folder), *name;

	if (!dataset_read(&m->dataset, dataset))
		die_failed();
	name = choose_configuration(folder, plans);
	if (!plan_read(&m->plan, plans, name))
		die_failed();
	if (m->dataset.n_channels != m->plan.n_channels)
		die(XDATA, "%s has %d channels, configuration %s of %s normalises %d", dataset, m->dataset.n_channels, name,
		    plans, m->plan.n_channels);
	if (m->plan.previous_stage && !previous)
		opt_usage("configuration %s needs the label maps that %s predicted: --previous FOLDER", name,
		          m->plan.previous_stage);
	if (!m->plan.previous_stage && previous)
		opt_usage("configuration %s has no previous stage, but --previous is given", name);
	say("configuration %s, plan %s", name, m->plan.hash);
	free(name);
	free(plans);
	free(dataset);
}

/* The previous stage's label map of a case, [z][y][x]; NULL after fail(). */
static int16_t *previous_labels(const struct frame *f)
{
	char *path = label_file(previous, f->name);
	size_t n = frame_grid_voxels(f);
	struct image im = {0};
	int16_t *labels = NULL;

	if (path && image_read(&im, f->zone, path)) {
		if (im.channels != 1 || memcmp(im.shape, f->shape, sizeof im.shape))
			fail(XDATA, "%s is not of the image's grid of %lld x %lld x %lld voxels", path, (long long)f->shape[0],
			     (long long)f->shape[1], (long long)f->shape[2]);
		else
			labels = xmalloc(n, sizeof *labels);
		for (size_t i = 0; labels && i < n; i++) {
			float v = im.data[i];
			if (v >= 0 && v <= INT16_MAX && v == (float)(int16_t)v) {
				labels[i] = (int16_t)v;
				continue;
			}
			fail(XDATA, "%s holds %g, which is no label", path, v);
			free(labels);
			labels = NULL;
		}
		image_free(&im);
	}
	free(path);
	return labels;
}

/* The frame `to` becomes `from` on the network's grid; all layers of `from` are whole volumes. */
static bool normalize(struct frame *to, const struct frame *from, const struct layer *image, const struct model *m)
{
	size_t n = (size_t)image->channels * frame_grid_voxels(from);
	const float *data = image->data;
	float *widened = NULL, *out = NULL;
	int16_t *labels = NULL;
	struct orientation o;
	struct grids g;
	struct layer *l;
	bool ok = true;

	if (mpk_get(mpk_get_map(&from->header, "geometry"), "network"))
		return fail(XDATA, "it is on a network's grid already; normalize takes images as decode writes them");
	if (image->channels != m->plan.n_channels)
		return fail(XDATA, "the image has %lld channels, the model takes %d (%s, ...)", (long long)image->channels,
		            m->plan.n_channels, m->dataset.channel_name[0]);
	if (!orient_find(&o, from, m->plan.reader) || (previous && !(labels = previous_labels(from))))
		return false;
	if (image->type != DT_F4) {
		widened = xmalloc(n, sizeof *widened);
		dtype_to_float(widened, image->data, image->type, n);
		data = widened;
	} else if (o.keeps_nonfinite) {
		ok = nonfinite_restore(image->data, n, mpk_get_map(&from->header, "geometry"));
	}
	ok = ok && preprocess(&out, &g, data, image->channels, from->shape, from->spacing_mm, &o, labels,
	                      &m->dataset.labels, &m->plan);
	free(widened);
	free(labels);
	if (!ok)
		return false;
	frame_inherit(to, from);
	l = frame_add(to, "image", DT_F4, plan_input_channels(&m->plan, &m->dataset.labels));
	frame_grid(to, g.network, g.network_spacing, 0);
	free(l->data);
	l->data = out;
	l->capacity = (size_t)l->channels * frame_grid_voxels(to) * sizeof *out;
	grids_to_frame(to, &g);
	mpk_remove(mpk_get_map(&to->header, "geometry"), "nonfinite");
	labels_to_frame(to, &m->dataset.labels);
	return true;
}

static void put_plan(struct frame *f, const struct plan *p)
{
	msgpack_object plan = mpk_map();

	mpk_put(f->zone, &plan, "hash", mpk_str(f->zone, p->hash));
	mpk_put(f->zone, &plan, "configuration", mpk_str(f->zone, p->configuration));
	mpk_put(f->zone, &plan, "plans_name", mpk_str(f->zone, p->plans_name));
	frame_put(f, "plan", plan);
}

int main(int argc, char **argv)
{
	struct model m;
	struct source *in;
	struct sink *out;
	struct frame f = {0}, normalized = {0};

	opt_parse(&argc, &argv, opts, "MODEL", "bring images onto a network's grid: transpose, crop, normalise, resample");
	if (argc != 1)
		opt_usage("expected one operand, the model folder with plans.json and dataset.json");
	read_model(&m, argv[0]);
	in = source_open(NULL);
	out = sink_open(in);
	progress_begin(source_cases(in));
	while (source_next(in, &f)) {
		struct layer *image = frame_layer(&f, "image");
		if (!image)
			sink_pass(out, in, &f);
		else if (source_volume(in, &f) && normalize(&normalized, &f, image, &m)) {
			put_plan(&normalized, &m.plan);
			normalized.closing = mpk_copy(normalized.zone, f.closing);
			sink_volume(out, &normalized);
		} else
			case_failed(out, in, &f);
		progress_step(f.name);
	}
	progress_end();
	frame_free(&f);
	frame_free(&normalized);
	plan_free(&m.plan);
	dataset_free(&m.dataset);
	return filter_end(in, out);
}
