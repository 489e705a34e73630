#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/image.h"
#include "common/nonfinite.h"
#include "common/opt.h"
#include "common/training-volume.h"

bool training_close(double a, double b) { return fabs(a - b) <= 1e-8 + 1e-5 * fabs(b); }   /* numpy.allclose */

void training_problem(FILE *to, const struct training_case *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(to, "%s: ", c->name);
	va_start(ap, fmt);
	vfprintf(to, fmt, ap);
	va_end(ap);
	putc('\n', to);
}

bool training_same_grid(FILE *to, const struct training_case *c, const int64_t a[3], const double u[3], const char *path_a,
                      const int64_t b[3], const double v[3], const char *path_b)
{
	bool shape = a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
	bool spacing = training_close(v[0], u[0]) && training_close(v[1], u[1]) && training_close(v[2], u[2]);

	if (!shape)
		training_problem(to, c, "%s has %lld x %lld x %lld voxels (x, y, z), %s has %lld x %lld x %lld", path_a, (long long)a[2],
		        (long long)a[1], (long long)a[0], path_b, (long long)b[2], (long long)b[1], (long long)b[0]);
	if (!spacing)
		training_problem(to, c, "%s has a spacing of %g x %g x %g mm, %s has %g x %g x %g", path_a, u[2], u[1], u[0], path_b, v[2],
		        v[1], v[0]);
	return shape && spacing;
}

/* The axes of the reader. */
static bool turn(struct training_volume *v, const char *reader)
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
static bool append(struct training_volume *v, const struct image *im)
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
static bool add_file(struct training_volume *v, FILE *to, const struct training_case *c, char *const *path, int i, const char *reader)
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
		if (!training_same_grid(to, c, v->f.shape, v->f.spacing_mm, path[0], im.shape, im.spacing_mm, path[i])) {
			image_free(&im);
			return false;
		}
		ok = (!v->o.keeps_nonfinite || nonfinite_restore(im.data, n, &im.geometry)) && append(v, &im);
	}
	image_free(&im);
	if (!ok)
		training_problem(to, c, "%s", failed_text());
	return ok;
}

bool training_volume_read(struct training_volume *v, FILE *to, const struct training_case *c, char *const *path, int n,
                          const char *reader)
{
	bool ok = true;

	frame_reset(&v->f, c->name);
	for (int i = 0; i < n; i++)
		ok &= add_file(v, to, c, path, i, reader);
	return ok;
}

void training_volume_free(struct training_volume *v)
{
	frame_free(&v->f);
	free(v->data);
}

