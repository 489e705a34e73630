#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/crop.h"
#include "common/die.h"
#include "common/image.h"
#include "common/mt19937.h"
#include "common/nonfinite.h"
#include "common/opt.h"
#include "common/orient.h"
#include "common/progress.h"
#include "filters/fingerprint/fingerprint.h"

enum {
	SHOWN = 6,                       /* unexpected values that a message lists */
	ROUND = 4096                     /* numbers drawn at a time */
};

/* Files as the reader gives them: its axes are strides over the data, which stay in the order of the file. */
struct volume {
	struct frame f;                  /* grid and geometry of the first file, no layers */
	float *data;                     /* [channels][f.shape] */
	int64_t channels;
	int64_t shape[3], stride[3], begin;
	double spacing[3];
	struct orientation o;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool close_to(double a, double b) { return fabs(a - b) <= 1e-8 + 1e-5 * fabs(b); }   /* numpy.allclose */

__attribute__((format(printf, 3, 4)))
static void problem(FILE *to, const struct training_case *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(to, "%s: ", c->name);
	va_start(ap, fmt);
	vfprintf(to, fmt, ap);
	va_end(ap);
	putc('\n', to);
}

/* Says where two grids differ; true if they do not. */
static bool same_grid(FILE *to, const struct training_case *c, const int64_t a[3], const double u[3], const char *path_a,
                      const int64_t b[3], const double v[3], const char *path_b)
{
	bool shape = a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
	bool spacing = close_to(v[0], u[0]) && close_to(v[1], u[1]) && close_to(v[2], u[2]);

	if (!shape)
		problem(to, c, "%s has %lld x %lld x %lld voxels (x, y, z), %s has %lld x %lld x %lld", path_a, (long long)a[2],
		        (long long)a[1], (long long)a[0], path_b, (long long)b[2], (long long)b[1], (long long)b[0]);
	if (!spacing)
		problem(to, c, "%s has a spacing of %g x %g x %g mm, %s has %g x %g x %g", path_a, u[2], u[1], u[0], path_b, v[2],
		        v[1], v[0]);
	return shape && spacing;
}

/* The axes of the reader. */
static bool turn(struct volume *v, const char *reader)
{
	const int64_t step[3] = { v->f.shape[1] * v->f.shape[2], v->f.shape[2], 1 };

	if (!orient_find(&v->o, &v->f, reader))
		return false;
	v->begin = 0;
	for (int i = 0; i < 3; i++) {
		int axis = v->o.axis[i];
		v->shape[i] = v->f.shape[axis];
		v->spacing[i] = v->o.spacing_mm[axis];
		v->stride[i] = v->o.flip[i] ? -step[axis] : step[axis];
		v->begin += v->o.flip[i] ? (v->shape[i] - 1) * step[axis] : 0;
	}
	return true;
}

/* The channels of im behind those of v. */
static bool append(struct volume *v, const struct image *im)
{
	size_t old = (size_t)v->channels * frame_grid_voxels(&v->f), more = (size_t)im->channels * frame_grid_voxels(&v->f), bytes;

	if (!size_of_block(&bytes, DT_F4, v->channels + im->channels, im->shape[0], im->shape[1], im->shape[2]) ||
	    bytes > memory_limit)
		return fail(XDATA, "its channels are over the limit of %zu MiB (--memory raises it)", memory_limit >> 20);
	v->data = xrealloc(v->data, old + more, sizeof *v->data);
	memcpy(v->data + old, im->data, more * sizeof *v->data);
	v->channels += im->channels;
	return true;
}

/* One more file; false after a problem. */
static bool add_file(struct volume *v, FILE *to, const struct training_case *c, char *const *path, int i, const char *reader)
{
	struct image im;
	bool ok = image_read(&im, v->f.zone, path[i]);

	if (ok && !v->data) {
		frame_grid(&v->f, im.shape, im.spacing_mm, 0);
		frame_put(&v->f, "geometry", im.geometry);
		ok = turn(v, reader);
		v->data = im.data;
		v->channels = im.channels;
		im.data = NULL;
		if (ok && v->o.keeps_nonfinite)
			ok = nonfinite_restore(v->data, (size_t)v->channels * frame_grid_voxels(&v->f), &im.geometry);
	} else if (ok) {
		size_t n = (size_t)(im.channels * im.shape[0] * im.shape[1] * im.shape[2]);
		if (!same_grid(to, c, v->f.shape, v->f.spacing_mm, path[0], im.shape, im.spacing_mm, path[i])) {
			image_free(&im);
			return false;
		}
		ok = (!v->o.keeps_nonfinite || nonfinite_restore(im.data, n, &im.geometry)) && append(v, &im);
	}
	image_free(&im);
	if (!ok)
		problem(to, c, "%s", failed_text());
	return ok;
}

static bool load(struct volume *v, FILE *to, const struct training_case *c, char *const *path, int n, const char *reader)
{
	bool ok = true;

	frame_reset(&v->f, c->name);
	for (int i = 0; i < n; i++)
		ok &= add_file(v, to, c, path, i, reader);
	return ok;
}

static void unload(struct volume *v)
{
	frame_free(&v->f);
	free(v->data);
}

static void check_channels(FILE *to, const struct training_case *c, const struct volume *image, const struct dataset *d)
{
	size_t n = frame_grid_voxels(&image->f);

	if (image->channels != d->n_channels)
		problem(to, c, "%d channels are expected (%s%s), %s%s %lld", d->n_channels, d->channel_name[0],
		        d->n_channels > 1 ? ", ..." : "", c->image[0],
		        c->n_images > 1 ? " and the other files have" : " has", (long long)image->channels);
	for (int64_t k = 0; k < image->channels; k++) {
		const float *x = image->data + (size_t)k * n;
		size_t bad = 0;
		for (size_t i = 0; i < n; i++)
			bad += isnan(x[i]) != 0;
		if (bad)
			problem(to, c, "%s: %zu voxels of channel %lld are not a number (NaN)",
			        c->n_images == image->channels ? c->image[k] : c->image[0], bad, (long long)k);
	}
}

static void check_label(FILE *to, const struct training_case *c, const struct volume *label, const struct labels *l)
{
	int top = l->ignore >= 0 ? l->ignore : l->n_foreground, n = 0;
	float found[SHOWN];
	bool more = false;
	char text[SHOWN * 20] = "";

	if (label->channels != 1)
		problem(to, c, "%s has %lld channels; a label map has one", c->label, (long long)label->channels);
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
		problem(to, c, "%s holds the value%s %s%s; dataset.json knows 0 to %d", c->label, n > 1 ? "s" : "", text,
		        more ? ", ..." : "", top);
}

/* nnU-Net only warns when a label map lies elsewhere in space. */
static void compare_places(const struct training_case *c, const struct volume *image, const struct volume *label)
{
	double a[3][4], b[3][4];
	bool same = true;

	if (image_affine(a, &image->f, true) != 3 || image_affine(b, &label->f, true) != 3)
		return;
	for (int i = 0; i < 12; i++)
		same &= close_to(b[i / 4][i % 4], a[i / 4][i % 4]);
	if (!same)
		warn("%s: origin or orientation of %s is not that of %s; look whether they fit", c->name,
		     c->label, c->image[0]);
}

/* Places of the voxels of the foreground within the box in scan order, malloc'ed.  lo, hi: in the reader's axes. */
static size_t *foreground(size_t *n, const struct volume *image, const struct volume *label, const int64_t lo[3], const int64_t hi[3])
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
static void draw(const struct job *j, const struct volume *image, const size_t *at, size_t n)
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

static void measure(struct measured *m, const struct job *j, const struct volume *image, const struct volume *label)
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
	struct volume image = {0}, label = {0};
	size_t length;
	FILE *to = open_memstream(&j->m[i].problems, &length);
	bool has_image, has_label;

	(void)worker;
	if (!to)
		die(XIO, "out of memory");
	has_image = load(&image, to, c, c->image, c->n_images, j->reader);
	has_label = load(&label, to, c, &c->label, 1, j->reader);
	if (has_image)
		check_channels(to, c, &image, &j->set->dataset);
	if (has_label)
		check_label(to, c, &label, &j->set->dataset.labels);
	if (has_image && has_label && same_grid(to, c, image.shape, image.spacing, c->image[0], label.shape, label.spacing, c->label))
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
	unload(&image);
	unload(&label);
	pthread_mutex_lock(&lock);
	progress_step(c->name);
	pthread_mutex_unlock(&lock);
}
