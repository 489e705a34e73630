#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/labels.h"
#include "filters/encode/encode.h"

/* Pickle, protocol 2: a dictionary of texts, integers, floats, tuples and lists needs a dozen opcodes. */
struct pickle { char *bytes; size_t n, capacity; };

static void put(struct pickle *p, const void *bytes, size_t n)
{
	while (p->n + n > p->capacity)
		p->bytes = xrealloc(p->bytes, p->capacity = p->capacity ? 2 * p->capacity : 1024, 1);
	memcpy(p->bytes + p->n, bytes, n);
	p->n += n;
}

static void op(struct pickle *p, char code) { put(p, &code, 1); }

static void put_text(struct pickle *p, const char *s)
{
	uint32_t n = (uint32_t)strlen(s);

	op(p, 'X');                                     /* BINUNICODE, little-endian length */
	put(p, &n, 4);
	put(p, s, n);
}

static void put_real(struct pickle *p, double v)
{
	uint64_t u;

	memcpy(&u, &v, 8);
	u = __builtin_bswap64(u);
	op(p, 'G');                                     /* BINFLOAT, big-endian */
	put(p, &u, 8);
}

static void put_int(struct pickle *p, int64_t v)
{
	unsigned char head[2] = { 0x8a, 8 };            /* LONG1 of 8 bytes */

	put(p, head, 2);
	put(p, &v, 8);
}

static void begin_list(struct pickle *p) { put(p, "](", 2); }          /* EMPTY_LIST, MARK */
static void end_list(struct pickle *p) { op(p, 'e'); }                  /* APPENDS */

static void put_list(struct pickle *p, const double *v, int n)
{
	begin_list(p);
	for (int i = 0; i < n; i++)
		put_real(p, v[i]);
	end_list(p);
}

static void put_tuple(struct pickle *p, const double *v, int n)
{
	op(p, '(');
	for (int i = 0; i < n; i++)
		put_real(p, v[i]);
	op(p, 't');
}

static void put_shape(struct pickle *p, const char *key, const int64_t shape[3])
{
	put_text(p, key);
	op(p, '(');
	for (int i = 0; i < 3; i++)
		put_int(p, shape[i]);
	op(p, 't');
}

/* What SimpleITKIO keeps: x first, LPS axes (contract 1.4); of a 2D file two axes. */
static void put_sitk(struct pickle *p, const struct frame *f, double affine[3][4], int axes)
{
	double spacing[3] = { f->spacing_mm[2], f->spacing_mm[1], f->spacing_mm[0] }, origin[3], direction[9];
	int n = 0;

	for (int i = 0; i < axes; i++) {
		double sign = i < 2 ? -1 : 1;           /* RAS → LPS */
		origin[i] = sign * affine[i][3] + 0.0;     /* no -0 */
		for (int j = 0; j < axes; j++) {
			double length = hypot(hypot(affine[0][j], affine[1][j]), affine[2][j]);
			direction[n++] = length > 0 ? sign * affine[i][j] / length + 0.0 : i == j;
		}
	}
	put_text(p, "sitk_stuff");
	op(p, '}');
	op(p, '(');
	put_text(p, "spacing");
	put_tuple(p, spacing, axes);
	put_text(p, "origin");
	put_tuple(p, origin, axes);
	put_text(p, "direction");
	put_tuple(p, direction, axes * axes);
	op(p, 'u');
}

/* What NibabelIO keeps: the affine, as a list of rows, which nibabel turns into an array. */
static void put_nibabel(struct pickle *p, double affine[3][4])
{
	static const double last[4] = { 0, 0, 0, 1 };

	put_text(p, "nibabel_stuff");
	op(p, '}');
	op(p, '(');
	put_text(p, "original_affine");
	begin_list(p);
	for (int i = 0; i < 4; i++)
		put_list(p, i < 3 ? affine[i] : last, 4);
	end_list(p);
	op(p, 'u');
}

static bool write_whole(const char *path, const void *bytes, size_t n)
{
	struct outfile out;

	if (!outfile_open(&out, path))
		return false;
	if (!io_write(out.fd, bytes, n)) {
		fail_sys("cannot write %s", path);
		outfile_abort(&out);
		return false;
	}
	return outfile_commit(&out);
}

bool write_properties(const char *path, const struct frame *f)
{
	struct pickle p = {0};
	double affine[3][4];
	bool ok;

	put(&p, "\x80\x02}(", 4);                       /* PROTO 2, EMPTY_DICT, MARK */
	int axes = image_affine(affine, f, true);
	if (axes) {                                     /* a picture has none: NaturalImage2DIO keeps its spacing only */
		put_sitk(&p, f, affine, axes);
		image_affine(affine, f, false);
		put_nibabel(&p, affine);
	}
	put_text(&p, "spacing");
	put_list(&p, f->spacing_mm, 3);
	put_shape(&p, "shape_before_cropping", f->shape);
	put_shape(&p, "shape_after_cropping_and_before_resampling", f->shape);
	put_text(&p, "bbox_used_for_cropping");
	begin_list(&p);
	for (int i = 0; i < 3; i++) {
		begin_list(&p);
		put_int(&p, 0);
		put_int(&p, f->shape[i]);
		end_list(&p);
	}
	end_list(&p);
	put(&p, "u.", 2);                               /* SETITEMS, STOP */
	ok = write_whole(path, p.bytes, p.n);
	free(p.bytes);
	return ok;
}

static json_object *ints(const int *v, int n)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, json_object_new_int(v[i]));
	return a;
}

/* A plain label's value, or a region's list. */
static json_object *value_of(const struct label *l)
{
	return l->n == 1 ? json_object_new_int(*l->value) : ints(l->value, l->n);
}

bool write_dataset(const char *folder, const struct frame *f, const char *file_ending)
{
	char *path = xasprintf("%s/dataset.json", folder);
	struct labels l = {0};
	bool ok;

	if (!mpk_get_map(&f->header, "labels") || !access(path, F_OK)) {
		free(path);
		return true;
	}
	ok = labels_from_frame(&l, f, 0);
	if (ok) {
		json_object *top = json_object_new_object();
		json_object *names = json_object_new_object(), *values = json_object_new_object();
		const char *text;
		json_object_object_add(names, "0", json_object_new_string("unknown"));
		for (int i = 0; i < l.n; i++)
			json_object_object_add(values, l.entry[i].name, value_of(&l.entry[i]));
		if (l.ignore >= 0)
			json_object_object_add(values, "ignore", json_object_new_int(l.ignore));
		json_object_object_add(top, "channel_names", names);
		json_object_object_add(top, "labels", values);
		if (l.n_order)
			json_object_object_add(top, "regions_class_order", ints(l.regions_class_order, l.n_order));
		json_object_object_add(top, "numTraining", json_object_new_int(0));
		json_object_object_add(top, "file_ending", json_object_new_string(file_ending));
		text = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		ok = write_whole(path, text, strlen(text));
		json_object_put(top);
		labels_free(&l);
	}
	free(path);
	return ok;
}
