#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/opt.h"
#include "common/stream.h"

static const size_t slab_bytes = (size_t)16 << 20;      /* what frame_grid() aims at */
static const size_t bin_max = (size_t)1 << 30;          /* a payload is cut so that no bin is longer */

msgpack_zone *zone_new(void)
{
	msgpack_zone *z = msgpack_zone_new(4096);

	if (!z)
		die(XIO, "out of memory");
	return z;
}

/* "stage: reason" of a map `failed`, in the frame's zone. */
const char *failure_text(struct frame *f, const msgpack_object *map)
{
	const char *stage = mpk_get_str(map, "stage", "?"), *reason = mpk_get_str(map, "reason", "?");
	size_t n = strlen(stage) + strlen(reason) + 3;
	char *text = msgpack_zone_malloc(f->zone, n);

	if (!text)
		die(XIO, "out of memory");
	snprintf(text, n, "%s: %s", stage, reason);
	return text;
}

void frame_reset(struct frame *f, const char *name)
{
	msgpack_zone *old = f->zone;                    /* name may live in it */

	f->zone = zone_new();
	f->header = mpk_map();
	f->closing = mpk_map();
	mpk_put(f->zone, &f->header, "case", mpk_str(f->zone, name));
	f->name = mpk_get_str(&f->header, "case", "?");
	f->failed = NULL;
	f->n_layers = 0;
	memset(f->shape, 0, sizeof f->shape);
	memset(f->spacing_mm, 0, sizeof f->spacing_mm);
	memset(f->slab, 0, sizeof f->slab);
	f->z = f->y = f->dz = f->dy = 0;
	if (old)
		msgpack_zone_free(old);
}

void frame_inherit(struct frame *f, const struct frame *from)
{
	frame_reset(f, from->name);
	f->header = mpk_copy(f->zone, from->header);
	f->name = mpk_get_str(&f->header, "case", "?");
	memcpy(f->shape, from->shape, sizeof f->shape);
	memcpy(f->spacing_mm, from->spacing_mm, sizeof f->spacing_mm);
	memcpy(f->slab, from->slab, sizeof f->slab);
}

void frame_free(struct frame *f)
{
	for (int i = 0; i < f->layers_made; i++) {
		free(f->layer[i]->data);
		free(f->layer[i]);
	}
	free(f->layer);
	if (f->zone)
		msgpack_zone_free(f->zone);
	*f = (struct frame){0};
}

struct layer *frame_layer(const struct frame *f, const char *kind)
{
	for (int i = 0; i < f->n_layers; i++)
		if (!f->layer[i]->dropped && !strcmp(f->layer[i]->kind, kind))
			return f->layer[i];
	return NULL;
}

struct layer *frame_add(struct frame *f, const char *kind, enum dtype type, int64_t channels)
{
	struct layer *l;
	void *data;
	size_t capacity;
	msgpack_object text = mpk_str(f->zone, kind);

	if (f->n_layers == f->layers_made) {
		f->layer = xrealloc(f->layer, (size_t)f->layers_made + 1, sizeof *f->layer);
		f->layer[f->layers_made++] = xcalloc(1, sizeof **f->layer);
	}
	l = f->layer[f->n_layers++];
	data = l->data;
	capacity = l->capacity;
	*l = (struct layer){ .kind = text.via.str.ptr, .type = type, .channels = channels, .map = mpk_map(), .data = data,
	    .capacity = capacity, .added = true };
	return l;
}

void frame_grid(struct frame *f, const int64_t shape[3], const double spacing_mm[3], int64_t planes)
{
	size_t plane = 1;                               /* bytes of the largest layer's plane */

	memmove(f->shape, shape, sizeof f->shape);
	memmove(f->spacing_mm, spacing_mm, sizeof f->spacing_mm);
	for (int i = 0; i < f->n_layers; i++) {
		size_t n = layer_bytes(f, f->layer[i], 1, shape[1]);
		plane = n > plane ? n : plane;
	}
	f->slab[0] = planes > 0 ? planes : (int64_t)(slab_bytes / plane);
	f->slab[1] = shape[1];
	if (f->slab[0] > (int64_t)(bin_max / plane))
		f->slab[0] = (int64_t)(bin_max / plane);
	if (plane > bin_max)
		f->slab[1] = (int64_t)(bin_max / (plane / (size_t)shape[1]));
	for (int i = 0; i < 2; i++) {
		if (f->slab[i] > shape[i])
			f->slab[i] = shape[i];
		if (f->slab[i] < 1)
			f->slab[i] = 1;
	}
}

size_t layer_bytes(const struct frame *f, const struct layer *l, int64_t z, int64_t y)
{
	size_t n;

	if (!size_of_block(&n, l->type, l->channels, z, y, f->shape[2]))
		die(XDATA, "case %s: the size of layer %s overflows", f->name, l->kind);
	return n;
}

void layer_room(struct layer *l, size_t bytes)
{
	if (bytes <= l->capacity)
		return;
	free(l->data);
	l->data = xaligned(bytes, 1);
	l->capacity = bytes;
}

/* Bytes of all layers for so many planes and rows: what a header can make us allocate. */
bool frame_bytes(const struct frame *f, int64_t z, int64_t y, size_t *total)
{
	*total = 0;
	for (int i = 0; i < f->n_layers; i++) {
		size_t n;
		if (!size_of_block(&n, f->layer[i]->type, f->layer[i]->channels, z, y, f->shape[2]) ||
		    __builtin_add_overflow(*total, n, total))
			return false;
	}
	return true;
}

/* The place of the next slab; false when the grid is done. */
bool frame_advance(struct frame *f, int64_t *z, int64_t *y)
{
	if (*z >= f->shape[0])
		return false;
	f->z = *z;
	f->y = *y;
	f->dz = f->slab[0] < f->shape[0] - *z ? f->slab[0] : f->shape[0] - *z;
	f->dy = f->slab[1] < f->shape[1] - *y ? f->slab[1] : f->shape[1] - *y;
	*y += f->dy;
	if (*y >= f->shape[1]) {
		*y = 0;
		*z += f->dz;
	}
	return true;
}

/* Copies a slab of one layer between the volume and a packed slab. */
void slab_copy(const struct frame *f, const struct layer *l, char *volume, char *slab, bool into_volume)
{
	size_t row = (size_t)f->shape[2] * dtype_size(l->type), plane = row * (size_t)f->shape[1];
	size_t run = (size_t)f->dy * row * (f->dy == f->shape[1] ? (size_t)f->dz : 1);

	for (int64_t c = 0; c < l->channels; c++) {
		char *v = volume + ((size_t)c * (size_t)f->shape[0] + (size_t)f->z) * plane + (size_t)f->y * row;
		if (into_volume)
			memcpy(v, slab, run);
		else
			memcpy(slab, v, run);
		slab += run;
	}
}

/* Whether all layers of the whole grid are within the limit. */
bool frame_fits(const struct frame *f)
{
	size_t total;

	if (!frame_bytes(f, f->shape[0], f->shape[1], &total))
		return fail(XDATA, "the size of the whole case overflows");
	if (total > memory_limit)
		return fail(XDATA, "the whole case needs %zu MiB, over the limit of %zu MiB (--memory raises it)", total >> 20,
		    memory_limit >> 20);
	return true;
}

bool frame_alloc_volume(struct frame *f)
{
	if (!frame_fits(f))
		return false;
	for (int i = 0; i < f->n_layers; i++)
		layer_room(f->layer[i], layer_bytes(f, f->layer[i], f->shape[0], f->shape[1]));
	return true;
}

msgpack_object frame_head(struct frame *f)
{
	msgpack_object head = f->header, layers = mpk_array();

	if (f->failed) {
		if (!mpk_get(&head, "failed"))          /* it failed in its closing map */
			mpk_put(f->zone, &head, "failed", *mpk_get(&f->closing, "failed"));
		return head;
	}
	for (int i = 0; i < f->n_layers; i++) {
		struct layer *l = f->layer[i];
		if (l->dropped)
			continue;
		if (layer_bytes(f, l, f->slab[0], f->slab[1]) > UINT32_MAX)
			die(XDATA, "case %s: a slab of layer %s is longer than a msgpack bin may be ('frames -s' makes slabs "
			    "smaller)", f->name, l->kind);
		mpk_put(f->zone, &l->map, "kind", mpk_str(f->zone, l->kind));
		mpk_put(f->zone, &l->map, "type", mpk_str(f->zone, dtype_name(l->type)));
		mpk_put(f->zone, &l->map, "channels", mpk_int(l->channels));
		mpk_append(f->zone, &layers, l->map);
	}
	mpk_put(f->zone, &head, "shape", mpk_ints(f->zone, f->shape, 3));
	mpk_put(f->zone, &head, "spacing_mm", mpk_reals(f->zone, f->spacing_mm, 3));
	mpk_put(f->zone, &head, "slab", mpk_ints(f->zone, f->slab, 2));
	mpk_put(f->zone, &head, "layers", layers);
	return head;
}

size_t frame_voxels(const struct frame *f) { return (size_t)f->dz * (size_t)f->dy * (size_t)f->shape[2]; }
size_t frame_grid_voxels(const struct frame *f) { return (size_t)f->shape[0] * (size_t)f->shape[1] * (size_t)f->shape[2]; }

void layer_put(struct frame *f, struct layer *l, const char *key, msgpack_object value) { mpk_put(f->zone, &l->map, key, value); }
void frame_put(struct frame *f, const char *key, msgpack_object value) { mpk_put(f->zone, &f->header, key, value); }

void frame_put_score(struct frame *f, const char *name, double value)
{
	msgpack_object *scores = mpk_get_map(&f->closing, "scores");

	if (!scores) {
		mpk_put(f->zone, &f->closing, "scores", mpk_map());
		scores = mpk_get_map(&f->closing, "scores");
	}
	mpk_put(f->zone, scores, name, mpk_real(value));
}

double frame_score(const struct frame *f, const char *name)
{
	return mpk_get_real(mpk_get_map(&f->closing, "scores"), name, NAN);
}

bool frame_has_flag(const struct frame *f, const char *flag)
{
	msgpack_object *flags = mpk_get_array(&f->closing, "flags");

	for (uint32_t i = 0; flags && i < flags->via.array.size; i++)
		if (mpk_is_str(&flags->via.array.ptr[i], flag))
			return true;
	return false;
}

const char *frame_subset(const struct frame *f)
{
	return mpk_get_str(mpk_get_map(&f->header, "subset"), "name", NULL);
}

void frame_flag(struct frame *f, const char *flag)
{
	msgpack_object *flags = mpk_get_array(&f->closing, "flags");

	if (frame_has_flag(f, flag))
		return;
	if (!flags) {
		mpk_put(f->zone, &f->closing, "flags", mpk_array());
		flags = mpk_get_array(&f->closing, "flags");
	}
	mpk_append(f->zone, flags, mpk_str(f->zone, flag));
}

bool layer_member(const struct layer *l, struct member *m)
{
	msgpack_object *o = mpk_get_map(&l->map, "member");

	if (!o)
		return false;
	*m = (struct member){ mpk_get_str(o, "name", NULL), mpk_get_str(o, "fold", NULL), mpk_get_str(o, "weights", NULL),
	                      mpk_get_int(o, "index", -1), mpk_get_int(o, "of", -1) };
	return true;
}

void layer_put_member(struct frame *f, struct layer *l, const struct member *m)
{
	msgpack_object o = mpk_map();

	if (m->name)
		mpk_put(f->zone, &o, "name", mpk_str(f->zone, m->name));
	if (m->fold)
		mpk_put(f->zone, &o, "fold", mpk_str(f->zone, m->fold));
	mpk_put(f->zone, &o, "index", mpk_int(m->index));
	mpk_put(f->zone, &o, "of", mpk_int(m->of));
	if (m->weights)
		mpk_put(f->zone, &o, "weights", mpk_str(f->zone, m->weights));
	layer_put(f, l, "member", o);
}
