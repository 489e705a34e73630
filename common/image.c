#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/volume.h"

const char *const image_endings[] = {
	".nii.gz", ".nrrd", ".nhdr", ".tiff", ".nii", ".mha", ".mhd", ".png", ".bmp", ".tif", NULL
};

const char *image_ending(const char *path)
{
	size_t n = strlen(path);

	for (const char *const *e = image_endings; *e; e++)
		if (n > strlen(*e) && !strcasecmp(path + n - strlen(*e), *e))
			return *e;
	return NULL;
}

bool image_alloc(struct image *im, const char *path, uint64_t file_bytes, int bits)
{
	size_t bytes;

	if (!size_of_block(&bytes, DT_F4, im->channels, im->shape[0], im->shape[1], im->shape[2]) || bytes > memory_limit)
		return fail(XDATA, "%s: %lld x %lld x %lld x %lld numbers are over the limit of %zu MiB (--memory raises it)",
		            path, (long long)im->channels, (long long)im->shape[0], (long long)im->shape[1],
		            (long long)im->shape[2], memory_limit >> 20);
	if (bytes / 4 / 8 * (size_t)bits / 1032 > file_bytes)
		return fail(XDATA, "%s: its header asks for %lld x %lld x %lld x %lld numbers, more than it holds: truncated",
		            path, (long long)im->channels, (long long)im->shape[0], (long long)im->shape[1],
		            (long long)im->shape[2]);
	im->data = xaligned(bytes, 1);
	return true;
}

bool image_read(struct image *im, msgpack_zone *zone, const char *path)
{
	unsigned char first[8] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ptrdiff_t n;

	*im = (struct image){0};
	if (fd < 0)
		return fail_sys("cannot open %s", path);
	n = io_read(fd, first, sizeof first);
	if (n < 0)
		fail_sys("cannot read %s", path);
	close(fd);
	if (n < 0)
		return false;
	if (n == 0)
		return fail(XDATA, "%s: the file is empty", path);
	if (!memcmp(first, "\x89PNG\r\n\x1a\n", 8))
		return png_read(im, zone, path);
	if (!memcmp(first, "\x1f\x8b", 2) || !memcmp(first, "\x5c\x01\0", 4) || !memcmp(first, "\0\0\x01\x5c", 4) ||
	    !memcmp(first, "\x1c\x02\0", 4) || !memcmp(first, "\0\0\x02\x1c", 4))
		return nifti_read(im, zone, path);
	if (!memcmp(first, "NRRD", 4) || !memcmp(first, "ObjectTy", 8) || !memcmp(first, "NDims", 5) ||
	    !memcmp(first, "Comment", 7))
		return volume_read(im, zone, path);
	if (!memcmp(first, "II*\0", 4) || !memcmp(first, "MM\0*", 4) || !memcmp(first, "II+\0", 4) || !memcmp(first, "MM\0+", 4))
		return tiff_read(im, zone, path);
	if (!memcmp(first, "BM", 2))
		return bmp_read(im, zone, path);
	return fail(XDATA, "%s: its first bytes are those of no format that is read (NIfTI, NRRD, MetaImage, TIFF, PNG, BMP)",
	            path);
}

void image_free(struct image *im)
{
	free(im->data);
	*im = (struct image){0};
}

bool ending_is_picture(const char *ending) { return ending && (!strcmp(ending, ".png") || !strcmp(ending, ".bmp")); }

/* In a format that holds any type, by the path's ending; NIfTI if it has none. */
static bool write_volume(const char *path, const struct frame *f, const void *voxels, enum dtype type)
{
	const char *ending = image_ending(path);

	if (ending && (ending[1] == 'm' || !strcmp(ending, ".nrrd") || !strcmp(ending, ".nhdr")))
		return volume_write(path, f, voxels, type);
	if (ending && ending[1] == 't')
		return tiff_write(path, f, voxels, type);
	return nifti_write(path, f, voxels, type);
}

/* pixels of one plane: u1, or u2 where wide. */
static bool write_picture(const char *path, const struct frame *f, const void *pixels, bool wide)
{
	if (!strcmp(image_ending(path), ".png"))
		return png_write(path, pixels, f->shape[2], f->shape[1], 1, wide ? 16 : 8);
	return wide ? fail(XDATA, "%s: BMP holds no values over 255; write PNG (-t png)", path)
	            : bmp_write(path, pixels, f->shape[2], f->shape[1]);
}

/* Values as numbers of another width, malloc'ed. */
static void *other_width(const void *label, enum dtype type, size_t n)
{
	unsigned char *narrow = type == DT_U2 ? xmalloc(n, sizeof *narrow) : NULL;
	uint16_t *wide = type == DT_U1 ? xmalloc(n, sizeof *wide) : NULL;

	for (size_t i = 0; i < n; i++)
		if (narrow)
			narrow[i] = (unsigned char)((const uint16_t *)label)[i];
		else
			wide[i] = ((const unsigned char *)label)[i];
	return narrow ? (void *)narrow : wide;
}

bool image_write_label(const char *path, const struct frame *f, const void *label, enum dtype type)
{
	size_t n = frame_grid_voxels(f);
	const char *ending = image_ending(path);
	bool picture = ending_is_picture(ending), wide, ok;
	unsigned max = 0, least_wide = ending && !strcmp(ending, ".bmp") ? 256 : 255;
	void *other = NULL;

	if (picture && f->shape[0] != 1)
		return fail(XUSAGE, "%s: a volume of %lld planes does not fit into a picture; write NIfTI (-t nii.gz)", path,
			(long long)f->shape[0]);
	for (size_t i = 0; i < n; i++) {
		unsigned v = type == DT_U1 ? ((const unsigned char *)label)[i] : ((const uint16_t *)label)[i];
		max = v > max ? v : max;
	}
	wide = max >= least_wide;
	if (wide != (type == DT_U2))
		label = other = other_width(label, type, n);
	ok = picture ? write_picture(path, f, label, wide) : write_volume(path, f, label, wide ? DT_U2 : DT_U1);
	free(other);
	return ok;
}

bool image_write_map(const char *path, const struct frame *f, const float *map)
{
	if (ending_is_picture(image_ending(path)))
		return fail(XUSAGE, "%s: pictures hold no floating-point numbers; write NIfTI or npz ('qualm render' draws maps)",
		            path);
	return write_volume(path, f, map, DT_F4);
}

char *image_folder(const char *folder, const struct frame *f)
{
	const char *subset = frame_subset(f);
	char *path;

	if (!subset || !strcmp(subset, "all"))
		return xstrdup(folder);
	if (!*subset || *subset == '.' || strchr(subset, '/')) {
		fail(XDATA, "the name of a subset, '%s', is no name for a folder", subset);
		return NULL;
	}
	path = xasprintf("%s/%s", folder, subset);
	if (io_mkdirs(path))
		return path;
	free(path);
	return NULL;
}
