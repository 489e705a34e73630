/* decode: read image files, or probabilities that nnU-Net saved, into a stream. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/image.h"
#include "common/nonfinite.h"
#include "common/opt.h"
#include "filters/decode/probs.h"

static bool labels, probs;
static const char *dataset_json;
static int planes;

static const struct opt opts[] = {
	OPT_FLAG('l', "labels", &labels, "files are label maps without channel suffix"),
	OPT_FLAG(0, "probs", &probs,
		"operands are folders of probabilities, a member each (nnUNetv2_predict --save_probabilities)"),
	OPT_STRING(0, "dataset", &dataset_json, "FILE", "dataset.json with the labels of --probs (else the one in the folders)"),
	OPT_INT(0, "slab", &planes, "PLANES", 0, 1 << 20, "planes a slab, 0: about 16 MiB a slab"),
	OPT_KEEP_GOING,
	OPT_END
};

/* The paths on standard input, one a line; *n of them, malloc'ed. */
static char **listed(int *n)
{
	char **paths = NULL, *line = NULL;
	size_t room = 0, capacity = 0;
	ssize_t length;

	*n = 0;
	while ((length = getline(&line, &room, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[--length] = 0;
		if (strlen(line) != (size_t)length || !length)
			die(XDATA, "standard input: line %d of the list of images is %s", *n + 1, length ? "no text" : "empty");
		if ((size_t)*n == capacity)
			paths = xrealloc(paths, capacity = capacity ? 2 * capacity : 64, sizeof *paths);
		paths[(*n)++] = xstrdup(line);
	}
	if (ferror(stdin))
		die_sys("cannot read standard input");
	if (!*n)
		die(XDATA, "standard input lists no images");
	free(line);
	return paths;
}

static bool close_to(double a, double b) { return fabs(a - b) <= 1e-8 + 1e-5 * fabs(b); }   /* numpy.allclose */

/* Channels of one case must be of one grid. */
static bool same_grid(const struct image *a, const struct image *b, const char *path_a, const char *path_b)
{
	if (memcmp(a->shape, b->shape, sizeof a->shape))
		return fail(XDATA, "%s has %lld x %lld x %lld voxels (x, y, z), %s has %lld x %lld x %lld; channels must agree",
		            path_a, (long long)a->shape[2], (long long)a->shape[1], (long long)a->shape[0],
		            path_b, (long long)b->shape[2], (long long)b->shape[1], (long long)b->shape[0]);
	for (int i = 0; i < 3; i++)
		if (!close_to(b->spacing_mm[i], a->spacing_mm[i]))
			return fail(XDATA, "%s has a spacing of %g x %g x %g mm, %s has %g x %g x %g; channels must agree",
			            path_a, a->spacing_mm[2], a->spacing_mm[1], a->spacing_mm[0],
			            path_b, b->spacing_mm[2], b->spacing_mm[1], b->spacing_mm[0]);
	return true;
}

/* The layer `image` of all channels, [channels][z][y][x].  The pixels of a single file are moved, not copied. */
static bool add_image(struct frame *f, struct image *im, int n)
{
	size_t bytes;
	int64_t channels = 0;
	struct layer *l;

	for (int i = 0; i < n; i++)
		channels += im[i].channels;
	l = frame_add(f, "image", DT_F4, channels);
	frame_grid(f, im->shape, im->spacing_mm, planes);
	if (n == 1) {
		size_of_block(&bytes, DT_F4, channels, f->shape[0], f->shape[1], f->shape[2]);
		free(l->data);
		l->data = im->data;
		l->capacity = bytes;
		im->data = NULL;
		return true;
	}
	if (!frame_alloc_volume(f))
		return false;
	float *to = l->data;
	for (int i = 0; i < n; i++) {
		size_t count = (size_t)im[i].channels * frame_grid_voxels(f);
		memcpy(to, im[i].data, count * sizeof *to);
		to += count;
	}
	return true;
}

/* The layer `label`, |u1 or <u2 by its largest value. */
static bool add_label(struct frame *f, const struct image *im, const char *path)
{
	size_t n = (size_t)(im->shape[0] * im->shape[1] * im->shape[2]);
	float max = 0;
	struct layer *l;

	if (im->channels != 1)
		return fail(XDATA, "%s has %lld channels; a label map has one", path, (long long)im->channels);
	for (size_t i = 0; i < n; i++) {
		float v = im->data[i];
		if (!(v >= 0 && v <= 65535) || v != (float)(int)v)
			return fail(XDATA, "%s holds the value %g; labels are whole numbers from 0 to 65535", path, v);
		max = v > max ? v : max;
	}
	l = frame_add(f, "label", max < 256 ? DT_U1 : DT_U2, 1);
	frame_grid(f, im->shape, im->spacing_mm, planes);
	if (!frame_alloc_volume(f))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (l->type == DT_U1)
			((uint8_t *)l->data)[i] = (uint8_t)im->data[i];
		else
			((uint16_t *)l->data)[i] = (uint16_t)im->data[i];
	}
	return true;
}

/* Where NaN and infinity of all channels were, into the geometry of the first. */
static void join_nonfinite(msgpack_zone *zone, struct image *im, int n)
{
	struct nonfinite l = {0};
	uint64_t at = 0;

	for (int i = 0; i < n; i++) {
		nonfinite_join(&l, &im[i].geometry, at);
		at += (uint64_t)(im[i].channels * im[i].shape[0] * im[i].shape[1] * im[i].shape[2]);
	}
	nonfinite_put(zone, &im[0].geometry, &l);
	free(l.run);
}

static bool read_case(struct frame *f, const struct case_files *c)
{
	struct image *im = xcalloc((size_t)c->n, sizeof *im);
	bool ok = true;

	for (int i = 0; ok && i < c->n; i++) {
		if (!labels && case_channel(c->path[i]) >= 0 && case_channel(c->path[i]) != i)
			ok = fail(XDATA, "channel %04d is missing (there is %s)", i, c->path[i]);
		ok = ok && image_read(&im[i], f->zone, c->path[i]) &&
		     (i == 0 || same_grid(&im[0], &im[i], c->path[0], c->path[i]));
	}
	if (ok) {
		join_nonfinite(f->zone, im, c->n);
		frame_put(f, "geometry", im[0].geometry);
	}
	ok = ok && (labels ? add_label(f, &im[0], c->path[0]) : add_image(f, im, c->n));
	for (int i = 0; i < c->n; i++)
		image_free(&im[i]);
	free(im);
	return ok;
}

static void decode_images(struct sink *out, char *const *paths, int n)
{
	struct case_list cases;
	struct frame f = {0};

	if (!case_list_files(&cases, paths, n, labels))
		die_failed();
	sink_expect(out, cases.n);
	for (int i = 0; i < cases.n; i++) {
		frame_reset(&f, cases.c[i].name);
		if (read_case(&f, &cases.c[i]))
			sink_volume(out, &f);
		else
			case_failed(out, NULL, &f);
	}
	frame_free(&f);
	case_list_free(&cases);
}

int main(int argc, char **argv)
{
	char **list = NULL;
	int n_listed = 0;
	struct sink *out;

	opt_parse(&argc, &argv, opts, "[FILE | FOLDER ...]",
		"read image files, or probabilities that nnU-Net saved, into a stream");
	if (labels && probs)
		opt_usage("--labels and --probs are two different inputs");
	if (dataset_json && !probs)
		opt_usage("--dataset belongs to --probs");
	if (!argc && isatty(STDIN_FILENO))
		opt_usage("nothing to read: name files or folders, or pipe in a list of them");
	if (!argc || (argc == 1 && !strcmp(argv[0], "-")))
		list = listed(&n_listed);
	out = sink_open(NULL);
	if (probs)
		decode_probs(out, list ? list : argv, list ? n_listed : argc, dataset_json, planes);
	else
		decode_images(out, list ? list : argv, list ? n_listed : argc);
	for (int i = 0; i < n_listed; i++)
		free(list[i]);
	free(list);
	return filter_end(NULL, out);
}
