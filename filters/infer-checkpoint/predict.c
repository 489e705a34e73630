#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/preprocess.h"
#include "filters/infer-checkpoint/predict.h"
#include "filters/infer-checkpoint/windows.h"

enum { GROUP = 16 };    /* windows given to the backend at a time, at least: enough to keep many threads busy */

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

/* Windows first..end-1 go together: at least GROUP of them and all that begin on the same plane. */
static int group_end(const struct windows *w, int first)
{
	int end = first + 1;

	while (end < w->n && (end - first < GROUP || w->origin[end][0] == w->origin[end - 1][0]))
		end++;
	return end;
}

static bool slide(float *logits, const struct ensemble *e, const struct windows *w, const int64_t shape[3])
{
	size_t plane = (size_t)(shape[1] * shape[2]);
	int64_t lo = 0, hi;
	float *planes = NULL;
	bool ok = true;

	for (int first = 0, end; first < w->n && ok; first = end, lo = hi) {
		end = group_end(w, first);
		hi = end < w->n ? w->origin[end][0] : shape[0];
		planes = xrealloc(planes, (size_t)e->network.n_outputs * (size_t)(hi - lo) * plane, sizeof *planes);
		ok = e->backend->windows(e->b, w->origin + first, end - first) && e->backend->planes(e->b, planes, lo, hi);
		for (int c = 0; ok && c < e->network.n_outputs; c++)
			memcpy(logits + ((size_t)c * (size_t)shape[0] + (size_t)lo) * plane, planes + (size_t)c * (size_t)(hi - lo) * plane,
			       (size_t)(hi - lo) * plane * sizeof *planes);
	}
	free(planes);
	return ok;
}

/* Planes that are in work at a time. */
static int64_t depth_of(const struct windows *w, const struct ensemble *e)
{
	int64_t most = 0;

	for (int first = 0, end; first < w->n; first = end) {
		int64_t depth;
		end = group_end(w, first);
		depth = w->origin[end - 1][0] + e->plan.patch_size[0] - w->origin[first][0];
		most = depth > most ? depth : most;
	}
	return most;
}

/* logits [n_outputs][shape] of a member for image [n_inputs][shape]. */
static bool member_logits(float *logits, const struct ensemble *e, int member, const float *image, const int64_t shape[3],
                          double step)
{
	struct backend_case c = { .image = image, .shape = { shape[0], shape[1], shape[2] }, .axis = 0,
	                          .only = e->per_checkpoint > 1 ? member % e->per_checkpoint + 1 : 0 };
	int checkpoint = member / e->per_checkpoint;
	struct windows w;
	bool ok;

	if (!windows_make(&w, shape, e->plan.patch_size, step, e->plan.is_2d))
		return false;
	c.depth = depth_of(&w, e);
	ok = e->backend->begin(e->b, checkpoint, &c);
	if (ok) {
		ok = slide(logits, e, &w, shape);
		e->backend->end(e->b);
	}
	windows_free(&w);
	if (!ok)
		fail_prefix("checkpoint %s", e->path[checkpoint]);
	return ok;
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

/* logits [n_outputs][shape]: the mean of all members', in their order (contract 5.6); with parity every sum and the quotient
 * are rounded to half precision. */
static bool mean_logits(float *logits, const struct ensemble *e, const float *image, const int64_t shape[3],
                        const struct predict_options *o)
{
	size_t n = (size_t)e->network.n_outputs * (size_t)(shape[0] * shape[1] * shape[2]);
	float *next = e->n > 1 ? xaligned(n, sizeof *next) : NULL;
	bool ok = member_logits(logits, e, 0, image, shape, o->step);

	for (int m = 1; m < e->n && ok; m++) {
		ok = member_logits(next, e, m, image, shape, o->step);
		for (size_t i = 0; i < n && ok; i++)
			logits[i] = o->parity ? half_round(logits[i] + next[i]) : logits[i] + next[i];
	}
	for (size_t i = 0; i < n && e->n > 1 && ok; i++)
		logits[i] = o->parity ? half_round(logits[i] / (float)e->n) : logits[i] / (float)e->n;
	free(next);
	return ok;
}

static struct layer *add_layer(struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct layer *l = frame_add(f, o->logits ? "logits" : "probs", DT_F4, e->network.n_outputs);

	if (!o->logits)
		layer_put(f, l, "activation", mpk_str(f->zone, e->dataset.labels.has_regions ? "sigmoid" : "softmax"));
	return l;
}

static bool fill_layer(struct frame *f, struct layer *l, const struct ensemble *e, int member, float *logits, const float *image,
                       const struct grids *g, const struct predict_options *o)
{
	float *p;

	if (!(o->average ? mean_logits(logits, e, image, g->network, o) : member_logits(logits, e, member, image, g->network, o->step)))
		return false;
	struct grids same = in_place(g);
	if (!restore(&p, logits, e->network.n_outputs, o->network_grid ? &same : g, &e->plan, &e->dataset.labels, o->parity, o->logits))
		return false;
	free(l->data);
	l->data = p;
	l->capacity = (size_t)l->channels * frame_grid_voxels(f) * sizeof *p;
	if (!o->average)
		layer_put_member(f, l, &e->member[member]);
	return true;
}

/* Logits of one member, and the output of all members that are written together. */
static bool fits(const struct ensemble *e, const int64_t network[3], const int64_t shape[3], int members)
{
	int together = shape[0] == 1 ? members : 1;
	size_t logits, output, one;

	if (!size_of_block(&logits, DT_F4, e->network.n_outputs, network[0], network[1], network[2]) || logits > memory_limit)
		return fail(XDATA, "logits on the network's grid %lldx%lldx%lld are over the limit of %zu MiB (--memory raises it)",
		            (long long)network[0], (long long)network[1], (long long)network[2], memory_limit >> 20);
	if (!size_of_block(&one, DT_F4, e->network.n_outputs, shape[0], shape[1], shape[2]) ||
	    !size_mul(&output, (int64_t)one, together) || output > memory_limit)
		return fail(XDATA, "the output of %d checkpoints on a grid of %lldx%lldx%lld is over the limit of %zu MiB; --memory raises it, "
		            "a process for each checkpoint needs less", together, (long long)shape[0], (long long)shape[1],
		            (long long)shape[2], memory_limit >> 20);
	return true;
}

bool predict_case(struct sink *out, struct source *in, struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct grids g;
	struct layer *image = frame_layer(f, "image"), *l = NULL;
	const int64_t *shape = o->network_grid ? g.network : g.original;
	int members = o->average ? 1 : e->n;
	bool one_frame, ok = true;
	float *logits;

	if (!check_frame(&g, f, e) || !fits(e, g.network, shape, members) || !source_volume(in, f))
		return false;
	one_frame = shape[0] == 1;
	logits = xaligned((size_t)e->network.n_outputs * frame_grid_voxels(f), sizeof *logits);
	labels_to_frame(f, &e->dataset.labels);
	for (int i = 0; i < f->n_layers; i++)                   /* what came is on the network's grid */
		f->layer[i]->dropped |= !o->network_grid || f->layer[i] == image;
	for (int m = 0; m < members && ok; m++) {
		if (one_frame || m == 0)
			l = add_layer(f, e, o);
		if (m == 0)
			frame_grid(f, shape, o->network_grid ? f->spacing_mm : g.spacing_mm, 0);
		ok = fill_layer(f, l, e, m, logits, image->data, &g, o);
		if (ok && (!one_frame || m == members - 1))
			sink_volume(out, f);
	}
	free(logits);
	return ok;
}

static size_t bytes_of(int64_t channels, const int64_t shape[3], int64_t planes)
{
	return (size_t)channels * (size_t)planes * (size_t)(shape[1] * shape[2]) * sizeof(float);
}

bool predict_cost(struct predict_cost *cost, const struct frame *f, const struct ensemble *e, const struct predict_options *o)
{
	struct grids g;
	struct windows w;
	int64_t outputs = e->network.n_outputs, depth;
	int members = o->average ? 1 : e->n, held = o->average && e->n > 1 ? 2 : 1;
	const int64_t *n = g.network, *shape = o->network_grid ? g.network : g.original;

	if (!check_frame(&g, f, e) || !fits(e, n, shape, members) || !windows_make(&w, n, e->plan.patch_size, o->step, e->plan.is_2d))
		return false;
	depth = depth_of(&w, e) < n[0] ? depth_of(&w, e) : n[0];
	cost->windows = w.n;
	cost->bytes = bytes_of(e->network.n_inputs, n, n[0]) + bytes_of(outputs + 1, n, depth) + bytes_of(outputs * held, n, n[0]) +
	              bytes_of(outputs * (shape[0] == 1 ? members : 1), shape, shape[0]);
	windows_free(&w);
	return true;
}
