#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/planes.h"
#include "filters/infer-checkpoint/predict.h"

static const size_t label_bytes = (size_t)16 << 20;     /* of features or logits that a slab of labels is made of */

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
	                         .parity = o->parity, .logits_only = o->logits, .segment = o->label, .threads = o->threads };
}

static struct layer *add_layer(struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct layer *l;

	if (o->label)
		return frame_add(f, "label", labels_dtype(&e->dataset.labels), 1);
	l = frame_add(f, o->logits ? "logits" : "probs", DT_F4, e->network.n_outputs);
	if (!o->logits)
		layer_put(f, l, "activation", mpk_str(f->zone, e->dataset.labels.has_regions ? "sigmoid" : "softmax"));
	return l;
}

/* Bytes of the planes that are made at a time: a slab, or one plane where a slab is a part of it.  All members of a picture
 * are written together. */
static bool slab_bytes(size_t *bytes, const struct frame *f, const struct restore *way, int n_members)
{
	if (size_of_block(bytes, DT_F4, restore_channels(way), f->slab[0], f->shape[1], f->shape[2]) &&
	    size_mul(bytes, (int64_t)*bytes, f->shape[0] == 1 ? n_members : 1) && *bytes <= memory_limit)
		return true;
	return fail(XDATA, "the output of %d checkpoints on planes of %lldx%lld is over the limit of %zu MiB; --memory raises it, "
	            "a process for each checkpoint needs less", n_members, (long long)f->shape[1], (long long)f->shape[2],
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

/* Planes z..z+dz as they are in l: floats, or labels narrowed. */
static bool read_planes(void *to, struct planes *p, const struct layer *l, int64_t z, int64_t dz, size_t plane)
{
	size_t n = (size_t)dz * plane;
	float *labels;
	bool ok;

	if (l->type == DT_F4)
		return planes_read(p, to, z, dz);
	labels = xaligned(n, sizeof *labels);
	ok = planes_read(p, labels, z, dz);
	for (size_t i = 0; i < n && ok; i++)
		if (l->type == DT_U1)
			((uint8_t *)to)[i] = (uint8_t)labels[i];
		else
			((uint16_t *)to)[i] = (uint16_t)labels[i];
	free(labels);
	return ok;
}

/* Writes planes f->slab[0] at a time, of which out takes a slab: all of them, or rows of one.  The frame's header goes out when
 * the first planes are there, so that a case that fails at once has a frame without layers. */
static bool write_slabs(struct sink *out, struct frame *f, struct layer *l, struct planes *p)
{
	const int64_t *s = f->shape;
	size_t row = (size_t)s[2] * dtype_size(l->type), rows = (size_t)f->slab[1];
	size_t bytes = (size_t)(l->channels * f->slab[0] * s[1]) * row;
	bool cut = f->slab[1] < s[1], ok = true;
	char *plane = cut ? xaligned(bytes, 1) : NULL;

	slab_room(l, bytes);
	for (int64_t z = 0, dz; z < s[0] && ok; z += dz) {
		dz = s[0] - z < f->slab[0] ? s[0] - z : f->slab[0];
		ok = read_planes(cut ? plane : l->data, p, l, z, dz, (size_t)(s[1] * s[2]));
		if (ok && z == 0)
			sink_begin(out, f);
		for (size_t y = 0; y < (size_t)s[1] && ok; y += rows) {
			size_t n = (size_t)s[1] - y < rows ? (size_t)s[1] - y : rows;
			for (size_t c = 0; cut && c < (size_t)l->channels; c++)
				memcpy((char *)l->data + c * n * row, plane + (c * (size_t)s[1] + y) * row, n * row);
			sink_slab(out, f);
		}
	}
	free(plane);
	return ok;
}

/* What has come after the image's planes goes out after the made ones. */
static void close_frame(struct sink *out, struct frame *made, struct input *image, bool picture)
{
	input_end(image);
	made->closing = mpk_copy(made->zone, image->f->closing);
	made->failed = image->f->failed;
	if (picture)
		sink_volume(out, made);
	else
		sink_end(out, made);
}

/* The grid of what is written.  Slabs are not larger than need be: those of labels not larger than what they are made of. */
static void set_grid(struct frame *f, const struct grids *g, const struct restore *way)
{
	size_t plane;
	int64_t planes = restore_whole(way) ? g->original[0] : 0;

	if (!planes && way->segment) {
		plane = (size_t)(restore_channels_in(way) * g->original[1] * g->original[2]) * sizeof(float);
		planes = plane < label_bytes ? (int64_t)(label_bytes / plane) : 1;
	}
	frame_grid(f, g->original, g->spacing_mm, planes);
}

/* The frame to write: what f says of the case, and with `keep` its other layers, which are whole. */
static void make_frame(struct frame *made, struct frame *f, const struct ensemble *e, bool keep)
{
	frame_inherit(made, f);
	labels_to_frame(made, &e->dataset.labels);
	for (int i = 0; i < f->n_layers && keep; i++) {
		struct layer *from = f->layer[i], *to;
		void *data;
		size_t capacity;
		if (from == frame_layer(f, "image"))
			continue;
		to = frame_add(made, from->kind, from->type, from->channels);
		data = to->data;
		capacity = to->capacity;
		*to = *from;
		to->map = mpk_copy(made->zone, from->map);
		to->kind = mpk_get_str(&to->map, "kind", "?");
		to->whole = true;
		from->data = data;      /* it changes hands; a buffer comes back for the next frame */
		from->capacity = capacity;
	}
}

/* Which member the backend runs; -1: all, for their average. */
static int member_of(const struct predict_options *o, int m) { return o->average ? -1 : m; }
static int members(const struct ensemble *e, const struct predict_options *o) { return o->average ? 1 : e->n; }
static bool picture(const struct prediction *p) { return p->g.original[0] == 1; }

/* Whether the image may come plane by plane. */
static bool streams(const struct frame *f, const struct restore *way, const struct ensemble *e, const struct predict_options *o)
{
	int passes = o->average && !o->parity ? 1 : e->n;

	return !(o->network_grid && f->n_layers > 1) && planes_stream(way, passes) &&
	       !planes_few(e, member_of(o, 0), way, o->step);
}

bool predict_begin(struct prediction *p, struct source *in)
{
	size_t bytes;

	p->n = 0;
	p->l = NULL;
	p->way = way_back(&p->g, p->e, p->o);
	frame_inherit(&p->made, &p->f);
	if (!check_frame(&p->g, &p->f, p->e) || !restore_possible(&p->way))
		return false;
	if (p->o->network_grid)
		p->g = in_place(&p->g);
	p->few = planes_few(p->e, member_of(p->o, 0), &p->way, p->o->step);
	if (!input_open(&p->image, in, &p->f, !streams(&p->f, &p->way, p->e, p->o)))
		return false;
	if (p->f.failed)                /* as the end of the stage before says */
		return true;
	make_frame(&p->made, &p->f, p->e, p->o->network_grid && p->f.n_layers > 1);
	p->l = add_layer(&p->made, p->e, p->o);
	set_grid(&p->made, &p->g, &p->way);
	p->n = members(p->e, p->o);
	if (slab_bytes(&bytes, &p->made, &p->way, p->n))
		return true;
	input_close(&p->image);
	return false;
}

bool predict_planes(struct planes *planes, struct prediction *p, int m)
{
	return planes_open(planes, p->e, member_of(p->o, m), &p->image, &p->way, p->o->step);
}

bool predict_member(struct sink *out, struct prediction *p, int m, struct planes *planes)
{
	size_t voxels = frame_grid_voxels(&p->made);
	bool ok;

	if (picture(p) && m)
		p->l = add_layer(&p->made, p->e, p->o);
	if (!p->o->average)
		layer_put_member(&p->made, p->l, &p->e->member[m]);
	if (picture(p)) {
		slab_room(p->l, (size_t)p->l->channels * voxels * dtype_size(p->l->type));
		ok = read_planes(p->l->data, planes, p->l, 0, 1, voxels);
	} else {
		ok = write_slabs(out, &p->made, p->l, planes);
	}
	if (ok && (!picture(p) || m == p->n - 1))
		close_frame(out, &p->made, &p->image, picture(p));
	planes_close(planes);
	return ok;
}

void predict_end(struct sink *out, struct prediction *p)
{
	if (!p->n)
		close_frame(out, &p->made, &p->image, true);
	input_close(&p->image);
}

/* Bytes of the image: all of it, or with `planes` of these alone and the slab that comes. */
static bool image_bytes(size_t *bytes, const struct frame *f, int64_t planes)
{
	int64_t channels = frame_layer(f, "image")->channels;
	size_t slab = 0;

	if (planes) {
		planes += f->slab[0];
		if (planes > f->shape[0])
			planes = f->shape[0];
		size_of_block(&slab, DT_F4, channels, f->slab[0], f->shape[1], f->shape[2]);
	}
	return (size_of_block(bytes, DT_F4, channels, planes ? planes : f->shape[0], f->shape[1], f->shape[2]) &&
	        (*bytes += slab) <= memory_limit) ||
	       fail(XDATA, "the image needs more than the limit of %zu MiB (--memory raises it)", memory_limit >> 20);
}

bool predict_cost(struct predict_cost *cost, const struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct frame made = {0};
	struct grids g = {0};
	struct restore way = way_back(&g, e, o);
	struct planes_cost flow = {0};
	size_t output = 0, image = 0;
	bool ok = check_frame(&g, f, e) && restore_possible(&way);

	if (!ok)
		return false;
	if (o->network_grid)
		g = in_place(&g);
	frame_inherit(&made, f);
	add_layer(&made, e, o);
	set_grid(&made, &g, &way);
	ok = slab_bytes(&output, &made, &way, members(e, o)) &&
	     planes_cost(&flow, e, member_of(o, 0), &way, o->step, made.slab[0]) &&
	     image_bytes(&image, f, streams(f, &way, e, o) ? flow.input : 0);
	*cost = (struct predict_cost){ flow.windows, image + flow.bytes + output, flow.device };
	if (ok && planes_few(e, member_of(o, 0), &way, o->step)) {
		cost->bytes *= (size_t)(1 + planes_batch(e, member_of(o, 0), &way) / cost->windows);
		cost->device *= (size_t)(1 + planes_batch(e, member_of(o, 0), &way) / cost->windows);
	}
	frame_free(&made);
	return ok;
}
