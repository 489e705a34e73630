/* backend: a network on the device, behind the seam that all backends have. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/gpu.h"
#include "filters/infer-checkpoint/cuda/weights.h"
#include "filters/infer-checkpoint/plugin.h"
#include "filters/infer-checkpoint/windows.h"

static const size_t most_workspace = (size_t)1 << 30;   /* of a convolution */
enum { RUNS_AHEAD = 4, MOST_MEMBERS_AHEAD = 16 };       /* batches that one call of windows() gives the device */

/* ---- memory ---- */

/* Room on the device that the network needs whatever it runs on. */
static bool take_memory(struct gpu *g, size_t scratch, size_t workspace)
{
	size_t voxels = (size_t)(g->n->patch[0] * g->n->patch[1] * g->n->patch[2]);
	size_t tiles = (size_t)g->steps.images * (sizeof(struct tile) + sizeof(struct target)), stage = stage_bytes();
	size_t need = g->steps.arena + g->steps.block + scratch + workspace + voxels * sizeof(float) + tiles +
	              FLAGS * sizeof(int) + STAGES * stage;
	struct device_facts f;
	bool ok;

	device_facts(&f, g->d);
	if (need > f.unused)
		return fail(XDEVICE, "the network needs %zu MiB on %s for %d images at a time, of which %zu MiB are free", need >> 20, f.name,
		            g->steps.images, f.unused >> 20);
	say("%s: %zu MiB for %d images at a time, weights of a member %.1f MiB", f.name, need >> 20, g->steps.images,
	    (double)g->steps.block / (1 << 20));
	ok = (g->arena = device_alloc(g->d, g->steps.arena)) && (g->block = device_alloc(g->d, g->steps.block)) &&
	     (g->scratch = device_alloc(g->d, scratch)) && (g->workspace = device_alloc(g->d, workspace)) &&
	     (g->weight = device_alloc(g->d, voxels * sizeof(float))) && (g->tiles = device_alloc(g->d, tiles)) &&
	     (g->flag = device_alloc(g->d, FLAGS * sizeof(int))) && (g->flag_copy = device_alloc_host(g->d, FLAGS * sizeof(int))) &&
	     (g->arranging = device_alloc_host(g->d, g->steps.block));
	for (int i = 0; i < TILE_SLOTS && ok; i++)
		ok = (g->tile_slot[i] = device_alloc_host(g->d, tiles)) != NULL;
	for (int i = 0; i < STAGES && ok; i++)
		ok = (g->up_stage[i] = device_alloc_host(g->d, stage)) && (g->down_stage[i] = device_alloc_host(g->d, stage)) &&
		     (g->take_stage[i] = device_alloc(g->d, stage));
	return ok && device_zero(g->d, LANE_COMPUTE, g->scratch, scratch) && device_zero(g->d, LANE_COMPUTE, g->flag, FLAGS * sizeof(int));
}

/* The weights of windows, through the stages. */
static bool send_weight(struct gpu *g)
{
	size_t n = (size_t)(g->n->patch[0] * g->n->patch[1] * g->n->patch[2]), room = stage_bytes() / sizeof(float);
	float *weight = xmalloc(n, sizeof *weight);
	bool ok = true;

	windows_weight(weight, g->n->patch, g->o.gaussian);
	for (size_t at = 0, part; at < n && ok; at += part) {
		part = n - at < room ? n - at : room;
		memcpy(g->up_stage[0], weight + at, part * sizeof *weight);
		ok = device_up(g->d, LANE_COMPUTE, g->weight + at, g->up_stage[0], part * sizeof *weight) && device_wait(g->d, -1);
	}
	free(weight);
	return ok;
}

/* Members' weights are on the device unless they would take more than half of what is free there. */
static void place_members(struct gpu *g)
{
	struct device_facts f;

	device_facts(&f, g->d);
	g->member = xcalloc((size_t)g->o.n_members, sizeof *g->member);
	g->members_on_host = g->steps.block > f.unused / 2 / (size_t)g->o.n_members;
	g->current = -1;
	if (g->members_on_host)
		say("%d members' weights stay in the host's memory", g->o.n_members);
}

/* ---- open, load, close ---- */

static bool choose_plans(struct gpu *g, size_t *scratch, size_t *workspace)
{
	struct convolver_options o = { .deterministic = g->o.deterministic, .workspace = most_workspace };

	*scratch = *workspace = 256;
	g->convolver = convolver_open(g->d, &o);
	if (!g->convolver)
		return false;
	g->plan = xcalloc((size_t)g->steps.n_steps, sizeof(const struct plan_of *));
	for (int i = 0; i < g->steps.n_steps; i++) {
		const struct step *t = &g->steps.step[i];
		size_t bytes;
		if (t->kind == STEP_STATS) {
			bytes = kernel_stats_scratch(g->steps.images, t->voxels, t->c);
			*scratch = bytes > *scratch ? bytes : *scratch;
		}
		if (t->kind != STEP_CONVOLVE)
			continue;
		g->plan[i] = convolver_plan(g->convolver, &t->convolution);
		if (!g->plan[i])
			return false;
		bytes = plan_workspace(g->plan[i]);
		*workspace = bytes > *workspace ? bytes : *workspace;
	}
	if (verbose)
		convolver_report(g->convolver, stderr);
	return true;
}

static bool is_3d(const struct network *n)
{
	bool deep = n->patch[0] > 1;

	for (int i = 0; i < n->n_nodes; i++)
		deep = deep || n->node[i].kernel[0] > 1;
	return deep;
}

static bool can_compute(const struct gpu *g)
{
	struct device_facts f;

	device_facts(&f, g->d);
	if (f.capability < 80 && (g->precision == PRECISION_BF16 || g->precision == PRECISION_TF32))
		return fail(XDEVICE, "%s, of compute capability %d.%d, computes neither in bf16 nor in tf32; 8.0 is needed", f.name,
		            f.capability / 10, f.capability % 10);
	return true;
}

static void gpu_close(void *b)
{
	struct gpu *g = b;

	if (g->d) {
		device_wait(g->d, -1);
		cases_free(g);
		for (int i = 0; i < 2; i++)
			if (g->recording[i])
				device_recording_free(g->recording[i]);
		if (g->convolver)
			convolver_close(g->convolver);
		for (int i = 0; g->member && i < g->o.n_members; i++)
			(g->members_on_host ? device_free_host : device_free)(g->d, g->member[i]);
		for (int i = 0; i < TILE_SLOTS; i++)
			device_free_host(g->d, g->tile_slot[i]);
		for (int i = 0; i < STAGES; i++) {
			device_free_host(g->d, g->up_stage[i]);
			device_free_host(g->d, g->down_stage[i]);
			device_free(g->d, g->take_stage[i]);
		}
		device_free_host(g->d, g->flag_copy);
		device_free_host(g->d, g->arranging);
		device_free(g->d, g->flag);
		device_free(g->d, g->tiles);
		device_free(g->d, g->weight);
		device_free(g->d, g->workspace);
		device_free(g->d, g->scratch);
		device_free(g->d, g->block);
		device_free(g->d, g->arena);
		device_close(g->d);
	}
	free(g->plan);
	free(g->member);
	steps_free(&g->steps);
	free(g);
}

static void *gpu_open(const struct network *n, const struct backend_options *o)
{
	struct gpu *g = xcalloc(1, sizeof *g);
	const char *why = convolver_probe(is_3d(n) ? 3 : 2);
	size_t scratch, workspace;

	g->n = n;
	g->o = *o;
	g->precision = o->precision == PRECISION_AUTO ? PRECISION_FP16 : o->precision;
	g->n_mirrors = windows_mirrors(g->mirror, o->mirror_axis, o->n_mirror);
	if (why)
		fail(XDEVICE, "%s", why);
	if (!why && steps_make(&g->steps, n, g->precision, steps_images(n, g->n_mirrors)) && (g->d = device_open(o->device)) &&
	    can_compute(g) && choose_plans(g, &scratch, &workspace) && take_memory(g, scratch, workspace) && send_weight(g)) {
		place_members(g);
		return g;
	}
	gpu_close(g);
	return NULL;
}

static bool gpu_load(void *b, int member, const float *const *parameter)
{
	struct gpu *g = b;
	void **at = &g->member[member];

	if (!*at)
		*at = g->members_on_host ? device_alloc_host(g->d, g->steps.block) : device_alloc(g->d, g->steps.block);
	if (!*at)
		return false;
	if (!weights_arrange(g->members_on_host ? *at : g->arranging, &g->steps, parameter))
		return false;
	g->current = -1;
	return g->members_on_host ||
	       (device_up(g->d, LANE_COMPUTE, *at, g->arranging, g->steps.block) && device_wait(g->d, -1));
}

/* ---- a batch ---- */

static const float *scaling(const struct gpu *g, const struct scaling *s)
{
	if (s->kind == SCALING_NONE)
		return NULL;
	return (const float *)(const void *)(s->kind == SCALING_OWN ? g->arena + g->steps.buffer[s->buffer].offset : g->block + s->offset);
}

static void *buffer(const struct gpu *g, int i) { return i < 0 ? NULL : g->arena + g->steps.buffer[i].offset; }

static bool apply(const struct gpu *g, const struct step *t, void *stream)
{
	struct applying a = {
		.x = buffer(g, t->in), .residual = buffer(g, t->residual), .affine = scaling(g, &t->scaling),
		.residual_affine = scaling(g, &t->residual_scaling), .shared = t->scaling.kind == SCALING_SHARED,
		.residual_shared = t->residual_scaling.kind == SCALING_SHARED, .slope = t->slope
	};

	for (int i = 0; i < 2; i++)
		a.to[i] = (struct placing){ buffer(g, t->to[i].buffer), t->to[i].pitch, t->to[i].offset };
	return kernel_apply(g->precision, &a, g->steps.images, t->voxels, t->c, stream);
}

static bool tail(const struct gpu *g, const struct step *t, int mirrors, void *stream)
{
	const float *head = t->head ? (const float *)(const void *)(g->block + t->offset) : NULL;
	const struct tile *tiles = g->tiles;
	struct tail e = {
		.x = buffer(g, t->in), .affine = scaling(g, &t->scaling), .shared = t->scaling.kind == SCALING_SHARED, .slope = t->slope,
		.head = head, .bias = head ? head + g->n->n_outputs * t->c : NULL, .outputs = g->n->n_outputs, .weight = g->weight,
		.parity = g->o.parity
	};

	return kernel_tail(g->precision, &e, tiles, (const struct target *)(const void *)(tiles + g->steps.images), g->steps.images / mirrors,
	                   mirrors, g->n->patch, t->c, stream);
}

static bool launch(const struct gpu *g, int mirrors)
{
	void *stream = device_stream(g->d, LANE_COMPUTE);
	const struct steps *s = &g->steps;
	bool ok = true;

	for (int i = 0; i < s->n_steps && ok; i++) {
		const struct step *t = &s->step[i];
		const float *gamma = (const float *)(const void *)(g->block + t->offset);
		if (t->kind == STEP_GATHER)
			ok = kernel_gather(g->precision, buffer(g, t->out), g->tiles, s->images, g->n->n_inputs, t->c, g->n->patch, stream);
		else if (t->kind == STEP_CONVOLVE)
			ok = plan_run(g->plan[i], buffer(g, t->out), buffer(g, t->in), g->block + t->offset, g->workspace);
		else if (t->kind == STEP_STATS)
			ok = kernel_stats(g->precision, buffer(g, t->out), buffer(g, t->in), s->images, t->voxels, t->c, gamma, gamma + t->c, t->eps,
			                  g->scratch, stream);
		else if (t->kind == STEP_APPLY)
			ok = apply(g, t, stream);
		else
			ok = tail(g, t, mirrors, stream);
	}
	return ok;
}

/* The first time step by step, so that all code is loaded; then as recorded. */
static bool run_steps(struct gpu *g, int mirrors)
{
	int kind = mirrors == g->n_mirrors ? 0 : 1;

	if (!g->ran[kind]) {
		g->ran[kind] = true;
		return launch(g, mirrors);
	}
	if (!g->recording[kind]) {
		if (!device_record_begin(g->d))
			return false;
		if (!launch(g, mirrors)) {
			device_record_end(g->d);
			return false;
		}
		g->recording[kind] = device_record_end(g->d);
		if (!g->recording[kind])
			return false;
	}
	return device_replay(g->d, g->recording[kind]);
}

static bool put_member(struct gpu *g, int member)
{
	if (g->current == member)
		return true;
	g->current = member;
	return (g->members_on_host ? device_up : device_move)(g->d, LANE_COMPUTE, g->block, g->member[member], g->steps.block);
}

static int n_mirrors(const struct gpu *g, const struct stay *s) { return s->c.only ? 1 : g->n_mirrors; }

/* The image and the target of window i of the batch. */
static void list_window(struct gpu *g, struct tile *tiles, const struct backend_window *w, int i, int member, int mirrors)
{
	struct target *t = (struct target *)(void *)(tiles + g->steps.images) + i;
	struct stay *s = w->stay;
	size_t ring = (size_t)(s->ring[0] * s->ring[1] * s->ring[2]);
	bool first = member == s->c.member;

	for (int m = 0; m < mirrors; m++) {
		struct tile *tile = &tiles[i * mirrors + m];
		*tile = (struct tile){ .volume = s->image->volume, .mirror = g->mirror[s->c.only ? s->c.only - 1 : m] };
		memcpy(tile->shape, s->c.shape, sizeof tile->shape);
		memcpy(tile->origin, w->origin, sizeof tile->origin);
	}
	*t = (struct target){ .sum = s->sum + (s->c.apart ? (size_t)((member - s->c.member) * g->n->n_outputs) * ring : 0),
	                      .weights = first ? s->weights : NULL, .bad = g->flag + g->n_flags };
	memcpy(t->shape, s->c.shape, sizeof t->shape);
	memcpy(t->ring, s->ring, sizeof t->ring);
	memcpy(t->origin, w->origin, sizeof t->origin);
	g->flagged[g->n_flags].stay = s;
	g->flagged[g->n_flags].member = member;
	memcpy(g->flagged[g->n_flags++].origin, w->origin, sizeof w->origin);
}

/* Windows of one member, all in `mirrors` positions, as many as a batch takes at most. */
static bool run_batch(struct gpu *g, const struct backend_window *const *w, int n, int member, int mirrors)
{
	size_t bytes = (size_t)g->steps.images * (sizeof(struct tile) + sizeof(struct target));
	int slot = g->tile_turn;
	struct tile *tiles = g->tile_slot[slot];

	g->tile_turn = (slot + 1) % TILE_SLOTS;
	if ((g->n_flags + n > FLAGS && !flags_check(g)) || !device_wait(g->d, MARK_TILES + slot))
		return false;
	memset(tiles, 0, bytes);
	for (int i = 0; i < n; i++)
		list_window(g, tiles, w[i], i, member, mirrors);
	return device_up(g->d, LANE_COMPUTE, g->tiles, tiles, bytes) && device_mark(g->d, LANE_COMPUTE, MARK_TILES + slot) &&
	       put_member(g, member) && run_steps(g, mirrors);
}

/* Windows of one member. */
static bool run_member(struct gpu *g, const struct backend_window *w, int n, int member, int mirrors, const struct backend_window **list)
{
	int most = g->steps.images / mirrors, count = 0;

	for (int i = 0; i < n; i++) {
		const struct stay *s = w[i].stay;
		if (member < s->c.member || member >= s->c.member + s->c.n_members || n_mirrors(g, s) != mirrors)
			continue;
		list[count++] = &w[i];
		if (count == most) {
			if (!run_batch(g, list, count, member, mirrors))
				return false;
			count = 0;
		}
	}
	return !count || run_batch(g, list, count, member, mirrors);
}

static void gpu_windows(void *b, const struct backend_window *w, int n)
{
	struct gpu *g = b;
	const struct backend_window **list = xcalloc((size_t)g->steps.images, sizeof(const struct backend_window *));
	bool ok = true;

	for (int i = 0; i < n && ok; i++)
		ok = image_need(g, ((struct stay *)w[i].stay)->image, w[i].origin[0], w[i].origin[0] + g->n->patch[0]);
	for (int member = 0; member < g->o.n_members && ok; member++) {
		ok = run_member(g, w, n, member, g->n_mirrors, list);
		if (ok && g->n_mirrors > 1)
			ok = run_member(g, w, n, member, 1, list);
	}
	free(list);
	if (!ok)                        /* a device that fails at work does not come back */
		die_failed();
}

/* Several batches, so that the device has work while the host takes sums; of pictures, windows of as many members as there are. */
static int gpu_batch(const void *b, int n_members, bool one_mirror)
{
	const struct gpu *g = b;
	int ahead = n_members == 1 && g->n->patch[0] == 1 && g->o.n_members > RUNS_AHEAD ? g->o.n_members : RUNS_AHEAD;

	return g->steps.images / (one_mirror ? 1 : g->n_mirrors) * (ahead < MOST_MEMBERS_AHEAD ? ahead : MOST_MEMBERS_AHEAD);
}

static bool gpu_forward(void *b, int member, float *out, const float *in)
{
	struct gpu *g = b;
	const int64_t *p = g->n->patch, none[3] = {0};
	int64_t planes = g->n->n_inputs * p[0];
	float **plane = xmalloc((size_t)planes, sizeof *plane);
	int culprit;
	struct backend_case c = { .plane = plane, .shape = { p[0], p[1], p[2] }, .member = member, .n_members = 1, .culprit = &culprit,
	                          .only = 1, .depth = p[0], .rows = p[0] * p[1] };
	struct backend_window w = {0};
	bool ok;

	for (int64_t i = 0; i < planes; i++)
		plane[i] = (float *)in + i * p[1] * p[2];       /* it is read alone */
	w.stay = gpu_begin(b, &c);
	ok = w.stay != NULL;
	if (ok) {
		gpu_windows(b, &w, 1);
		ok = gpu_take(b, w.stay, out, none, p);
		gpu_end(b, w.stay);
	}
	free(plane);
	return ok;
}

static const char *gpu_probe(const struct backend_options *o) { return device_probe(o->device); }

static const struct backend gpu = {
	.name = "cuda", .probe = gpu_probe, .open = gpu_open, .load = gpu_load, .batch = gpu_batch, .cost = gpu_cost, .begin = gpu_begin,
	.windows = gpu_windows, .take = gpu_take, .end = gpu_end, .close = gpu_close, .forward = gpu_forward
};

extern const struct plugin qualm_plugin;
const struct plugin qualm_plugin = { PLUGIN_VERSION, &gpu };
