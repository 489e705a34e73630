#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/planes.h"
#include "filters/infer-checkpoint/predict.h"

/* The network's input for this case has to be what normalize made for this plan. */
static bool check_frame(struct grids *g, const struct frame *f, const struct ensemble *e)
{
	const msgpack_object *plan = mpk_get_map(&f->header, "plan");
	const char *hash = mpk_get_str(plan, "hash", NULL);
	const struct layer *image = frame_layer(f, "image");

	if (!hash)
		return fail(XDATA, "the image is not normalised (its header names no plan); normalize comes before this program");
	if (strcmp(hash, e->plan.hash))
		return fail(XDATA, "the image was normalised by plan %s (%s), the checkpoints belong to plan %s (%s)", hash,
		            mpk_get_str(plan, "configuration", "?"), e->plan.hash, e->plan.configuration);
	if (!grids_from_frame(g, f))
		return false;
	if (memcmp(g->network, f->shape, sizeof f->shape))
		return fail(XDATA, "the image is not on the grid that its header gives for the network");
	if (image->channels != e->network.n_inputs || image->type != DT_F4)
		return fail(XDATA, "the image has %lld channels of type %s, the network takes %d of type <f4", (long long)image->channels,
		            dtype_name(image->type), e->network.n_inputs);
	return true;
}

/* Grids of an image that is on the network's grid already: the way back is the activation alone. */
static struct grids in_place(const struct grids *g)
{
	struct grids same = { .transpose_forward = { 0, 1, 2 }, .transpose_backward = { 0, 1, 2 } };

	for (int i = 0; i < 3; i++) {
		same.original[i] = same.before_crop[i] = same.crop_hi[i] = same.after_crop[i] = same.network[i] = g->network[i];
		same.spacing_mm[i] = same.spacing[i] = same.network_spacing[i] = g->network_spacing[i];
	}
	return same;
}

static struct restore way_back(const struct grids *g, const struct ensemble *e, const struct predict_options *o)
{
	return (struct restore){ .grids = g, .plan = &e->plan, .labels = &e->dataset.labels, .channels = e->network.n_outputs,
	                         .parity = o->parity, .logits_only = o->logits };
}

static struct layer *add_layer(struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct layer *l = frame_add(f, o->logits ? "logits" : "probs", DT_F4, e->network.n_outputs);

	if (!o->logits)
		layer_put(f, l, "activation", mpk_str(f->zone, e->dataset.labels.has_regions ? "sigmoid" : "softmax"));
	return l;
}

/* Bytes of the planes that are made at a time: a slab, or one plane where a slab is a part of it.  All members of a picture
 * are written together. */
static bool slab_bytes(size_t *bytes, const struct frame *f, const struct ensemble *e, bool average)
{
	int64_t members = f->shape[0] == 1 && !average ? e->n : 1;

	if (size_of_block(bytes, DT_F4, e->network.n_outputs, f->slab[0], f->shape[1], f->shape[2]) &&
	    size_mul(bytes, (int64_t)*bytes, members) && *bytes <= memory_limit)
		return true;
	return fail(XDATA, "the output of %lld checkpoints on planes of %lldx%lld is over the limit of %zu MiB; --memory raises it, "
	            "a process for each checkpoint needs less", (long long)members, (long long)f->shape[1], (long long)f->shape[2],
	            memory_limit >> 20);
}

/* Room for a slab in l->data. */
static void slab_room(struct layer *l, size_t bytes)
{
	if (bytes <= l->capacity)
		return;
	free(l->data);
	l->data = xaligned(bytes, 1);
	l->capacity = bytes;
}

/* Writes planes f->slab[0] at a time, of which out takes a slab: all of them, or rows of one.  The frame's header goes out when
 * the first planes are there, so that a case that fails at once has a frame without layers. */
static bool write_slabs(struct sink *out, struct frame *f, struct layer *l, struct planes *p)
{
	const int64_t *s = f->shape;
	size_t row = (size_t)s[2] * sizeof(float), rows = (size_t)f->slab[1];
	size_t bytes = (size_t)(l->channels * f->slab[0] * s[1]) * row;
	bool cut = f->slab[1] < s[1], ok = true;
	char *plane = cut ? xaligned(bytes, 1) : NULL;

	slab_room(l, bytes);
	for (int64_t z = 0, dz; z < s[0] && ok; z += dz) {
		dz = s[0] - z < f->slab[0] ? s[0] - z : f->slab[0];
		ok = planes_read(p, cut ? (float *)plane : l->data, z, dz);
		if (ok && z == 0)
			sink_begin(out, f);
		for (size_t y = 0; y < (size_t)s[1] && ok; y += rows) {
			size_t n = (size_t)s[1] - y < rows ? (size_t)s[1] - y : rows;
			for (size_t c = 0; cut && c < (size_t)l->channels; c++)
				memcpy((char *)l->data + c * n * row, plane + (c * (size_t)s[1] + y) * row, n * row);
			sink_slab(out, f);
		}
	}
	if (ok)
		sink_end(out, f);
	free(plane);
	return ok;
}

/* One member, or their average (-1): written to out, or for a picture kept as a layer of its frame. */
static bool one_member(struct sink *out, struct frame *f, struct layer *l, const struct ensemble *e, int member, const float *image,
                       const struct restore *way, double step)
{
	struct planes p;
	bool ok;

	if (member >= 0)
		layer_put_member(f, l, &e->member[member]);
	if (!planes_open(&p, e, member, image, way, step))
		return false;
	if (f->shape[0] == 1) {
		slab_room(l, (size_t)l->channels * frame_grid_voxels(f) * sizeof(float));
		ok = planes_read(&p, l->data, 0, 1);
	} else {
		ok = write_slabs(out, f, l, &p);
	}
	planes_close(&p);
	return ok;
}

/* The grid of what is written, and slabs that are not larger than need be. */
static void set_grid(struct frame *f, const struct grids *g, const struct restore *way)
{
	frame_grid(f, g->original, g->spacing_mm, restore_whole(way) ? g->original[0] : 0);
}

bool predict_case(struct sink *out, struct source *in, struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct grids g;
	struct layer *image = frame_layer(f, "image"), *l = NULL;
	struct restore way = way_back(&g, e, o);
	bool ok = true;
	size_t bytes;

	if (!check_frame(&g, f, e) || !restore_possible(&way) || !source_volume(in, f))
		return false;
	if (o->network_grid)
		g = in_place(&g);
	labels_to_frame(f, &e->dataset.labels);
	for (int i = 0; i < f->n_layers; i++) {                 /* what came is on the network's grid */
		f->layer[i]->dropped |= !o->network_grid || f->layer[i] == image;
		f->layer[i]->whole = true;
	}
	for (int m = 0; m < (o->average ? 1 : e->n) && ok; m++) {
		if (g.original[0] == 1 || m == 0)
			l = add_layer(f, e, o);
		if (m == 0) {
			set_grid(f, &g, &way);
			ok = slab_bytes(&bytes, f, e, o->average);
		}
		ok = ok && one_member(out, f, l, e, o->average ? -1 : m, image->data, &way, o->step);
	}
	if (ok && g.original[0] == 1)
		sink_volume(out, f);
	return ok;
}

bool predict_cost(struct predict_cost *cost, const struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct frame made = {0};
	struct grids g;
	struct restore way = way_back(&g, e, o);
	size_t flow = 0, output = 0, image;
	bool ok = check_frame(&g, f, e) && restore_possible(&way);

	if (!ok)
		return false;
	size_of_block(&image, DT_F4, e->network.n_inputs, g.network[0], g.network[1], g.network[2]);
	if (o->network_grid)
		g = in_place(&g);
	frame_inherit(&made, f);
	add_layer(&made, e, o);
	set_grid(&made, &g, &way);
	ok = slab_bytes(&output, &made, e, o->average) &&
	     planes_cost(&cost->windows, &flow, e, &way, o->step, made.slab[0], o->average);
	cost->bytes = image + flow + output;
	frame_free(&made);
	return ok;
}
