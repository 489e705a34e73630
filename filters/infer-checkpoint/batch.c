#include <stdlib.h>
#include "common/die.h"
#include "common/progress.h"
#include "filters/infer-checkpoint/batch.h"

/* A member of a case. */
struct unit {
	struct prediction *of;
	int member;
	struct planes planes;
};

static bool in_use(const struct batch *b, const struct prediction *p)
{
	for (int i = 0; i < b->n; i++)
		if (b->unit[i].of == p)
			return true;
	return false;
}

static struct prediction *free_room(struct batch *b)
{
	for (int i = 0; i < b->n_room; i++)
		if (!in_use(b, b->room[i]))
			return b->room[i];
	b->room = xrealloc(b->room, (size_t)b->n_room + 1, sizeof *b->room);
	b->room[b->n_room] = xcalloc(1, sizeof **b->room);
	b->room[b->n_room]->e = b->e;
	b->room[b->n_room]->o = b->o;
	return b->room[b->n_room++];
}

struct frame *batch_frame(struct batch *b)
{
	b->next = free_room(b);
	return &b->next->f;
}

/* The case is over; its members that are still to come are dropped: p->n is 0 then. */
static void give_up(struct batch *b, struct prediction *p)
{
	case_failed(b->out, NULL, &p->made);
	input_close(&p->image);
	p->n = 0;
	progress_step(p->f.name);
}

static void finish(struct batch *b, struct unit *u)
{
	struct prediction *p = u->of;

	if (!p->n) {
		planes_close(&u->planes);
	} else if (!predict_member(b->out, p, u->member, &u->planes)) {
		give_up(b, p);
	} else if (u->member == p->n - 1) {
		predict_end(b->out, p);
		progress_step(p->f.name);
	}
}

void batch_run(struct batch *b)
{
	struct backend_window *w = xmalloc((size_t)b->windows, sizeof *w);
	int n = 0;

	for (int i = 0; i < b->n; i++)
		if (b->unit[i].of->few)
			n += planes_list(w + n, &b->unit[i].planes);
	if (n)
		b->e->backend->windows(b->e->b, w, n);
	free(w);
	for (int i = 0; i < b->n; i++)
		finish(b, &b->unit[i]);
	b->n = b->windows = 0;
}

/* After those before it, maybe members of its own. */
static void fail_after(struct batch *b, struct prediction *p)
{
	char *reason = xstrdup(failed_text());
	enum exit_code code = failed_code();
	int n = p->n;

	batch_run(b);
	if (p->n == n) {                /* else a member has failed before */
		fail(code, "%s", reason);
		give_up(b, p);
	}
	free(reason);
}

/* Adds a member, or runs what is there first where they would be too many together. */
static bool add_member(struct batch *b, struct prediction *p, int m, int most)
{
	struct unit u = { .of = p, .member = m };

	if (!predict_planes(&u.planes, p, m))
		return false;
	if (b->n && (!p->few || b->windows + u.planes.w.n > most))
		batch_run(b);
	if (!p->n) {                    /* one of its members has failed */
		planes_close(&u.planes);
		return true;
	}
	b->unit = xrealloc(b->unit, (size_t)b->n + 1, sizeof *b->unit);
	b->unit[b->n++] = u;
	b->windows += u.planes.w.n;
	if (!p->few || b->windows >= most)
		batch_run(b);
	return true;
}

static void add_members(struct batch *b, struct prediction *p)
{
	int most = planes_batch(b->e, b->o->average ? -1 : 0, &p->way);

	for (int m = 0; m < p->n; m++)
		if (!add_member(b, p, m, most)) {
			fail_after(b, p);
			return;
		}
}

void batch_add(struct batch *b, struct source *in)
{
	struct prediction *p = b->next;

	if (!predict_begin(p, in)) {
		fail_after(b, p);
	} else if (p->n) {
		add_members(b, p);
	} else {
		batch_run(b);
		predict_end(b->out, p);
		progress_step(p->f.name);
	}
	source_skip(in, &p->f);
}

void batch_free(struct batch *b)
{
	for (int i = 0; i < b->n_room; i++) {
		frame_free(&b->room[i]->f);
		frame_free(&b->room[i]->made);
		free(b->room[i]);
	}
	free(b->room);
	free(b->unit);
}
