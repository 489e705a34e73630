#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/average-probs/job.h"

/* ---- as coded, in place of reduce_ ---- */

static bool coded_start(struct job *j, size_t voxels)
{
	return coded_begin(&j->coded, j->reduce.channels, j->reduce.sigmoid, voxels);
}

/* The mean and the maps into the layers that reduce_layers() made. */
static void coded_put(struct job *j)
{
	for (int i = 0; i < j->f->n_layers; i++) {
		struct layer *l = j->f->layer[i];
		if (!l->added)
			continue;
		if (!strcmp(l->kind, "probs"))
			coded_mean(l->data, &j->coded);
		else if (!strcmp(l->kind, "t_test"))
			coded_t_test(l->data, &j->coded);
		else
			coded_total_entropy(l->data, &j->coded);
	}
}

static bool coded_slab(struct job *j, struct layer *const *layers)
{
	if (!coded_start(j, frame_voxels(&j->f[0])))
		return false;
	for (int m = 0; m < j->members.n; m++)
		coded_add(&j->coded, layers[m]->data);
	coded_put(j);
	return true;
}

/* ---- frames ---- */

/* Drops the members of f[0] and adds what takes their place. */
static void add_results(struct job *j)
{
	struct frame *f = &j->f[0];

	for (int i = 0; i < f->n_layers; i++) {
		struct member id;
		if (!strcmp(f->layer[i]->kind, "probs") && layer_member(f->layer[i], &id))
			f->layer[i]->dropped = true;
	}
	reduce_layers(&j->reduce, f);
	frame_put(f, "members", mpk_int(j->members.n));
}

/* Says which member holds what is no probability. */
static void blame(const struct layer *l, const char *stream)
{
	struct member id = {0};

	layer_member(l, &id);
	fail_prefix("member %s of %s", id.name ? id.name : "without a name", stream);
}

/* Flags of the other streams' frames, and whether one failed, are those of the result. */
void merge_closing(struct frame *f, const struct frame *other)
{
	const msgpack_object *flags = mpk_get_array(&other->closing, "flags");

	for (uint32_t i = 0; flags && i < flags->via.array.size; i++)
		if (mpk_as_str(&flags->via.array.ptr[i]))
			frame_flag(f, mpk_as_str(&flags->via.array.ptr[i]));
	if (other->failed && !f->failed) {
		mpk_put(f->zone, &f->closing, "failed", mpk_copy(f->zone, *mpk_get(&other->closing, "failed")));
		f->failed = mpk_get_str(mpk_get(&f->closing, "failed"), "reason", "?");
	}
}

bool job_learn(struct job *j)
{
	struct layer *first = NULL;

	members_in(&first, 1, &j->f[0]);
	return reduce_begin(&j->reduce, &j->f[0], first);
}

/* What the members as such give to the closing map. */
static void put_scores(struct job *j, int members)
{
	if (members == 1)
		frame_flag(&j->f[0], "one_member");
	reduce_scores(&j->reduce, &j->f[0]);
}

void skip_all(struct job *j)
{
	for (int k = 0; k < j->n; k++)
		source_skip(j->in[k], &j->f[k]);
}

/* ---- slab by slab: every member lies at hand in each of the streams' slabs ---- */

/* Of the streams after the first, which tells whether there is a slab. */
static void read_slab(void *arg, int k, int worker)
{
	struct job *j = arg;

	(void)worker;
	source_slab(j->in[k + 1], &j->f[k + 1]);
}

static bool reduce_streams(struct job *j, struct layer *const *layers)
{
	int bad;

	if (j->as_coded)
		return coded_slab(j, layers);
	if (reduce_slab(&j->reduce, &j->f[0], layers, &bad))
		return true;
	if (bad >= 0)
		blame(layers[bad], j->members.stream[j->members.seen[bad].stream]);
	return false;
}

void job_slabs(struct job *j)
{
	struct layer *layers[MEMBERS_MAX];
	int at = 0;
	bool begun = false, ok;

	for (int k = 0; k < j->n; k++)
		at += members_in(layers + at, MEMBERS_MAX - at, &j->f[k]);
	add_results(j);
	ok = reduce_members(&j->reduce, j->members.n);
	while (ok && source_slab(j->in[0], &j->f[0])) {
		parallel_for(j->reduce.threads, j->n - 1, read_slab, j);
		ok = reduce_streams(j, layers);
		if (!ok)
			break;
		if (!begun)
			sink_begin(j->out, &j->f[0]);
		begun = true;
		sink_slab(j->out, &j->f[0]);
	}
	if (!ok) {
		skip_all(j);
		case_failed(j->out, NULL, &j->f[0]);
		return;
	}
	for (int k = 1; k < j->n; k++) {
		source_skip(j->in[k], &j->f[k]);
		merge_closing(&j->f[0], &j->f[k]);
	}
	put_scores(j, j->members.n);
	sink_end(j->out, &j->f[0]);
}

/* ---- the whole case at once: members in consecutive frames, in streams of different slabs, or several subsets of them ---- */

bool job_begin(struct job *j)
{
	const struct frame *f = &j->f[0];
	size_t voxels = frame_grid_voxels(f), each, bytes, channels = (size_t)j->reduce.channels, members = (size_t)members_known(&j->members);

	if (j->subsets)
		each = channels * sizeof(float) * members;
	else
		each = j->as_coded ? channels * 4 + MEMBERS_MAX * 8 : reduce_bytes(&j->reduce, (int)members);
	each += reduce_result_bytes(&j->reduce);
	for (int i = 0; i < f->n_layers; i++)                   /* the first frame and the one that is added */
		each += 2 * (size_t)f->layer[i]->channels * dtype_size(f->layer[i]->type);
	if (__builtin_mul_overflow(voxels, each, &bytes) || bytes > memory_limit)
		return j->subsets ? fail(XDATA, "for --subsets all its members must be held: %.1f MiB, over the limit of %.1f MiB (--memory raises it)",
		                         (double)bytes / 0x1p20, (double)memory_limit / 0x1p20)
		                  : fail(XDATA, "its members do not come side by side, so the whole case must be held: %.1f MiB, over the limit of "
		                         "%.1f MiB; give the members as several streams of equal slabs (average-probs A.frames B.frames ...), "
		                         "or raise --memory", (double)bytes / 0x1p20, (double)memory_limit / 0x1p20);
	if (j->as_coded)
		return coded_start(j, voxels);
	if (!j->subsets)
		reduce_whole(&j->reduce, voxels);
	return true;
}

void job_forget(struct job *j)
{
	while (j->n_held > 0)
		free(j->held[--j->n_held].data);
}

/* Takes a member's volume from its frame. */
static void hold(struct job *j, struct layer *l)
{
	j->held[j->n_held++] = *l;
	l->data = NULL;
	l->capacity = 0;
}

bool job_add(struct job *j, struct source *in, struct frame *f, int stream)
{
	struct layer *layers[MEMBERS_MAX];
	int n = members_in(layers, MEMBERS_MAX, f);

	if (!source_volume(in, f))
		return false;
	for (int i = 0; i < n && !f->failed; i++) {
		if (j->subsets) {
			hold(j, layers[i]);
		} else if (j->as_coded) {
			coded_add(&j->coded, layers[i]->data);
		} else if (!reduce_add(&j->reduce, layers[i]->data, frame_grid_voxels(f))) {
			blame(layers[i], j->members.stream[stream]);
			return false;
		}
	}
	return true;
}

/* The frame of one subset; f[0] is ready for it.  all: the first, of every member. */
static bool put_subset(struct job *j, const struct subset *s, msgpack_object closing)
{
	struct frame *f = &j->f[0];
	struct layer *layers[MEMBERS_MAX];
	msgpack_object about = mpk_map(), names = mpk_array();
	int bad;

	for (int i = 0; i < s->n; i++) {
		layers[i] = &j->held[s->member[i]];
		mpk_append(f->zone, &names, mpk_str(f->zone, j->members.seen[s->member[i]].name));
	}
	mpk_put(f->zone, &about, "name", mpk_str(f->zone, s->name));
	mpk_put(f->zone, &about, "members", names);
	frame_put(f, "subset", about);
	frame_put(f, "members", mpk_int(s->n));
	f->closing = mpk_copy(f->zone, closing);
	f->z = f->y = 0;
	f->dz = f->shape[0];
	f->dy = f->shape[1];
	if (!reduce_members(&j->reduce, s->n))
		return false;
	if (!reduce_slab(&j->reduce, f, layers, &bad)) {
		blame(layers[bad], j->members.stream[j->members.seen[s->member[bad]].stream]);
		return false;
	}
	put_scores(j, s->n);
	sink_volume(j->out, f);
	return true;
}

static void put_subsets(struct job *j)
{
	struct frame *f = &j->f[0];
	struct subsets all = {0};
	msgpack_object closing = f->closing;
	bool ok = subsets_make(&all, j->subsets, &j->members) && frame_alloc_volume(f);

	for (int i = 0; i < all.n && ok; i++)           /* the first holds every member: what is wrong is found before a frame is out */
		ok = put_subset(j, &all.s[i], closing);
	if (!ok)
		case_failed(j->out, NULL, f);
	subsets_free(&all);
}

void job_put(struct job *j)
{
	struct frame *f = &j->f[0];

	add_results(j);
	if (j->subsets) {
		put_subsets(j);
		return;
	}
	if (!frame_alloc_volume(f) || (!j->as_coded && !reduce_put(&j->reduce, f))) {
		case_failed(j->out, NULL, f);
		return;
	}
	if (j->as_coded)
		coded_put(j);
	put_scores(j, j->members.n);
	sink_volume(j->out, f);
}
