#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "common/die.h"
#include "common/image.h"
#include "common/reference.h"

char *reference_path(const char *references, const char *name, int n_case)
{
	struct stat st;

	if (stat(references, &st)) {
		fail_sys("cannot open %s", references);
		return NULL;
	}
	if (S_ISDIR(st.st_mode))
		return label_file(references, name);
	if (n_case > 1) {
		fail(XDATA, "%s is one label map, but this is case %d of the stream; -r takes a folder", references, n_case);
		return NULL;
	}
	return xstrdup(references);
}

/* A file may hold 0 to the largest label, and the ignore label; any other value is a wrong file or a wrong network. */
static bool take(uint16_t **out, const struct image *im, const char *path, const struct frame *f, const struct labels *l)
{
	size_t n = frame_grid_voxels(f);
	int largest = l->ignore > l->n_foreground ? l->ignore : l->n_foreground;
	uint16_t *value;

	if (im->channels != 1)
		return fail(XDATA, "%s is a colour picture, not a label map", path);
	for (int i = 0; i < 3; i++)
		if (im->shape[i] != f->shape[i])
			return fail(XDATA, "%s has the shape %lldx%lldx%lld, the segmentation %lldx%lldx%lld", path,
			            (long long)im->shape[0], (long long)im->shape[1], (long long)im->shape[2],
			            (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2]);
	value = xmalloc(n, sizeof *value);
	for (size_t i = 0; i < n; i++) {
		float v = im->data[i];
		if (!(v >= 0 && v <= (float)largest && v == floorf(v))) {
			free(value);
			return fail(XDATA, "%s holds the value %g, which is none of the labels 0 to %d", path, (double)v, largest);
		}
		value[i] = (uint16_t)v;
	}
	*out = value;
	return true;
}

bool reference_read(uint16_t **out, const char *path, const struct frame *f, const struct labels *l)
{
	struct image im = {0};
	bool ok = image_read(&im, f->zone, path);

	if (!ok)
		return false;
	ok = take(out, &im, path, f, l);
	image_free(&im);
	return ok;
}
