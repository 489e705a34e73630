#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/average-probs/reduce.h"

enum { CHUNK = 16 * LOOPS_RUN };         /* voxels that a thread takes at a time */

/* What each thread has for itself. */
struct worker {
	struct sums sums;                /* of a run of voxels */
	struct tally tally;
	uint16_t *label;                 /* [members + 1][distributions][LOOPS_RUN]; the last are of the mean */
	int bad;                         /* first member with values that are no probabilities; -1 if all are well */
};

/* What the threads do together. */
struct work {
	struct reduce *r;
	struct layer *const *layers;     /* [members] */
	const float *probs;              /* or of one member */
	size_t voxels;
	struct results to;
};

static size_t distributions(const struct reduce *r) { return r->sigmoid ? (size_t)r->channels : 1; }

static void settings(struct sums *s, const struct reduce *r)
{
	s->loops = *loops_all();
	s->channels = r->channels;
	s->sigmoid = r->sigmoid;
	s->maps = r->maps;
	s->votes = r->votes;
}

bool reduce_begin(struct reduce *r, const struct frame *f, const struct layer *first)
{
	r->channels = first->channels;
	r->sigmoid = mpk_is_str(mpk_get(&first->map, "activation"), "sigmoid");
	if (r->sigmoid && r->channels > REGIONS_MAX)
		return fail(XDATA, "it has %lld regions, more than %d", (long long)r->channels, REGIONS_MAX);
	labels_free(&r->labels);
	if (r->scores && !labels_from_frame(&r->labels, f, r->channels))
		return false;
	if (!r->worker) {
		r->worker = xcalloc((size_t)r->threads, sizeof *r->worker);
		for (int i = 0; i < r->threads; i++)
			r->worker[i] = (struct worker){ .bad = -1 };
	}
	return true;
}

/* With --per-region, of a network with regions. */
static bool has_rows(const struct reduce *r, int map) { return r->per_region && r->sigmoid && map_has_regions((enum map)map); }

size_t reduce_result_bytes(const struct reduce *r)
{
	size_t channels = (size_t)r->channels, rows = channels;

	for (int i = 0; i < N_MAPS; i++)
		if (r->maps & 1u << i)
			rows += has_rows(r, i) ? channels : 1;
	return rows * sizeof(float) + (r->votes ? channels : 0);
}

void reduce_layers(const struct reduce *r, struct frame *f)
{
	struct layer *l = frame_add(f, "probs", DT_F4, r->channels);

	layer_put(f, l, "activation", mpk_str(f->zone, r->sigmoid ? "sigmoid" : "softmax"));
	for (int i = 0; i < N_MAPS; i++) {
		if (!(r->maps & 1u << i))
			continue;
		l = frame_add(f, map_kinds[i], DT_F4, has_rows(r, i) ? r->channels : 1);
		if (has_rows(r, i))
			layer_put(f, l, "per_region", mpk_bool(true));
		if (map_has_base((enum map)i))
			layer_put(f, l, "base", mpk_str(f->zone, r->base));
	}
	if (r->votes)
		frame_add(f, "votes", DT_U1, r->channels);
}

/* The layers that reduce_layers() made, and what goes into them. */
static void find_results(struct results *to, const struct reduce *r, const struct frame *f, size_t voxels)
{
	*to = (struct results){ .row = voxels, .per_region = r->per_region, .units_per_bit = map_units_per_bit(r->base, r->channels, r->sigmoid) };
	for (int i = 0; i < f->n_layers; i++) {
		const struct layer *l = f->layer[i];
		if (!l->added)
			continue;
		if (!strcmp(l->kind, "probs"))
			to->mean = l->data;
		else if (!strcmp(l->kind, "votes"))
			to->votes = l->data;
		for (int k = 0; k < N_MAPS; k++)
			if (!strcmp(l->kind, map_kinds[k]))
				to->map[k] = l->data;
	}
}

/* ---- scores ---- */

bool reduce_members(struct reduce *r, int members)
{
	r->members = members;
	if (!r->scores)
		return true;
	for (int i = 0; i < r->threads; i++) {
		struct worker *w = &r->worker[i];
		if (!tally_begin(&w->tally, labels_n_structures(&r->labels), members))
			return false;
		w->label = xrealloc(w->label, (size_t)(members + 1) * distributions(r) * LOOPS_RUN, sizeof *w->label);
	}
	return true;
}

static uint16_t *label_of(const struct reduce *r, const struct worker *w, int member)
{
	return r->scores ? w->label + (size_t)member * distributions(r) * LOOPS_RUN : NULL;
}

/* n voxels from `at` on of the sums s; label: of the members, each distribution `row` voxels after the last. */
static void tally_run(const struct reduce *r, struct worker *w, const struct sums *s, size_t at, const uint16_t *const *label, size_t row, size_t n)
{
	const uint16_t *mean = label_of(r, w, r->members), *here[MEMBERS_MAX];

	for (size_t e = 0; e < distributions(r); e++) {
		for (int m = 0; m < r->members; m++)
			here[m] = label[m] + e * row;
		tally_members(&w->tally, here, s->loops, n, (int)e);
	}
	for (int i = 0; i < w->tally.structures; i++) {
		size_t c = (size_t)labels_structure_channel(&r->labels, i), e = r->sigmoid ? c : 0;
		tally_mean(&w->tally, s->p + c * s->room + at, mean + e * LOOPS_RUN, r->sigmoid ? 1 : (int)c, n, i);
	}
}

void reduce_scores(struct reduce *r, struct frame *f)
{
	if (!r->scores)
		return;
	for (int i = 1; i < r->threads; i++)
		tally_join(&r->worker[0].tally, &r->worker[i].tally);
	tally_scores(f, &r->worker[0].tally, r->scores, &r->labels);
}

/* ---- all members at hand ---- */

/* Asks for the next run of every member and channel while the results of this one are made. */
static void fetch_ahead(const struct work *j, size_t at)
{
	const struct reduce *r = j->r;

	for (int m = 0; m < r->members && at + LOOPS_RUN <= j->voxels; m++)
		for (size_t c = 0; c < (size_t)r->channels; c++) {
			const float *next = (const float *)j->layers[m]->data + c * j->voxels + at;
			for (size_t v = 0; v < LOOPS_RUN; v += 64 / sizeof *next)
				__builtin_prefetch(next + v, 0, 2);
		}
}

static void slab_run(const struct work *j, struct worker *w, size_t at, size_t n)
{
	const struct reduce *r = j->r;
	const uint16_t *label[MEMBERS_MAX];

	sums_begin(&w->sums, LOOPS_RUN);
	for (int m = 0; m < r->members; m++) {
		uint16_t *own = label_of(r, w, m);
		label[m] = own;
		if (!sums_add(&w->sums, 0, (const float *)j->layers[m]->data + at, j->voxels, n, own, LOOPS_RUN)) {
			w->bad = w->bad < 0 || m < w->bad ? m : w->bad;
			return;
		}
	}
	w->sums.members = r->members;
	fetch_ahead(j, at + n);
	sums_results(&j->to, at, &w->sums, 0, n, label_of(r, w, r->members), LOOPS_RUN);
	if (r->scores)
		tally_run(r, w, &w->sums, 0, label, LOOPS_RUN, n);
}

static void slab_chunk(void *arg, int i, int worker)
{
	const struct work *j = arg;
	size_t at = (size_t)i * CHUNK, end = at + CHUNK < j->voxels ? at + CHUNK : j->voxels;

	for (; at < end; at += LOOPS_RUN)
		slab_run(j, &j->r->worker[worker], at, end - at < LOOPS_RUN ? end - at : LOOPS_RUN);
}

static int chunks(size_t voxels) { return (int)((voxels + CHUNK - 1) / CHUNK); }

bool reduce_slab(struct reduce *r, struct frame *f, struct layer *const *layers, int *bad)
{
	struct work j = { .r = r, .layers = layers, .voxels = frame_voxels(f) };

	find_results(&j.to, r, f, j.voxels);
	for (int i = 0; i < r->threads; i++)
		settings(&r->worker[i].sums, r);
	parallel_for(r->threads, chunks(j.voxels), slab_chunk, &j);
	*bad = -1;
	for (int i = 0; i < r->threads; i++) {
		int m = r->worker[i].bad;
		*bad = m >= 0 && (*bad < 0 || m < *bad) ? m : *bad;
		r->worker[i].bad = -1;
	}
	return *bad < 0 || not_probabilities();
}

/* ---- one after another ---- */

size_t reduce_bytes(const struct reduce *r, int members)
{
	struct sums s = {0};

	settings(&s, r);
	return sums_bytes(s) + (r->scores ? (size_t)members * distributions(r) * sizeof **r->kept : 0);
}

static void forget(struct reduce *r)
{
	for (int m = 0; m < r->n_kept; m++)
		free(r->kept[m]);
	r->n_kept = 0;
}

void reduce_whole(struct reduce *r, size_t voxels)
{
	forget(r);
	settings(&r->whole, r);
	sums_begin(&r->whole, voxels);
}

static void add_chunk(void *arg, int i, int worker)
{
	const struct work *j = arg;
	struct reduce *r = j->r;
	size_t at = (size_t)i * CHUNK, n = j->voxels - at < CHUNK ? j->voxels - at : CHUNK;
	uint16_t *label = r->scores ? r->kept[r->whole.members] + at : NULL;

	if (!sums_add(&r->whole, at, j->probs + at, j->voxels, n, label, j->voxels))
		r->worker[worker].bad = 0;
}

bool reduce_add(struct reduce *r, const float *probs, size_t voxels)
{
	struct work j = { .r = r, .probs = probs, .voxels = voxels };
	bool ok = true;

	if (r->scores) {
		r->kept = xrealloc(r->kept, (size_t)r->n_kept + 1, sizeof *r->kept);
		r->kept[r->n_kept++] = xmalloc(voxels * distributions(r), sizeof **r->kept);
	}
	parallel_for(r->threads, chunks(voxels), add_chunk, &j);
	for (int i = 0; i < r->threads; i++) {
		ok &= r->worker[i].bad < 0;
		r->worker[i].bad = -1;
	}
	r->whole.members++;
	return ok || not_probabilities();
}

static void put_chunk(void *arg, int i, int worker)
{
	const struct work *j = arg;
	const struct reduce *r = j->r;
	struct worker *w = &r->worker[worker];
	size_t at = (size_t)i * CHUNK, end = at + CHUNK < j->voxels ? at + CHUNK : j->voxels;
	const uint16_t *label[MEMBERS_MAX];

	for (size_t n; at < end; at += n) {
		n = end - at < LOOPS_RUN ? end - at : LOOPS_RUN;
		sums_results(&j->to, at, &r->whole, at, n, label_of(r, w, r->members), LOOPS_RUN);
		for (int m = 0; m < r->n_kept; m++)
			label[m] = r->kept[m] + at;
		if (r->scores)
			tally_run(r, w, &r->whole, at, label, j->voxels, n);
	}
}

bool reduce_put(struct reduce *r, struct frame *f)
{
	struct work j = { .r = r, .voxels = frame_grid_voxels(f) };

	if (!reduce_members(r, r->whole.members))
		return false;
	find_results(&j.to, r, f, j.voxels);
	parallel_for(r->threads, chunks(j.voxels), put_chunk, &j);
	forget(r);
	return true;
}

void reduce_free(struct reduce *r)
{
	for (int i = 0; r->worker && i < r->threads; i++) {
		sums_free(&r->worker[i].sums);
		tally_free(&r->worker[i].tally);
		free(r->worker[i].label);
	}
	forget(r);
	free(r->worker);
	free(r->kept);
	sums_free(&r->whole);
	labels_free(&r->labels);
}
