/* NRRD (teem.sourceforge.net/nrrd/format.html) as ITK reads it: "field: value" lines up to an empty one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/volume.h"

static const struct { const char *name; enum dtype type; } types[] = {
	{ "signed char", DT_I1 }, { "int8", DT_I1 }, { "int8_t", DT_I1 }, { "uchar", DT_U1 }, { "unsigned char", DT_U1 },
	{ "uint8", DT_U1 }, { "uint8_t", DT_U1 }, { "short", DT_I2 }, { "short int", DT_I2 }, { "signed short", DT_I2 },
	{ "signed short int", DT_I2 }, { "int16", DT_I2 }, { "int16_t", DT_I2 }, { "ushort", DT_U2 }, { "unsigned short", DT_U2 },
	{ "unsigned short int", DT_U2 }, { "uint16", DT_U2 }, { "uint16_t", DT_U2 }, { "int", DT_I4 }, { "signed int", DT_I4 },
	{ "int32", DT_I4 }, { "int32_t", DT_I4 }, { "uint", DT_U4 }, { "unsigned int", DT_U4 }, { "uint32", DT_U4 },
	{ "uint32_t", DT_U4 }, { "longlong", DT_I8 }, { "long long", DT_I8 }, { "long long int", DT_I8 },
	{ "signed long long", DT_I8 }, { "signed long long int", DT_I8 }, { "int64", DT_I8 }, { "int64_t", DT_I8 },
	{ "ulonglong", DT_U8 }, { "unsigned long long", DT_U8 }, { "unsigned long long int", DT_U8 }, { "uint64", DT_U8 },
	{ "uint64_t", DT_U8 }, { "float", DT_F4 }, { "double", DT_F8 }, { NULL, DT_NONE }
};

/* Fields that say where voxels are: kept when a label map is written with its source's geometry. */
static const char *const geometry[] = {
	"space", "space dimension", "space units", "space origin", "space directions", "measurement frame", "kinds", "centers",
	"centerings", "spacings", "thicknesses", "units", "labels", "axis mins", "axismins", "axis maxs", "axismaxs", NULL
};

/* What the header says beside struct volume. */
struct nrrd {
	bool endian, spaced, directed;  /* which fields came */
	int space;                      /* dimensions, 0: none */
	double sign[3];                 /* of its axes in LPS */
};

static bool bad(const struct field *f, const char *path)
{
	return fail(XDATA, "%s: its header says '%.*s', which cannot be read; it is damaged or of an unknown kind", path,
	            (int)(f->line_n < 100 ? f->line_n : 100), f->line);
}

static bool take_space(struct nrrd *r, const struct field *f)
{
	static const struct { const char *name, *letters; double sign[3]; } spaces[] = {
		{ "left-posterior-superior", "LPS", { 1, 1, 1 } }, { "right-anterior-superior", "RAS", { -1, -1, 1 } },
		{ "left-anterior-superior", "LAS", { 1, -1, 1 } }
	};

	r->space = 3;
	for (int i = 0; i < 3; i++)
		if (value_is(f, spaces[i].name) || value_is(f, spaces[i].letters))
			memcpy(r->sign, spaces[i].sign, sizeof r->sign);
	return f->n < 5 || strncmp(f->value + f->n - 5, "-time", 5);
}

/* "(1,0,0)" of n numbers at *p, which moves behind it; 0: "none", -1: neither. */
static int vector(double *v, int n, const char **p)
{
	char *end;

	while (**p == ' ' || **p == '\t')
		++*p;
	if (!strncmp(*p, "none", 4)) {
		*p += 4;
		return 0;
	}
	if (**p != '(')
		return -1;
	for (int i = 0; i < n; i++) {
		++*p;
		v[i] = strtod(*p, &end);
		if (end == *p)
			return -1;
		for (*p = end; **p == ' '; ++*p)
			;
		if (**p != (i == n - 1 ? ')' : ','))
			return -1;
	}
	++*p;
	return n;
}

/* space directions, or space origin (vectors 1). */
static bool take_vectors(double (*v)[3], int vectors, int space, const struct field *f, const char *path)
{
	char *s = field_value(f);
	const char *p = s;
	int n = space;

	for (int i = 0; i < vectors && n == space; i++)
		n = vector(v[i], space, &p);
	while (*p == ' ' || *p == '\t')
		p++;
	bool whole = n == space && !*p;
	free(s);
	return whole || (n == 0 ? fail(XDATA, "%s: an axis has no direction in space ('%.*s'): vectors and lists are not read; "
	                               "split them into one file a channel (CASE_0000...)", path,
	                               (int)(f->line_n < 100 ? f->line_n : 100), f->line) : bad(f, path));
}

static bool take_directions(struct volume *v, struct nrrd *r, const struct field *f, const char *path)
{
	double axis[3][3] = {{0}};

	if (v->dims > 3 || !r->space)
		return fail(XDATA, "%s: space directions of a %d-D volume in a space of %d dimensions are not read", path,
		            v->dims, r->space);
	if (!take_vectors(axis, v->dims, r->space, f, path))
		return false;
	for (int j = 0; j < v->dims; j++) {
		v->spacing[j] = sqrt(axis[j][0] * axis[j][0] + axis[j][1] * axis[j][1] + axis[j][2] * axis[j][2]);
		for (int i = 0; i < r->space && v->spacing[j] > 0; i++)
			v->direction[i][j] = r->sign[i] * axis[j][i] / v->spacing[j];
	}
	r->directed = true;
	return true;
}

static bool take_kinds(const struct field *f, const char *path)
{
	char *s = field_value(f), *rest, *word;
	bool ok = true;

	for (word = strtok_r(s, " \t", &rest); word && ok; word = strtok_r(NULL, " \t", &rest))
		ok = !strcmp(word, "domain") || !strcmp(word, "space") || !strcmp(word, "time") || !strcmp(word, "???") ||
		     !strcmp(word, "none");
	free(s);
	return ok || fail(XDATA, "%s: its voxels are vectors or colours ('%.*s'); split them into one file a channel "
	                  "(CASE_0000...)", path, (int)(f->line_n < 100 ? f->line_n : 100), f->line);
}

static bool take_encoding(struct volume *v, const struct field *f, const char *path)
{
	v->compressed = value_is(f, "gzip") || value_is(f, "gz");
	return v->compressed || value_is(f, "raw") ||
	       fail(XDATA, "%s: its voxels are in the encoding '%.*s'; read are raw and gzip", path,
	            (int)(f->n < 20 ? f->n : 20), f->value);
}

static bool take_skip(int64_t *skip, double least, const struct field *f, const char *path)
{
	double x;

	if (field_reals(&x, 1, f) != 1 || !(x >= least && x < 0x1p53) || x != floor(x))
		return bad(f, path);
	*skip = (int64_t)x;
	return true;
}

static bool take(struct volume *v, struct nrrd *r, const struct field *f, const char *path)
{
	double x[4];

	if (field_is(f, "dimension")) {
		if (field_reals(x, 1, f) != 1 || !(x[0] == 2 || x[0] == 3 || x[0] == 4))
			return bad(f, path);
		v->dims = (int)x[0];
	} else if (field_is(f, "type")) {
		for (int i = 0; types[i].name; i++)
			if (value_is(f, types[i].name))
				v->type = types[i].type;
		return v->type != DT_NONE || bad(f, path);
	} else if (field_is(f, "sizes")) {
		return field_sizes(v->size, v->dims, f) || bad(f, path);
	} else if (field_is(f, "encoding")) {
		return take_encoding(v, f, path);
	} else if (field_is(f, "endian")) {
		r->endian = true;
		v->big_endian = value_is(f, "big");
		return v->big_endian || value_is(f, "little") || bad(f, path);
	} else if (field_is(f, "space")) {
		return take_space(r, f) || bad(f, path);
	} else if (field_is(f, "space dimension")) {
		if (field_reals(x, 1, f) != 1 || !(x[0] == 2 || x[0] == 3))
			return bad(f, path);
		r->space = (int)x[0];
	} else if (field_is(f, "space directions")) {
		return take_directions(v, r, f, path);
	} else if (field_is(f, "space origin")) {
		if (!r->space || !take_vectors(&v->origin, 1, r->space, f, path))
			return r->space ? false : bad(f, path);
		for (int i = 0; i < 3; i++)
			v->origin[i] *= r->sign[i];
	} else if (field_is(f, "spacings")) {
		if (field_reals(x, 4, f) != v->dims)
			return bad(f, path);
		for (int i = 0; i < 3 && i < v->dims && !r->directed; i++)
			v->spacing[i] = isnan(x[i]) ? 1 : x[i];
	} else if (field_is(f, "kinds")) {
		return take_kinds(f, path);
	} else if (field_is(f, "line skip") || field_is(f, "lineskip")) {
		return take_skip(&v->skip_lines, 0, f, path);
	} else if (field_is(f, "byte skip") || field_is(f, "byteskip")) {
		return take_skip(&v->skip, -1, f, path);
	} else if (field_is(f, "data file") || field_is(f, "datafile")) {
		if (!f->n || !strncmp(f->value, "LIST", 4) || memchr(f->value, '%', f->n) || memchr(f->value, 0, f->n))
			return fail(XDATA, "%s: its voxels are in more than one file (data file), which is not read", path);
		free(v->file);
		v->file = field_value(f);
	}
	return true;
}

bool nrrd_parse(struct volume *v, const char *text, size_t n, const char *path)
{
	struct nrrd r = { .sign = { 1, 1, 1 } };
	struct field f;
	const char *line;
	size_t length, at = 0;
	bool ended = false;

	*v = (struct volume){ .spacing = { 1, 1, 1 }, .direction = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } } };
	if (!text_line(&line, &length, &at, text, n) || length != 8 || memcmp(line, "NRRD000", 7))
		return fail(XDATA, "%s: its first line is not that of an NRRD file; it is truncated or damaged", path);
	while (text_line(&line, &length, &at, text, n)) {
		if (!length) {
			ended = true;
			break;
		}
		if (*line == '#' || !text_field(&f, line, length, ":") || (f.value > line && f.value[0] == '=')) {
			if (*line != '#' && !text_field(&f, line, length, ":="))
				return fail(XDATA, "%s: line '%.*s' of its header is none of an NRRD file; it is damaged", path,
					(int)(length < 100 ? length : 100), line);
			continue;                       /* a comment, or a key and value of the user's */
		}
		if (!v->dims && (field_is(&f, "sizes") || field_is(&f, "space directions") || field_is(&f, "spacings")))
			return fail(XDATA, "%s: its header has no dimension before '%.*s'", path, (int)f.key_n, f.key);
		if (!take(v, &r, &f, path))
			return false;
	}
	/* a header whose voxels are elsewhere may end without an empty line, but not within a line */
	if ((!ended && !(v->file && at == n)) || !v->size[0] || v->type == DT_NONE)
		return fail(XDATA, "%s: its header lacks %s; it is truncated or damaged", path,
			!v->size[0] ? "sizes" : v->type == DT_NONE ? "type" : "its end");
	if (!r.endian && dtype_size(v->type) > 1)
		return fail(XDATA, "%s: its header does not say in which order bytes are (endian)", path);
	v->header_bytes = at;
	return volume_check(v, path);
}

static void put_geometry(struct text *t, const struct volume *v)
{
	if (v->dims == 3)
		text_add(t, "space: left-posterior-superior\n");
	else
		text_add(t, "space dimension: 2\n");
	text_add(t, "space directions:");
	for (int j = 0; j < v->dims; j++)
		for (int i = 0; i < v->dims; i++)
			text_add(t, "%s%.17g%s", i ? "," : " (", v->direction[i][j] * v->spacing[j] + 0.0,
			         i == v->dims - 1 ? ")" : "");
	text_add(t, "\nspace origin: ");
	for (int i = 0; i < v->dims; i++)
		text_add(t, "%s%.17g", i ? "," : "(", v->origin[i]);
	text_add(t, ")\nkinds:%s domain domain\n", v->dims == 3 ? " domain" : "");
}

void nrrd_lines(struct text *t, const struct volume *v, const char *from, size_t n, const char *file)
{
	struct field f;
	const char *line, *name = "";
	size_t length, at = 0;

	for (int i = 0; types[i].name; i++)
		if (types[i].type == v->type)
			name = types[i].name;           /* the last is the shortest to read: uint8_t, uint16_t, float */
	text_add(t, "NRRD0005\ntype: %s\ndimension: %d\nsizes:", name, v->dims);
	for (int i = 0; i < v->dims; i++)
		text_add(t, " %lld", (long long)v->size[i]);
	text_add(t, "\n");
	if (!from)
		put_geometry(t, v);
	while (from && text_line(&line, &length, &at, from, n) && length)
		for (int i = 0; geometry[i]; i++)
			if (*line != '#' && text_field(&f, line, length, ":") && field_is(&f, geometry[i]))
				text_add(t, "%.*s\n", (int)length, line);
	text_add(t, "endian: little\nencoding: gzip\n");
	if (file)
		text_add(t, "data file: %s\n", file);
	text_add(t, "\n");
}
