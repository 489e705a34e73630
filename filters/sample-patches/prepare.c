#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/image.h"
#include "common/training-volume.h"
#include "filters/sample-patches/sample.h"

/* A label map in the order of the image's file; NULL after fail(). */
static int16_t *aligned(const struct training_volume *label, const struct training_volume *image, const char *path)
{
	int16_t *out = xmalloc(frame_grid_voxels(&image->f), sizeof *out);
	const int64_t *s = image->stride, *t = label->stride;

	for (int64_t i = 0; i < image->shape[0]; i++)
		for (int64_t j = 0; j < image->shape[1]; j++)
			for (int64_t k = 0; k < image->shape[2]; k++) {
				float v = label->data[label->begin + i * t[0] + j * t[1] + k * t[2]];
				if (!(v >= 0 && v <= INT16_MAX) || v != (float)(int)v) {
					fail(XDATA, "%s holds %g, which is no label", path, (double)v);
					free(out);
					return NULL;
				}
				out[image->begin + i * s[0] + j * s[1] + k * s[2]] = (int16_t)v;
			}
	return out;
}

/* The label map at path on the grid of the image; NULL after fail(). */
static int16_t *read_labels(const struct training_case *c, char *path, const struct training_volume *image, const char *reader, FILE *to)
{
	struct training_volume label = {0};
	int16_t *out = NULL;

	if (!training_volume_read(&label, to, c, &path, 1, reader) ||
	    !training_same_grid(to, c, image->shape, image->spacing, c->image[0], label.shape, label.spacing, path))
		fail(XDATA, "its files do not fit");
	else
		out = aligned(&label, image, path);
	training_volume_free(&label);
	return out;
}

static bool prepare_from(struct prepared *p, const struct training_case *c, const struct training_set *s, const struct plan *plan,
                         const char *reader, const char *previous, FILE *to)
{
	struct training_volume image = {0};
	char *path = previous ? label_file(previous, c->name) : NULL;
	int16_t *label = NULL, *before = NULL;
	bool ok = !previous || path;

	if (ok && !training_volume_read(&image, to, c, c->image, c->n_images, reader))
		ok = fail(XDATA, "its files do not fit");
	ok = ok && (label = read_labels(c, c->label, &image, reader, to)) &&
	     (!previous || (before = read_labels(c, path, &image, reader, to))) &&
	     preprocess_training(&p->image, &p->label, &p->g, image.data, image.channels, image.f.shape, image.f.spacing_mm, &image.o,
	                         before, label, &s->dataset.labels, plan);
	free(label);
	free(before);
	free(path);
	training_volume_free(&image);
	return ok;
}

bool prepare(struct prepared *p, const struct training_case *c, const struct training_set *s, const struct plan *plan,
             const char *reader, const char *previous)
{
	char *problems;
	size_t n;
	FILE *to = open_memstream(&problems, &n);
	bool ok;

	if (!to)
		die(XIO, "out of memory");
	*p = (struct prepared){ .name = c->name, .channels = plan->n_channels + (previous ? s->dataset.labels.n_foreground : 0) };
	ok = prepare_from(p, c, s, plan, reader, previous, to);
	if (fclose(to))
		die(XIO, "out of memory");
	if (!ok && n)                           /* the first line says what is wrong; fingerprint tells all of them */
		fail(XDATA, "%.*s", (int)strcspn(problems + strlen(c->name) + 2, "\n"), problems + strlen(c->name) + 2);
	free(problems);
	if (!ok)
		return false;
	if (p->g.network[0] * p->g.network[1] * p->g.network[2] > UINT32_MAX)
		return fail(XDATA, "it has more than 2^32 voxels at the plan's spacing");
	places_find(p, &s->dataset.labels);
	p->bytes = (size_t)(p->g.network[0] * p->g.network[1] * p->g.network[2]) * ((size_t)p->channels * sizeof(float) + sizeof(int16_t));
	for (int k = 0; k < p->n_places; k++)
		p->bytes += p->of[k].n * sizeof *p->of[k].at;
	return true;
}

void prepared_free(struct prepared *p)
{
	free(p->image);
	free(p->label);
	for (int k = 0; k < p->n_places; k++)
		free(p->of[k].at);
	free(p->of);
	*p = (struct prepared){0};
}
