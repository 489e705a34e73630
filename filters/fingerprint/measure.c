#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/crop.h"
#include "common/die.h"
#include "common/image.h"
#include "common/mt19937.h"
#include "common/progress.h"
#include "common/training-volume.h"
#include "filters/fingerprint/fingerprint.h"

enum {
	SHOWN = 6,                       /* unexpected values that a message lists */
	ROUND = 4096                     /* numbers drawn at a time */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void check_channels(FILE *to, const struct training_case *c, const struct training_volume *image, const struct dataset *d)
{
	size_t n = frame_grid_voxels(&image->f);

	if (image->channels != d->n_channels)
		training_problem(to, c, "%d channels are expected (%s%s), %s%s %lld", d->n_channels, d->channel_name[0],
		        d->n_channels > 1 ? ", ..." : "", c->image[0],
		        c->n_images > 1 ? " and the other files have" : " has", (long long)image->channels);
	for (int64_t k = 0; k < image->channels; k++) {
		const float *x = image->data + (size_t)k * n;
		size_t bad = 0;
		for (size_t i = 0; i < n; i++)
			bad += isnan(x[i]) != 0;
		if (bad)
			training_problem(to, c, "%s: %zu voxels of channel %lld are not a number (NaN)",
			        c->n_images == image->channels ? c->image[k] : c->image[0], bad, (long long)k);
	}
}

static void check_label(FILE *to, const struct training_case *c, const struct training_volume *label, const struct labels *l)
{
	int top = l->ignore >= 0 ? l->ignore : l->n_foreground, n = 0;
	float found[SHOWN];
	bool more = false;
	char text[SHOWN * 20] = "";

	if (label->channels != 1)
		training_problem(to, c, "%s has %lld channels; a label map has one", c->label, (long long)label->channels);
	for (size_t i = 0, voxels = frame_grid_voxels(&label->f); i < voxels; i++) {
		float v = label->data[i];
		int k = 0;
		if (v >= 0 && v <= (float)top && v == (float)(int)v)
			continue;
		while (k < n && found[k] != v && !(isnan(v) && isnan(found[k])))
			k++;
		if (k < n)
			continue;
		if (n == SHOWN)
			more = true;
		else
			found[n++] = v;
	}
	for (int k = 0, at = 0; k < n; k++)
		at += snprintf(text + at, sizeof text - (size_t)at, isnan(found[k]) ? "%sNaN" : "%s%g", k ? ", " : "", found[k]);
	if (n)
		training_problem(to, c, "%s holds the value%s %s%s; dataset.json knows 0 to %d", c->label, n > 1 ? "s" : "", text,
		        more ? ", ..." : "", top);
}

/* nnU-Net only warns when a label map lies elsewhere in space. */
static void compare_places(const struct training_case *c, const struct training_volume *image, const struct training_volume *label)
{
	double a[3][4], b[3][4];
	bool same = true;

	if (image_affine(a, &image->f, true) != 3 || image_affine(b, &label->f, true) != 3)
		return;
	for (int i = 0; i < 12; i++)
		same &= training_close(b[i / 4][i % 4], a[i / 4][i % 4]);
	if (!same)
		warn("%s: origin or orientation of %s is not that of %s; look whether they fit", c->name,
		     c->label, c->image[0]);
}

/* Places of the voxels of the foreground within the box in scan order, malloc'ed.  lo, hi: in the reader's axes. */
static size_t *foreground(size_t *n, const struct training_volume *image, const struct training_volume *label, const int64_t lo[3], const int64_t hi[3])
{
	size_t *at = NULL, room = 0;
	const int64_t *s = image->stride, *t = label->stride;

	*n = 0;
	for (int64_t i = lo[0]; i < hi[0]; i++)
		for (int64_t j = lo[1]; j < hi[1]; j++)
			for (int64_t k = lo[2]; k < hi[2]; k++) {
				if (!(label->data[label->begin + i * t[0] + j * t[1] + k * t[2]] > 0))
					continue;
				if (*n == room)
					at = xrealloc(at, room = room ? 2 * room : 1024, sizeof *at);
				at[(*n)++] = (size_t)(image->begin + i * s[0] + j * s[1] + k * s[2]);
			}
	return at;
}

/* Voxels are drawn with replacement; one sequence of random numbers goes through the channels (contract 7.1). */
static void draw(const struct job *j, const struct training_volume *image, const size_t *at, size_t n)
{
	float *value = xmalloc(n, sizeof *value);
	uint32_t *count = xmalloc(n, sizeof *count), drawn[ROUND];
	struct mt19937 r;

	mt_seed(&r, 1234);
	for (int64_t c = 0; c < image->channels; c++) {
		const float *x = image->data + (size_t)c * frame_grid_voxels(&image->f);
		memset(count, 0, n * sizeof *count);
		for (uint32_t k = 0, some; k < j->samples; k += some) {
			some = j->samples - k < ROUND ? j->samples - k : ROUND;
			mt_many_below(&r, drawn, some, (uint32_t)n - 1);
			for (uint32_t i = 0; i < some; i++)
				count[drawn[i]]++;
		}
		for (size_t i = 0; i < n; i++)
			value[i] = x[at[i]];
		struct run run = run_of(value, count, n);
		pthread_mutex_lock(&lock);
		tally_add(&j->tally[c], run);
		pthread_mutex_unlock(&lock);
	}
	free(value);
	free(count);
}

static void measure(struct measured *m, const struct job *j, const struct training_volume *image, const struct training_volume *label)
{
	int64_t file_lo[3], file_hi[3], lo[3], hi[3];
	size_t n, *at;

	crop_box(file_lo, file_hi, image->data, image->channels, image->f.shape);
	m->kept = 1;
	for (int i = 0; i < 3; i++) {
		int axis = image->o.axis[i];
		lo[i] = image->o.flip[i] ? image->shape[i] - file_hi[axis] : file_lo[axis];
		m->shape[i] = file_hi[axis] - file_lo[axis];
		hi[i] = lo[i] + m->shape[i];
		m->spacing[i] = image->spacing[i];
		m->kept *= (double)m->shape[i];
	}
	m->kept /= (double)frame_grid_voxels(&image->f);
	at = foreground(&n, image, label, lo, hi);
	m->empty = n == 0;
	if (n && j->samples)
		draw(j, image, at, n);
	free(at);
}

void measure_case(void *job, int i, int worker)
{
	const struct job *j = job;
	const struct training_case *c = &j->set->c[i];
	struct training_volume image = {0}, label = {0};
	size_t length;
	FILE *to = open_memstream(&j->m[i].problems, &length);
	bool has_image, has_label;

	(void)worker;
	if (!to)
		die(XIO, "out of memory");
	has_image = training_volume_read(&image, to, c, c->image, c->n_images, j->reader);
	has_label = training_volume_read(&label, to, c, &c->label, 1, j->reader);
	if (has_image)
		check_channels(to, c, &image, &j->set->dataset);
	if (has_label)
		check_label(to, c, &label, &j->set->dataset.labels);
	if (has_image && has_label && training_same_grid(to, c, image.shape, image.spacing, c->image[0], label.shape, label.spacing, c->label))
		compare_places(c, &image, &label);
	if (fflush(to))
		die(XIO, "out of memory");
	if (!length)
		measure(&j->m[i], j, &image, &label);
	fclose(to);
	if (!length) {
		free(j->m[i].problems);
		j->m[i].problems = NULL;
	}
	training_volume_free(&image);
	training_volume_free(&label);
	pthread_mutex_lock(&lock);
	progress_step(c->name);
	pthread_mutex_unlock(&lock);
}
