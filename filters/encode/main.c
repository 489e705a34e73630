/* encode: write layers into image files and npz archives. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/labels.h"
#include "common/npz.h"
#include "common/opt.h"
#include "filters/encode/encode.h"

static const char *output, *kinds = "label", *type = "source";
static char *folder;                            /* output, or that of a subset in it */
static bool pass;

static const struct opt opts[] = {
	OPT_STRING('o', "output", &output, "FOLDER", "where the files go; it is made if it is missing"),
	OPT_STRING('L', "layers", &kinds, "KINDS", "kinds of layers to write, separated by commas"),
	OPT_CHOICE('t', "type", &type, "TYPE", "source|png|bmp|tif|tiff|nii|nii.gz|nrrd|mha|mhd|npz", "format of labels, maps and images"),
	OPT_FLAG('p', "pass", &pass, "pass the stream on"),
	OPT_KEEP_GOING,
	OPT_END
};

/* Whether a kind stands in the comma-separated list. */
static bool wanted(const char *kind)
{
	size_t n = strlen(kind);

	for (const char *p = kinds; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, kind, n) && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

/* Every kind of the list must be there. */
static bool all_there(const struct frame *f)
{
	char have[256] = "";

	for (int i = 0; i < f->n_layers; i++)
		if (strlen(have) + strlen(f->layer[i]->kind) + 3 < sizeof have)
			strcat(strcat(have, *have ? ", " : ""), f->layer[i]->kind);
	for (const char *p = kinds; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		size_t n = strcspn(p, ",");
		bool found = false;
		for (int i = 0; i < f->n_layers; i++)
			found |= strlen(f->layer[i]->kind) == n && !strncmp(f->layer[i]->kind, p, n);
		if (!found)
			return fail(XDATA, "it has no layer '%.*s' to write (it has: %s; -L chooses, segment makes labels)",
			            (int)n, p, have);
	}
	return true;
}

/* That of the case's source file; .nii.gz if it is not known. */
static const char *source_ending(const struct frame *f)
{
	const char *ending = mpk_get_str(mpk_get_map(&f->header, "geometry"), "ending", "");

	for (const char *const *e = image_endings; *e; e++)
		if (!strcmp(*e, ending))
			return *e;
	return ".nii.gz";
}

/* One array in an archive that numpy.load opens. */
static bool write_npz(const char *path, const char *name, const struct frame *f, const struct layer *l, bool with_channels)
{
	struct npy a = { .type = l->type, .data = l->data };
	struct outfile out;

	if (with_channels)
		a.dim[a.n_dims++] = l->channels;
	for (int i = 0; i < 3; i++)
		a.dim[a.n_dims++] = f->shape[i];
	if (!outfile_open(&out, path))
		return false;
	if (!npz_write(&out, name, &a)) {
		outfile_abort(&out);
		return false;
	}
	return outfile_commit(&out);
}

/* probs: as nnUNetv2_predict --save_probabilities leaves them; those of a member in a folder of its name. */
static bool write_probs(const struct frame *f, const struct layer *l)
{
	struct member m;
	bool is_member = layer_member(l, &m) && m.name;
	const char *name = is_member ? m.name : "";
	char *in, *path;
	bool ok;

	if (l->type != DT_F4)
		return fail(XDATA, "its layer probs is of type %s, not <f4", dtype_name(l->type));
	if (is_member && (!*name || *name == '.' || strchr(name, '/')))
		return fail(XDATA, "the name of a member, '%s', is no name for a folder", name);
	in = xasprintf("%s%s%s", folder, is_member ? "/" : "", name);
	path = xasprintf("%s/%s.pkl", in, f->name);
	ok = io_mkdirs(in) && write_dataset(in, f, source_ending(f)) && write_properties(path, f);
	free(path);
	path = xasprintf("%s/%s.npz", in, f->name);
	ok = ok && write_npz(path, "probabilities", f, l, true);
	free(path);
	free(in);
	return ok;
}

/* Whole numbers that a label file can hold, from a layer of floats [voxels]. */
static bool whole_numbers(uint16_t *out, const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(v[i] >= 0 && v[i] <= 65535) || v[i] != (float)(int)v[i])
			return false;
		out[i] = (uint16_t)v[i];
	}
	return true;
}

/* One channel of any layer into an image file. */
static bool write_channel(const char *path, const struct frame *f, const struct layer *l, int64_t channel)
{
	size_t n = frame_grid_voxels(f);
	char *data = (char *)l->data + (size_t)channel * n * dtype_size(l->type);
	const char *ending = image_ending(path);
	bool integers = l->type != DT_F4 && l->type != DT_F2, ok;
	struct layer one = *l;

	one.data = data;
	one.channels = 1;
	if (l->type == DT_U1)
		return image_write_label(path, f, data, DT_U1);
	if (integers) {
		uint16_t *label = xmalloc(n, sizeof *label);
		ok = labels_widen(label, &one, n) && image_write_label(path, f, label, DT_U2);
		free(label);
		return ok;
	}
	if (ending_is_picture(ending)) {        /* pictures of whole numbers, such as those that decode read */
		uint16_t *label = xmalloc(n, sizeof *label);
		if (l->type == DT_F4 && whole_numbers(label, one.data, n))
			ok = image_write_label(path, f, label, DT_U2);
		else
			ok = fail(XDATA, "%s: pictures hold whole numbers from 0 to 65535 only, layer %s has others", path, l->kind);
		free(label);
		return ok;
	}
	if (l->type == DT_F4)
		return image_write_map(path, f, one.data);
	float *wide = xmalloc(n, sizeof *wide);
	dtype_to_float(wide, data, l->type, n);
	ok = image_write_map(path, f, wide);
	free(wide);
	return ok;
}

/* label: CASE.ext, as nnU-Net names it; image: CASE_0000.ext and so on; any other: CASE_KIND.ext. */
static bool write_layer(const struct frame *f, const struct layer *l)
{
	bool label = !strcmp(l->kind, "label"), image = !strcmp(l->kind, "image"), source = !strcmp(type, "source"), ok = true;
	char ending[16];

	if (!strcmp(l->kind, "probs"))
		return write_probs(f, l);
	snprintf(ending, sizeof ending, "%s%s", source ? "" : ".", source ? source_ending(f) : type);
	/* a picture's source says nothing about how numbers with a fraction are kept: numpy's format needs no reader */
	bool npz = !strcmp(type, "npz") || (source && ending_is_picture(ending) && !label && !image);
	if (npz) {
		char *path = xasprintf("%s/%s_%s.npz", folder, f->name, l->kind);
		ok = write_npz(path, l->kind, f, l, l->channels > 1 || image);
		free(path);
		return ok;
	}
	if (l->channels != 1 && !image)
		return fail(XDATA, "its layer %s has %lld channels; only npz holds more than one (-t npz)", l->kind,
			(long long)l->channels);
	for (int64_t c = 0; ok && c < l->channels; c++) {
		char *path = label ? xasprintf("%s/%s%s", folder, f->name, ending) :
		             image ? xasprintf("%s/%s_%04d%s", folder, f->name, (int)c, ending) :
		                     xasprintf("%s/%s_%s%s", folder, f->name, l->kind, ending);
		ok = write_channel(path, f, l, c);
		free(path);
	}
	return ok;
}

static bool write_case(struct source *in, struct frame *f)
{
	bool ok = source_volume(in, f) && all_there(f) && (folder = image_folder(output, f));

	for (int i = 0; ok && i < f->n_layers; i++)
		ok = !wanted(f->layer[i]->kind) || write_layer(f, f->layer[i]);
	free(folder);
	folder = NULL;
	return ok;
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct source *in;
	struct sink *out;
	bool failed = false;

	opt_parse(&argc, &argv, opts, "", "write layers into image files and npz archives");
	if (!output)
		opt_usage("-o FOLDER is missing");
	in = source_open(NULL);
	if (!io_mkdirs(output))
		die_failed();
	out = pass ? sink_open(in) : NULL;
	while (source_next(in, &f)) {
		if (f.failed) {
			sink_pass(out, in, &f);
		} else if (write_case(in, &f)) {
			sink_volume(out, &f);
		} else {
			failed = true;
			case_failed(out, in, &f);
		}
	}
	frame_free(&f);
	return filter_end(in, out) || failed ? XDATA : XOK;
}
