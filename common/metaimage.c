/* MetaImage as MetaIO, and so SimpleITK, reads it: "Key = value" lines, the last of them ElementDataFile. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/die.h"
#include "common/volume.h"

static const struct { const char *name; enum dtype type; } types[] = {
	{ "MET_CHAR", DT_I1 }, { "MET_UCHAR", DT_U1 }, { "MET_SHORT", DT_I2 }, { "MET_USHORT", DT_U2 }, { "MET_INT", DT_I4 },
	{ "MET_UINT", DT_U4 }, { "MET_LONG", DT_I4 }, { "MET_ULONG", DT_U4 }, { "MET_LONG_LONG", DT_I8 },
	{ "MET_ULONG_LONG", DT_U8 }, { "MET_FLOAT", DT_F4 }, { "MET_DOUBLE", DT_F8 }, { NULL, DT_NONE }
};

/* Keys of one meaning share an entry. */
enum key { K_TYPE, K_DIMS, K_SIZE, K_ELEMENT, K_SPACING, K_VOXEL, K_ORIGIN, K_MATRIX, K_BINARY, K_ORDER, K_COMPRESSED, K_CHANNELS,
           K_SKIP, K_FILE, K_GEOMETRY, K_OTHER };
static const struct { const char *name; enum key key; } keys[] = {
	{ "ObjectType", K_TYPE }, { "NDims", K_DIMS }, { "DimSize", K_SIZE }, { "ElementType", K_ELEMENT },
	{ "ElementSpacing", K_SPACING }, { "ElementSize", K_VOXEL }, { "Offset", K_ORIGIN }, { "Position", K_ORIGIN },
	{ "Origin", K_ORIGIN }, { "TransformMatrix", K_MATRIX }, { "Rotation", K_MATRIX }, { "Orientation", K_MATRIX },
	{ "BinaryData", K_BINARY }, { "BinaryDataByteOrderMSB", K_ORDER }, { "ElementByteOrderMSB", K_ORDER },
	{ "CompressedData", K_COMPRESSED }, { "ElementNumberOfChannels", K_CHANNELS }, { "HeaderSize", K_SKIP },
	{ "ElementDataFile", K_FILE }, { "CenterOfRotation", K_GEOMETRY }, { "AnatomicalOrientation", K_GEOMETRY },
	{ NULL, K_OTHER }
};

static enum key key_of(const struct field *f)
{
	for (int i = 0; keys[i].name; i++)
		if (field_is(f, keys[i].name))
			return keys[i].key;
	return K_OTHER;
}

static bool truth(const struct field *f) { return f->n && strchr("TtYy1", *f->value); }

static bool bad(const struct field *f, const char *path)
{
	return fail(XDATA, "%s: its header says '%.*s', which cannot be read; it is damaged or of an unknown kind", path,
	            (int)(f->line_n < 100 ? f->line_n : 100), f->line);
}

/* ElementDataFile ends the header. */
static bool take_file(struct volume *v, const struct field *f, const char *path)
{
	if (value_is(f, "LOCAL"))
		return true;
	if (!f->n || !strncasecmp(f->value, "LIST", 4) || memchr(f->value, '%', f->n) || memchr(f->value, 0, f->n))
		return fail(XDATA, "%s: its voxels are in more than one file (ElementDataFile), which is not read", path);
	v->file = field_value(f);
	return true;
}

static bool take(struct volume *v, enum key key, const struct field *f, const char *path)
{
	double x[16] = {0};

	switch (key) {
	case K_TYPE:
		return value_is(f, "Image") || bad(f, path);
	case K_DIMS:
		if (field_reals(x, 1, f) != 1 || !(x[0] == 2 || x[0] == 3 || x[0] == 4))
			return bad(f, path);
		v->dims = (int)x[0];
		return true;
	case K_SIZE:
		return field_sizes(v->size, v->dims, f) || bad(f, path);
	case K_ELEMENT:
		for (int i = 0; types[i].name; i++)
			if (value_is(f, types[i].name))
				v->type = types[i].type;
		return v->type != DT_NONE || bad(f, path);
	case K_SPACING: case K_ORIGIN:
		if (field_reals(x, 4, f) != v->dims)
			return bad(f, path);
		memcpy(key == K_SPACING ? v->spacing : v->origin, x, sizeof v->spacing);
		return true;
	case K_MATRIX:
		if (field_reals(x, 16, f) != v->dims * v->dims)
			return bad(f, path);
		for (int i = 0; i < 3 && i < v->dims; i++)      /* a row is the direction of an axis */
			for (int j = 0; j < 3 && j < v->dims; j++)
				v->direction[j][i] = x[i * v->dims + j];
		return true;
	case K_BINARY:
		return truth(f) || fail(XDATA, "%s: its voxels are text (BinaryData = False), which is not read", path);
	case K_ORDER:
		v->big_endian = truth(f);
		return true;
	case K_COMPRESSED:
		v->compressed = truth(f);
		return true;
	case K_CHANNELS:
		return (field_reals(x, 1, f) == 1 && x[0] == 1) ||
		       fail(XDATA, "%s: its voxels are vectors or colours; split them into one file a channel (CASE_0000...)",
		            path);
	case K_SKIP:
		if (field_reals(x, 1, f) != 1 || !(x[0] >= -1 && x[0] < 0x1p53) || x[0] != (double)(int64_t)x[0])
			return bad(f, path);
		v->skip = (int64_t)x[0];
		return true;
	case K_FILE:
		return take_file(v, f, path);
	case K_VOXEL: case K_GEOMETRY: case K_OTHER:
		break;
	}
	return true;
}

bool metaimage_parse(struct volume *v, const char *text, size_t n, const char *path)
{
	struct field f, voxel = {0};
	bool spaced = false, ended = false;
	const char *line;
	size_t length, at = 0;

	*v = (struct volume){ .spacing = { 1, 1, 1 }, .direction = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } } };
	while (!ended && text_line(&line, &length, &at, text, n)) {
		if (!text_field(&f, line, length, "="))
			return fail(XDATA, "%s: line '%.*s' of its header is none of a MetaImage; it is damaged", path,
				(int)(length < 100 ? length : 100), line);
		enum key key = key_of(&f);
		if (!v->dims && (key == K_SIZE || key == K_SPACING || key == K_ORIGIN || key == K_MATRIX))
			return fail(XDATA, "%s: its header has no NDims before '%.*s'", path, (int)f.key_n, f.key);
		if (!take(v, key, &f, path))
			return false;
		if (key == K_VOXEL)
			voxel = f;
		spaced |= key == K_SPACING;
		ended = key == K_FILE;
	}
	if (!ended || !v->size[0] || v->type == DT_NONE)
		return fail(XDATA, "%s: its header lacks %s; it is truncated or damaged", path,
			!ended ? "ElementDataFile" : v->size[0] ? "ElementType" : "DimSize");
	if (!spaced && voxel.n && !take(v, K_SPACING, &voxel, path))    /* MetaIO: a voxel's size if nothing else is there */
		return false;
	v->header_bytes = at;
	return volume_check(v, path);
}

static void put_geometry(struct text *t, const struct volume *v)
{
	text_add(t, "TransformMatrix =");
	for (int i = 0; i < v->dims; i++)
		for (int j = 0; j < v->dims; j++)
			text_add(t, " %.17g", v->direction[j][i]);
	text_add(t, "\nOffset =");
	for (int i = 0; i < v->dims; i++)
		text_add(t, " %.17g", v->origin[i]);
	text_add(t, "\nElementSpacing =");
	for (int i = 0; i < v->dims; i++)
		text_add(t, " %.17g", v->spacing[i]);
	text_add(t, "\n");
}

void metaimage_lines(struct text *t, const struct volume *v, const char *from, size_t n, const char *file, size_t bytes)
{
	struct field f;
	const char *line;
	size_t length, at = 0;

	text_add(t, "ObjectType = Image\nNDims = %d\nBinaryData = True\nBinaryDataByteOrderMSB = False\n", v->dims);
	text_add(t, "CompressedData = True\nCompressedDataSize = %zu\n", bytes);
	while (from && text_line(&line, &length, &at, from, n))
		if (text_field(&f, line, length, "=")) {
			enum key key = key_of(&f);
			if (key == K_SPACING || key == K_VOXEL || key == K_ORIGIN || key == K_MATRIX || key == K_GEOMETRY)
				text_add(t, "%.*s\n", (int)length, line);
			if (key == K_FILE)
				break;
		}
	if (!from)
		put_geometry(t, v);
	text_add(t, "DimSize =");
	for (int i = 0; i < v->dims; i++)
		text_add(t, " %lld", (long long)v->size[i]);
	for (int i = 0; types[i].name; i++)
		if (types[i].type == v->type) {
			text_add(t, "\nElementType = %s", types[i].name);
			break;
		}
	text_add(t, "\nElementDataFile = %s\n", file ? file : "LOCAL");
}
