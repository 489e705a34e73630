#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/labels.h"

enum { VALUES = 65536 };         /* a segmentation holds 16-bit values */

void labels_free(struct labels *l)
{
	for (int i = 0; i < l->n; i++) {
		free(l->entry[i].name);
		free(l->entry[i].value);
	}
	free(l->entry);
	free(l->regions_class_order);
	free(l->foreground);
	*l = (struct labels){ .ignore = -1 };
}

bool label_has(const struct label *l, int value)
{
	for (int i = 0; i < l->n; i++)
		if (l->value[i] == value)
			return true;
	return false;
}

/* Only background: no channel of a network with regions stands for it (contract 1.2). */
static bool is_background(const struct label *l)
{
	for (int i = 0; i < l->n; i++)
		if (l->value[i])
			return false;
	return true;
}

static int n_regions(const struct labels *l)
{
	int n = 0;

	for (int i = 0; i < l->n; i++)
		n += !is_background(&l->entry[i]);
	return n;
}

/* Marks the values that entries hold, checks their range and returns the largest; -1 after fail(). */
static int mark_values(unsigned char *seen, const struct labels *l)
{
	int largest = 0;

	for (int i = 0; i < l->n; i++) {
		const struct label *e = &l->entry[i];
		if (e->n < 1) {
			fail(XDATA, "label '%s' has no value", e->name);
			return -1;
		}
		if (!strcmp(e->name, "background") && (e->n > 1 || e->value[0] != 0)) {
			fail(XDATA, "label 'background' must be 0");
			return -1;
		}
		for (int k = 0; k < e->n; k++) {
			if (e->value[k] < 0 || e->value[k] >= VALUES) {
				fail(XDATA, "label '%s' has the value %d, which is not in 0 to %d", e->name, e->value[k], VALUES - 1);
				return -1;
			}
			seen[e->value[k]] = 1;
			largest = e->value[k] > largest ? e->value[k] : largest;
		}
	}
	return largest;
}

static bool check_order(const struct labels *l)
{
	int regions = n_regions(l);

	if (l->n_order != regions)
		return fail(XDATA, "there are %d regions but regions_class_order has %d entries", regions, l->n_order);
	for (int i = 0; i < l->n_order; i++)
		if (l->regions_class_order[i] < 0 || l->regions_class_order[i] >= VALUES)
			return fail(XDATA, "regions_class_order holds %d, which is not in 0 to %d", l->regions_class_order[i], VALUES - 1);
	return true;
}

bool labels_finish(struct labels *l)
{
	unsigned char *seen = xcalloc(VALUES, 1);
	int largest = mark_values(seen, l), v = 0;

	while (v <= largest && seen[v])
		v++;
	free(seen);
	if (largest < 0)
		return false;
	if (v <= largest)
		return v ? fail(XDATA, "label values must be consecutive, but no label has the value %d", v)
			         : fail(XDATA, "no label has the value 0, the background");
	if (l->ignore >= 0 && l->ignore != largest + 1)
		return fail(XDATA, "the ignore label is %d, but must be one more than the largest other, %d", l->ignore, largest);
	l->has_regions = false;
	for (int i = 0; i < l->n; i++)
		l->has_regions |= l->entry[i].n > 1;
	free(l->foreground);
	l->foreground = xmalloc((size_t)largest + 1, sizeof *l->foreground);
	l->n_foreground = largest;
	for (v = 1; v <= largest; v++)
		l->foreground[v - 1] = v;
	l->max_value = largest;
	l->n_outputs = largest + 1;
	if (!l->has_regions) {
		l->n_order = 0;         /* nnU-Net ignores the key without regions */
		return true;
	}
	if (!check_order(l))
		return false;
	l->n_outputs = l->n_order;
	l->max_value = 0;
	for (int i = 0; i < l->n_order; i++)
		if (l->regions_class_order[i] > l->max_value)
			l->max_value = l->regions_class_order[i];
	return true;
}

bool labels_probs(struct layer **probs, const struct frame *f)
{
	struct member id;

	*probs = NULL;
	for (int i = 0; i < f->n_layers; i++) {
		struct layer *l = f->layer[i];
		if (l->dropped || strcmp(l->kind, "probs"))
			continue;
		if (layer_member(l, &id) && (*probs || id.of > 1))
			return fail(XDATA, "its probabilities are those of members; average-probs comes before");
		if (l->type != DT_F4)
			return fail(XDATA, "its probabilities are of type %s, not <f4", dtype_name(l->type));
		*probs = *probs ? *probs : l;
	}
	return true;
}

static struct label *add(struct labels *l, const char *name, int n)
{
	struct label *e;

	l->entry = xrealloc(l->entry, (size_t)l->n + 1, sizeof *l->entry);
	e = &l->entry[l->n++];
	*e = (struct label){ .name = xstrdup(name), .n = n, .value = xcalloc((size_t)n, sizeof *e->value) };
	return e;
}

static bool get_value(int *v, const msgpack_object *o, const char *name)
{
	int64_t i;

	if (!mpk_as_int(o, &i) || i < 0 || i >= VALUES)
		return fail(XDATA, "%s holds something else than values from 0 to %d", name, VALUES - 1);
	*v = (int)i;
	return true;
}

static bool read_entries(struct labels *l, const msgpack_object *map)
{
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *v = &map->via.map.ptr[i].val;
		const char *name = mpk_as_str(&map->via.map.ptr[i].key);
		bool list = v->type == MSGPACK_OBJECT_ARRAY;
		struct label *e;

		if (!name)
			return fail(XDATA, "a label's name is no text");
		e = add(l, name, list ? (int)v->via.array.size : 1);
		for (int k = 0; k < e->n; k++)
			if (!get_value(&e->value[k], list ? &v->via.array.ptr[k] : v, name))
				return false;
	}
	return true;
}

static bool read_order(struct labels *l, const msgpack_object *order)
{
	l->n_order = order ? (int)order->via.array.size : 0;
	l->regions_class_order = xcalloc((size_t)l->n_order, sizeof *l->regions_class_order);
	for (int i = 0; i < l->n_order; i++)
		if (!get_value(&l->regions_class_order[i], &order->via.array.ptr[i], "regions_class_order"))
			return false;
	return true;
}

static bool from_frame(struct labels *l, const struct frame *f, int64_t channels)
{
	const msgpack_object *map = mpk_get_map(&f->header, "labels"), *ignore = mpk_get(&f->header, "ignore");
	const struct layer *probs = frame_layer(f, "probs");
	bool sigmoid = probs && mpk_is_str(mpk_get(&probs->map, "activation"), "sigmoid");

	if (!map && sigmoid)
		return fail(XDATA, "its probabilities are those of regions, but its header has no labels");
	if (!map && (channels < 1 || channels >= VALUES))
		return fail(XDATA, "its header has no labels");
	if (map) {
		if (!read_entries(l, map) || !read_order(l, mpk_get_array(&f->header, "regions_class_order")))
			return false;
		if (ignore && ignore->type != MSGPACK_OBJECT_NIL && !get_value(&l->ignore, ignore, "ignore"))
			return false;
	} else {
		for (int i = 0; i < channels; i++) {
			char name[16];
			snprintf(name, sizeof name, "%d", i);
			add(l, name, 1)->value[0] = i;
		}
	}
	if (!labels_finish(l))
		return false;
	if (channels > 0 && channels != l->n_outputs)
		return fail(XDATA, "its probabilities have %lld channels where its labels make %d", (long long)channels, l->n_outputs);
	return true;
}

bool labels_from_frame(struct labels *l, const struct frame *f, int64_t channels)
{
	*l = (struct labels){ .ignore = -1 };
	if (from_frame(l, f, channels))
		return true;
	labels_free(l);
	return false;
}

static msgpack_object int_list(msgpack_zone *zone, const int *v, int n)
{
	msgpack_object a = mpk_array();

	for (int i = 0; i < n; i++)
		mpk_append(zone, &a, mpk_int(v[i]));
	return a;
}

void labels_to_frame(struct frame *f, const struct labels *l)
{
	msgpack_object map = mpk_map();

	for (int i = 0; i < l->n; i++) {
		const struct label *e = &l->entry[i];
		mpk_put(f->zone, &map, e->name, e->n == 1 ? mpk_int(e->value[0]) : int_list(f->zone, e->value, e->n));
	}
	frame_put(f, "labels", map);
	if (l->has_regions)
		frame_put(f, "regions_class_order", int_list(f->zone, l->regions_class_order, l->n_order));
	if (l->ignore >= 0)
		frame_put(f, "ignore", mpk_int(l->ignore));
}

int labels_n_structures(const struct labels *l) { return l->has_regions ? l->n_outputs : l->n_foreground; }

/* Classes go by ascending value, as nnU-Net's foreground_labels; regions by their place in the file. */
const struct label *labels_structure(const struct labels *l, int i)
{
	for (int k = 0; k < l->n; k++) {
		const struct label *e = &l->entry[k];
		if (l->has_regions ? !is_background(e) && i-- == 0 : e->value[0] == l->foreground[i])
			return e;
	}
	return NULL;
}

int labels_structure_channel(const struct labels *l, int i) { return l->has_regions ? i : i + 1; }

static void segment_classes(uint16_t *out, const float *probs, int classes, size_t voxels)
{
	enum { BLOCK = 2048 };
	float best[BLOCK];

	for (size_t at = 0; at < voxels; at += BLOCK) {
		size_t n = voxels - at < BLOCK ? voxels - at : BLOCK;
		memcpy(best, probs + at, n * sizeof *best);
		memset(out + at, 0, n * sizeof *out);
		for (int c = 1; c < classes; c++) {
			const float *p = probs + (size_t)c * voxels + at;
			for (size_t i = 0; i < n; i++)
				if (p[i] > best[i]) {
					best[i] = p[i];
					out[at + i] = (uint16_t)c;      /* values are consecutive: the class is the value */
				}
		}
	}
}

void labels_segment(uint16_t *out, const float *probs, const struct labels *l, size_t voxels)
{
	if (!l->has_regions) {
		segment_classes(out, probs, l->n_outputs, voxels);
		return;
	}
	memset(out, 0, voxels * sizeof *out);
	for (int r = 0; r < l->n_order; r++) {
		const float *p = probs + (size_t)r * voxels;
		for (size_t i = 0; i < voxels; i++)
			if (p[i] > 0.5f)
				out[i] = (uint16_t)l->regions_class_order[r];
	}
}

enum dtype labels_dtype(const struct labels *l) { return l->max_value < 256 ? DT_U1 : DT_U2; }

bool labels_widen(uint16_t *out, const struct layer *label, size_t voxels)
{
	const void *d = label->data;
	bool ok = true;

	switch (label->type) {
	case DT_U1:
		for (size_t i = 0; i < voxels; i++)
			out[i] = ((const uint8_t *)d)[i];
		return true;
	case DT_U2:
		memcpy(out, d, voxels * sizeof *out);
		return true;
	case DT_I2:
		for (size_t i = 0; i < voxels; i++) {
			int16_t v = ((const int16_t *)d)[i];
			ok &= v >= 0;
			out[i] = (uint16_t)v;
		}
		break;
	case DT_I4:
		for (size_t i = 0; i < voxels; i++) {
			int32_t v = ((const int32_t *)d)[i];
			ok &= v >= 0 && v < VALUES;
			out[i] = (uint16_t)v;
		}
		break;
	default:
		return fail(XDATA, "its label layer is of type %s, not of integers", dtype_name(label->type));
	}
	return ok || fail(XDATA, "its label layer holds values outside 0 to %d", VALUES - 1);
}
