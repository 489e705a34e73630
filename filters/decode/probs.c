#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/die.h"
#include "common/image.h"
#include "common/npz.h"
#include "common/opt.h"
#include "common/plans.h"
#include "common/properties.h"
#include "filters/decode/probs.h"

static const char *const arrays[] = { "probabilities", "softmax", NULL };   /* nnU-Net v2; v1 */

struct names { int n, capacity; char **name; };
struct folder { char *path, *name; struct names cases; };      /* name: of the member; cases: sorted bytewise */
struct folders { int n; struct folder *f; };

static void add(struct names *l, const char *name, size_t length)
{
	if (l->n == l->capacity)
		l->name = xrealloc(l->name, (size_t)(l->capacity = l->capacity ? 2 * l->capacity : 64), sizeof *l->name);
	l->name[l->n++] = xasprintf("%.*s", (int)length, name);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_unique(struct names *l)
{
	int n = 0;

	if (l->n)
		qsort(l->name, (size_t)l->n, sizeof *l->name, compare);
	for (int i = 0; i < l->n; i++) {
		if (n && !strcmp(l->name[n - 1], l->name[i]))
			free(l->name[i]);
		else
			l->name[n++] = l->name[i];
	}
	l->n = n;
}

static void free_names(struct names *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
}

static bool has_case(const struct names *l, char *name)
{
	return l->n && bsearch(&name, l->name, (size_t)l->n, sizeof *l->name, compare);
}

static void list_npz(struct names *l, const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	if (!d)
		die_sys("cannot open folder %s", folder);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		size_t n = strlen(e->d_name);
		if (e->d_name[0] != '.' && n > 4 && !strcmp(e->d_name + n - 4, ".npz"))
			add(l, e->d_name, n - 4);
	}
	if (errno)
		die_sys("cannot read folder %s", folder);
	closedir(d);
	sort_unique(l);
}

/* The last n parts of a path, joined by underscores, since they name files as well. */
static char *last_parts(const char *path, int n)
{
	const char *from = path + strlen(path);
	char *name;

	while (from > path && (from[-1] != '/' || --n > 0))
		from--;
	name = xstrdup(from);
	for (char *s = name; (s = strchr(s, '/')); )
		*s = '_';
	return name;
}

/* A folder that has the name of another; NULL if each has its own. */
static const struct folder *shares_name(const struct folders *all)
{
	for (int i = 0; i < all->n; i++)
		for (int k = 0; k < i; k++)
			if (!strcmp(all->f[i].name, all->f[k].name))
				return &all->f[i];
	return NULL;
}

/* A member is called as its folder, or, where folders share a name (a/test b/test), by as many parts as tell them all apart. */
static void name_members(struct folders *all)
{
	const struct folder *twin;

	for (int parts = 2; (twin = shares_name(all)); parts++) {
		if (parts > (int)strlen(twin->path))
			die(XDATA, "%s cannot be told from another member by its name", twin->path);
		for (int i = 0; i < all->n; i++) {
			free(all->f[i].name);
			all->f[i].name = last_parts(all->f[i].path, parts);
		}
	}
}

static struct folder open_folder(const char *path)
{
	struct folder f = { .path = xstrdup(path) };

	for (size_t end = strlen(path); end > 1 && f.path[end - 1] == '/'; end--)
		f.path[end - 1] = 0;
	f.name = last_parts(f.path, 1);
	list_npz(&f.cases, f.path);
	return f;
}

static void close_folder(struct folder *f)
{
	free_names(&f->cases);
	free(f->name);
	free(f->path);
}

/* The members: every folder that holds .npz files.  UnnUNet writes its results into unnunet_pred, beside the checkpoints'
 * folders (contract 9.4); that one is left out. */
static struct folders open_folders(char *const *paths, int n)
{
	struct folders all = { 0, xcalloc((size_t)n, sizeof *all.f) };

	for (int i = 0; i < n; i++) {
		struct folder *f = &all.f[all.n];
		*f = open_folder(paths[i]);
		if (f->cases.n) {
			all.n++;
			continue;
		}
		if (strcmp(f->name, "unnunet_pred"))
			die(XDATA, "folder %s holds no .npz files (nnUNetv2_predict writes them with --save_probabilities)",
				paths[i]);
		warn("%s: left out, it is no member (no .npz files)", paths[i]);
		close_folder(f);
	}
	if (!all.n)
		die(XDATA, "no folder holds .npz files");
	name_members(&all);
	return all;
}

/* Labels from the file given, else from the first folder that has a dataset.json; false if there is none. */
static bool read_labels(struct labels *l, const struct folders *all, const char *dataset_json)
{
	struct dataset d;
	char *path = dataset_json ? xstrdup(dataset_json) : NULL;

	for (int i = 0; i < all->n && !path; i++) {
		path = xasprintf("%s/dataset.json", all->f[i].path);
		if (access(path, F_OK)) {
			free(path);
			path = NULL;
		}
	}
	if (!path) {
		say("no folder holds a dataset.json: channels are taken for classes, named by their numbers");
		return false;
	}
	if (!dataset_read(&d, path))
		die_failed();
	say("labels from %s", path);
	*l = d.labels;
	d.labels = (struct labels){ .ignore = -1 };
	dataset_free(&d);
	free(path);
	return true;
}

/* The array as [channels][z][y][x]. */
static bool read_npz(struct npy *a, const char *path)
{
	if (!npz_read_any(a, path, arrays))
		return false;
	if (a->n_dims == 3) {                           /* (C, y, x) */
		memmove(a->dim + 2, a->dim + 1, 2 * sizeof *a->dim);
		a->dim[1] = 1;
		a->n_dims = 4;
	}
	bool real = a->type == DT_F4 || a->type == DT_F2 || a->type == DT_F8;
	if (a->n_dims == 4 && real && a->dim[0] > 0 && a->dim[1] > 0 && a->dim[2] > 0 && a->dim[3] > 0)
		return true;
	fail(XDATA, "%s: its array has %d axes of type %s; probabilities are (classes, z, y, x) in floating point", path,
		a->n_dims, dtype_name(a->type));
	npy_free(a);
	return false;
}

/* The first of FOLDER/CASE<ending> that exists, malloc'ed, or NULL. */
static char *beside(const struct folders *all, const char *name, const char *ending)
{
	for (int i = 0; i < all->n; i++) {
		char *path = xasprintf("%s/%s%s", all->f[i].path, name, ending);
		if (!access(path, F_OK))
			return path;
		free(path);
	}
	return NULL;
}

static bool from_label_file(struct frame *f, const char *path, const int64_t shape[3], double spacing_mm[3])
{
	struct image im;
	bool ok = true;

	if (!image_read(&im, f->zone, path))
		return false;
	if (memcmp(im.shape, shape, sizeof im.shape))
		ok = fail(XDATA, "%s has %lld x %lld x %lld voxels (x, y, z), the probabilities have %lld x %lld x %lld", path,
		          (long long)im.shape[2], (long long)im.shape[1], (long long)im.shape[0], (long long)shape[2],
		          (long long)shape[1], (long long)shape[0]);
	memcpy(spacing_mm, im.spacing_mm, sizeof im.spacing_mm);
	frame_put(f, "geometry", im.geometry);
	image_free(&im);
	return ok;
}

static bool from_properties(struct frame *f, const char *path, const int64_t shape[3], double spacing_mm[3])
{
	struct properties p;

	if (!pkl_properties(&p, path))
		return false;
	for (int i = 0; i < 3; i++) {
		if (!(p.spacing[i] > 0) || !isfinite(p.spacing[i]))
			return fail(XDATA, "%s: a spacing is not positive", path);
		spacing_mm[i] = p.spacing[i];
	}
	frame_put(f, "geometry", properties_geometry(f->zone, &p, shape));
	return true;
}

/* Spacing and geometry: from the case's label file beside any of its .npz files, else from its .pkl; without either an unknown
 * spacing (1 mm; one plane is taken for a picture, 999, 1, 1 as NaturalImage2DIO has it). */
static bool put_geometry(struct frame *f, const struct folders *all, const int64_t shape[3], double spacing_mm[3])
{
	char *path = NULL;
	bool ok = true;

	spacing_mm[0] = shape[0] == 1 ? 999 : 1;
	spacing_mm[1] = spacing_mm[2] = 1;
	for (const char *const *e = image_endings; *e && !path; e++)
		path = beside(all, f->name, *e);
	if (path) {
		ok = from_label_file(f, path, shape, spacing_mm);
	} else if ((path = beside(all, f->name, ".pkl"))) {
		ok = from_properties(f, path, shape, spacing_mm);
	} else {
		say("%s: no folder holds a label file or .pkl of this case; its voxel spacing is not known", f->name);
	}
	free(path);
	return ok;
}

/* The frame's keys that its members share, from the first member's array. */
static bool put_header(struct frame *f, const struct folders *all, const struct npy *a, const struct labels *l,
	double spacing_mm[3])
{
	if (l && a->dim[0] != l->n_outputs)
		return fail(XDATA, "probabilities have %lld channels where dataset.json has %d %s", (long long)a->dim[0],
			l->n_outputs, l->has_regions ? "regions" : "labels");
	if (l)
		labels_to_frame(f, l);
	return put_geometry(f, all, a->dim + 1, spacing_mm);
}

/* One more layer, and the array's numbers in it when data is set. */
static void add_member(struct frame *f, const struct folders *all, int index, const struct npy *a, const struct labels *l)
{
	struct layer *layer = frame_add(f, "probs", DT_F4, a->dim[0]);
	struct member m = { .name = all->f[index].name, .index = index, .of = all->n };

	layer_put(f, layer, "activation", mpk_str(f->zone, l && l->has_regions ? "sigmoid" : "softmax"));
	layer_put_member(f, layer, &m);
}

/* Member `index` of the case; its grid must be that of the first. */
static bool read_member(struct npy *a, const struct folders *all, int index, const char *name, const struct npy *first)
{
	char *path = xasprintf("%s/%s.npz", all->f[index].path, name);
	bool ok = read_npz(a, path);

	if (ok && index && memcmp(a->dim, first->dim, 4 * sizeof *a->dim)) {
		ok = fail(XDATA, "%s has the shape %lld x %lld x %lld x %lld, that of %s is %lld x %lld x %lld x %lld", path,
		          (long long)a->dim[0], (long long)a->dim[1], (long long)a->dim[2], (long long)a->dim[3], all->f[0].name,
		          (long long)first->dim[0], (long long)first->dim[1], (long long)first->dim[2], (long long)first->dim[3]);
		npy_free(a);
	}
	free(path);
	return ok;
}

static bool in_every_folder(const struct folders *all, char *name)
{
	for (int i = 0; i < all->n; i++)
		if (!has_case(&all->f[i].cases, name))
			return fail(XDATA, "member %s has no %s.npz", all->f[i].name, name);
	return true;
}

/* A case of one plane: all members in one frame.  A volume: a frame a member, one after the other, so that one member is in
 * memory at a time. */
static bool decode_case(struct sink *out, struct frame *f, const struct folders *all, char *name, const struct labels *l,
	int planes)
{
	struct npy a, first = {0};
	double spacing_mm[3];
	bool ok = in_every_folder(all, name), together = false;

	for (int i = 0; ok && i < all->n; i++) {
		if (!read_member(&a, all, i, name, &first))
			return false;
		if (i == 0) {
			memcpy(first.dim, a.dim, sizeof first.dim);
			together = a.dim[1] == 1;
		}
		if (i && !together)
			frame_reset(f, name);
		if (i == 0 || !together)
			ok = put_header(f, all, &a, l, spacing_mm);
		if (ok) {
			add_member(f, all, i, &a, l);
			frame_grid(f, a.dim + 1, spacing_mm, planes);
			ok = frame_alloc_volume(f);
		}
		if (ok)
			dtype_to_float(f->layer[f->n_layers - 1]->data, a.data, a.type, (size_t)a.dim[0] * frame_grid_voxels(f));
		npy_free(&a);
		if (ok && !together)
			sink_volume(out, f);
	}
	if (ok && together)
		sink_volume(out, f);
	return ok;
}

/* Frames to come, for progress: the first case tells whether a case is one frame or as many as there are members. */
static void expect(struct sink *out, const struct folders *all, const struct names *cases)
{
	struct npy a;
	char *path = xasprintf("%s/%s.npz", all->f[0].path, cases->name[0]);

	if (!access(path, F_OK) && read_npz(&a, path)) {
		sink_expect(out, a.dim[1] == 1 ? cases->n : (int64_t)cases->n * all->n);
		npy_free(&a);
	}
	free(path);
}

void decode_probs(struct sink *out, char *const *folders, int n, const char *dataset_json, int planes)
{
	struct folders all = open_folders(folders, n);
	struct names cases = {0};
	struct labels labels = { .ignore = -1 };
	bool has_labels = read_labels(&labels, &all, dataset_json);
	struct frame f = {0};

	for (int i = 0; i < all.n; i++)
		for (int k = 0; k < all.f[i].cases.n; k++)
			add(&cases, all.f[i].cases.name[k], strlen(all.f[i].cases.name[k]));
	sort_unique(&cases);
	expect(out, &all, &cases);
	for (int i = 0; i < cases.n; i++) {
		frame_reset(&f, cases.name[i]);
		if (!decode_case(out, &f, &all, cases.name[i], has_labels ? &labels : NULL, planes)) {
			frame_reset(&f, cases.name[i]);
			case_failed(out, NULL, &f);
		}
	}
	frame_free(&f);
	labels_free(&labels);
	free_names(&cases);
	for (int i = 0; i < all.n; i++)
		close_folder(&all.f[i]);
	free(all.f);
}
