#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/gpu.h"

size_t stage_bytes(void) { return (size_t)8 << 20; }

/* ---- memory that goes from case to case ---- */

static size_t image_bytes(const struct gpu *g, const int64_t shape[3])
{
	size_t bytes;

	return size_of_block(&bytes, DT_F4, g->n->n_inputs, shape[0], shape[1], shape[2]) ? bytes : SIZE_MAX / 4;
}

static void give_back(struct gpu *g, void *p, size_t bytes)
{
	struct spare *s;

	if (!p)
		return;
	s = xmalloc(1, sizeof *s);
	*s = (struct spare){ p, bytes, g->spare };
	g->spare = s;
}

static void let_image_go(struct gpu *g, struct image *i)
{
	if (!i)
		return;
	give_back(g, i->volume, image_bytes(g, i->shape));
	free(i->there);
	free(i);
}

static void free_spare(struct gpu *g)
{
	let_image_go(g, g->last);
	g->last = NULL;
	for (struct spare *s = g->spare, *next; s; s = next) {
		next = s->next;
		device_free(g->d, s->p);
		free(s);
	}
	g->spare = NULL;
}

/* The smallest that is left of earlier cases, if it is not more than twice as large; else new memory. */
static void *borrow(struct gpu *g, size_t bytes)
{
	struct spare **best = NULL;
	void *p;

	for (struct spare **s = &g->spare; *s; s = &(*s)->next)
		if ((*s)->bytes >= bytes && (*s)->bytes / 2 <= bytes && (!best || (*s)->bytes < (*best)->bytes))
			best = s;
	if (best) {
		struct spare *s = *best;
		p = s->p;
		*best = s->next;
		free(s);
		return p;
	}
	p = device_alloc(g->d, bytes);
	if (p || (!g->spare && !g->last))
		return p;
	if (!device_wait(g->d, -1))
		return NULL;
	free_spare(g);
	return device_alloc(g->d, bytes);
}

/* ---- images ---- */

static struct image *image_open(struct gpu *g, const struct backend_case *c)
{
	struct image *i;

	for (i = g->images; i; i = i->next)
		if (c->image && c->image == i->number) {
			i->users++;
			return i;
		}
	i = g->last;
	g->last = NULL;
	if (i && c->image && c->image == i->number) {
		i->users = 1;
		i->next = g->images;
		return g->images = i;
	}
	let_image_go(g, i);
	i = xcalloc(1, sizeof *i);
	i->number = c->image;
	i->plane = c->plane;
	i->users = 1;
	memcpy(i->shape, c->shape, sizeof i->shape);
	i->volume = borrow(g, image_bytes(g, c->shape));
	if (!i->volume) {
		free(i);
		return NULL;
	}
	i->there = xcalloc((size_t)c->shape[0], sizeof *i->there);
	i->next = g->images;
	g->images = i;
	return i;
}

static void image_close(struct gpu *g, struct image *i)
{
	struct image **at = &g->images;

	if (--i->users)
		return;
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	let_image_go(g, g->last);
	g->last = i;
}

/* Copies through the stages. */
static bool send_up(struct gpu *g, float *to, const float *from, size_t n)
{
	size_t room = stage_bytes();

	while (n) {
		size_t bytes;
		if (g->up_used == room) {
			if (!device_mark(g->d, LANE_UP, MARK_UP + g->up_turn))
				return false;
			g->up_turn = (g->up_turn + 1) % STAGES;
			g->up_used = 0;
			if (!device_wait(g->d, MARK_UP + g->up_turn))
				return false;
		}
		bytes = n * sizeof *to < room - g->up_used ? n * sizeof *to : room - g->up_used;
		memcpy(g->up_stage[g->up_turn] + g->up_used, from, bytes);
		if (!device_up(g->d, LANE_UP, to, g->up_stage[g->up_turn] + g->up_used, bytes))
			return false;
		g->up_used += bytes;
		to += bytes / sizeof *to;
		from += bytes / sizeof *to;
		n -= bytes / sizeof *to;
	}
	return true;
}

bool image_need(struct gpu *g, struct image *i, int64_t lo, int64_t hi)
{
	size_t plane = (size_t)(i->shape[1] * i->shape[2]);
	bool any = false;

	for (int64_t z = lo < 0 ? 0 : lo; z < hi && z < i->shape[0]; z++) {
		if (i->there[z])
			continue;
		for (int64_t c = 0; c < g->n->n_inputs; c++)
			if (!send_up(g, i->volume + (size_t)(c * i->shape[0] + z) * plane, i->plane[c * i->shape[0] + z], plane))
				return false;
		i->there[z] = any = true;
	}
	return !any || device_order(g->d, LANE_COMPUTE, LANE_UP);
}

/* ---- cases ---- */

static size_t sum_bytes(const struct stay *s, int outputs)
{
	size_t bytes;

	return size_of_block(&bytes, DT_F4, outputs, s->ring[0], s->ring[1], s->ring[2]) ? bytes : SIZE_MAX / 4;
}

static void let_go(struct gpu *g, struct stay *s)
{
	give_back(g, s->sum, sum_bytes(s, s->outputs));
	give_back(g, s->weights, sum_bytes(s, 1));
	if (s->image)
		image_close(g, s->image);
	free(s);
}

static struct stay make_stay(const struct gpu *g, const struct backend_case *c)
{
	struct stay s = { .c = *c, .outputs = g->n->n_outputs * (c->apart ? c->n_members : 1) };

	memcpy(s.ring, c->shape, sizeof s.ring);
	if (c->depth < s.ring[c->axis])
		s.ring[c->axis] = c->depth;
	return s;
}

bool gpu_cost(const void *b, const struct backend_case *c, size_t *host, size_t *device)
{
	const struct gpu *g = b;
	struct stay s = make_stay(g, c);
	struct device_facts f;
	size_t room;

	device_facts(&f, g->d);
	room = f.unused + (g->last ? image_bytes(g, g->last->shape) : 0);
	for (const struct spare *p = g->spare; p; p = p->next)
		room += p->bytes;
	*host = 0;
	*device = image_bytes(g, c->shape) + sum_bytes(&s, s.outputs) + sum_bytes(&s, 1);
	return *device <= room || fail(XDEVICE, "the case needs %zu KiB on %s beside the network, of which %zu KiB are free", *device >> 10,
	                               f.name, room >> 10);
}

void *gpu_begin(void *b, const struct backend_case *c)
{
	struct gpu *g = b;
	struct stay *s = xmalloc(1, sizeof *s);

	*s = make_stay(g, c);
	if ((s->image = image_open(g, c)) && (s->sum = borrow(g, sum_bytes(s, s->outputs))) && (s->weights = borrow(g, sum_bytes(s, 1))) &&
	    device_zero(g->d, LANE_COMPUTE, s->sum, sum_bytes(s, s->outputs)) &&
	    device_zero(g->d, LANE_COMPUTE, s->weights, sum_bytes(s, 1)))
		return s;
	let_go(g, s);
	return NULL;
}

/* What is given to the device from now on may be copied to where this case was, after all that reads it there. */
void gpu_end(void *b, void *stay)
{
	struct gpu *g = b;

	for (int i = 0; i < g->n_flags; i++)
		if (g->flagged[i].stay == stay)
			g->flagged[i].stay = NULL;
	let_go(g, stay);
	if (!device_order(g->d, LANE_UP, LANE_COMPUTE))
		die_failed();
}

void cases_free(struct gpu *g) { free_spare(g); }

bool flags_check(struct gpu *g)
{
	size_t bytes = (size_t)g->n_flags * sizeof *g->flag;

	if (!g->n_flags)
		return true;
	if (!device_down(g->d, LANE_COMPUTE, g->flag_copy, g->flag, bytes) || !device_zero(g->d, LANE_COMPUTE, g->flag, bytes) ||
	    !device_mark(g->d, LANE_COMPUTE, MARK_FLAGS) || !device_wait(g->d, MARK_FLAGS))
		return false;
	for (int i = 0; i < g->n_flags; i++) {
		struct stay *s = g->flagged[i].stay;
		if (!g->flag_copy[i] || !s || s->bad)
			continue;
		s->bad = true;
		*s->c.culprit = g->flagged[i].member;
		memcpy(s->where, g->flagged[i].origin, sizeof s->where);
	}
	g->n_flags = 0;
	return true;
}

/* ---- what is taken ---- */

/* Waits for a piece and puts it where it belongs. */
static bool arrive(struct gpu *g, int turn)
{
	struct piece *p = &g->piece[turn];
	const float *from = g->down_stage[turn];
	int64_t size[3];

	if (!p->there)
		return true;
	p->there = false;
	if (!device_wait(g->d, MARK_DOWN + turn))
		return false;
	for (int i = 0; i < 3; i++)
		size[i] = p->box_hi[i] - p->box_lo[i];
	for (int64_t c = 0; c < p->outputs; c++)
		for (int64_t z = p->lo[0]; z < p->hi[0]; z++)
			for (int64_t y = p->lo[1]; y < p->hi[1]; y++) {
				int64_t at = ((c * size[0] + z - p->box_lo[0]) * size[1] + y - p->box_lo[1]) * size[2] + p->lo[2] - p->box_lo[2];
				memcpy(p->out + at, from, (size_t)(p->hi[2] - p->lo[2]) * sizeof *from);
				from += p->hi[2] - p->lo[2];
			}
	return true;
}

/* The piece lo..hi of p, in halves while it is larger than a stage. */
static bool ask(struct gpu *g, const struct stay *s, struct piece p)
{
	size_t n = (size_t)p.outputs;
	int longest = 0, turn = g->down_turn;

	for (int i = 0; i < 3; i++) {
		n *= (size_t)(p.hi[i] - p.lo[i]);
		longest = p.hi[i] - p.lo[i] > p.hi[longest] - p.lo[longest] ? i : longest;
	}
	if (n * sizeof(float) > stage_bytes() && p.hi[longest] - p.lo[longest] > 1) {
		struct piece second = p;
		second.lo[longest] = p.hi[longest] = (p.lo[longest] + p.hi[longest]) / 2;
		return ask(g, s, p) && ask(g, s, second);
	}
	if (!arrive(g, turn))
		return false;
	p.there = true;
	g->piece[turn] = p;
	g->down_turn = (turn + 1) % STAGES;
	return kernel_take(g->take_stage[turn], s->sum, s->weights, s->outputs, s->ring, p.lo, p.hi, s->c.apart ? 1 : s->c.n_members,
	                   g->o.parity, device_stream(g->d, LANE_COMPUTE)) &&
	       device_order(g->d, LANE_DOWN, LANE_COMPUTE) &&
	       device_down(g->d, LANE_DOWN, g->down_stage[turn], g->take_stage[turn], n * sizeof(float)) &&
	       device_mark(g->d, LANE_DOWN, MARK_DOWN + turn);
}

bool gpu_take(void *b, void *stay, float *out, const int64_t lo[3], const int64_t hi[3])
{
	struct gpu *g = b;
	struct stay *s = stay;
	struct piece p = { .out = out, .outputs = s->outputs };

	if (!flags_check(g))
		return false;
	if (s->bad)
		return fail(XDATA, "the window at z %lld, y %lld, x %lld gives logits that are not finite numbers%s", (long long)s->where[0],
		            (long long)s->where[1], (long long)s->where[2],
		            g->precision == PRECISION_FP16 ? " in half precision (--precision tf32 or bf16 knows larger ones)" : "");
	for (int i = 0; i < 3; i++) {
		p.box_lo[i] = p.lo[i] = lo[i];
		p.box_hi[i] = p.hi[i] = hi[i];
	}
	return ask(g, s, p) && arrive(g, g->down_turn) && arrive(g, (g->down_turn + 1) % STAGES);
}
