#include <stdlib.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/graph.h"
#include "filters/infer-checkpoint/cuda/plancache.h"
#include "filters/infer-checkpoint/cuda/shape.h"
#include "filters/infer-checkpoint/cuda/trial.h"

enum { TIMED = 12 };            /* plans that are timed before the fastest is taken */
enum { RUNS = 3, TIMES = 7 };   /* of a plan in a recording, which is done so often, at least twice and for so long at most */
static const double most_seconds = 0.05;
static const double hopeless = 3;       /* times slower than the best so far: no more of it */

struct plan_of {
	struct convolution c;
	struct graph_plan *p;
	struct engine engine;
	bool cached;
	double seconds;
	struct plan_of *next;
};

struct convolver {
	struct device *d;
	struct convolver_options o;
	struct graph_device *g;
	struct plancache *cache;        /* NULL: deterministic */
	struct plan_of *first, **last;
};

const char *convolver_probe(int dimensions)
{
	static char why[640];
	size_t version = graph_version();
	int v[3] = { (int)(version / 10000), (int)(version / 100 % 100), (int)(version % 100) };

	if (!version)
		snprintf(why, sizeof why, "%s", failed_text());
	else if (version < 90800)               /* the first that can describe a device */
		snprintf(why, sizeof why, "cuDNN %d.%d.%d is too old, 9.8 is needed", v[0], v[1], v[2]);
	else if (dimensions == 3 && version < 91500)    /* pytorch#163539: wrong results with half precision in 9.8 to 9.14 */
		snprintf(why, sizeof why, "cuDNN %d.%d.%d computes 3D convolutions wrongly, 9.15 is needed", v[0], v[1], v[2]);
	else
		return NULL;
	return why;
}

struct convolver *convolver_open(struct device *d, const struct convolver_options *o)
{
	struct graph_device *g = graph_device_here(device_stream(d, LANE_COMPUTE));
	struct convolver *v;
	struct device_facts f;

	if (!g)
		return NULL;
	v = xcalloc(1, sizeof *v);
	*v = (struct convolver){ .d = d, .o = *o, .g = g, .last = &v->first };
	if (!o->deterministic) {
		char *made_for;
		device_facts(&f, d);
		made_for = xasprintf("cuDNN %zu, runtime %d, driver %d, %s, %d, %d processors", graph_version(), f.runtime, f.driver, f.name,
		                     f.capability, f.processors);
		v->cache = plancache_open(o->cache, made_for);
		free(made_for);
	}
	return v;
}

void convolver_close(struct convolver *v)
{
	for (struct plan_of *p = v->first, *next; p; p = next) {
		next = p->next;
		graph_plan_free(p->p);
		free(p);
	}
	if (v->cache)
		plancache_close(v->cache);
	graph_device_free(v->g);
	free(v);
}

static bool allowed(const struct engine *e, enum precision p)
{
	unsigned no = ENGINE_VARIES;

	if (p != PRECISION_TF32)
		no |= ENGINE_ROUNDS;
	if (p == PRECISION_FP32)
		no |= ENGINE_TENSOR_CORES;
	return !(e->notes & no);
}

/* What is being tried for one shape. */
struct search {
	struct convolver *v;
	const struct convolution *c;
	struct graph *g;
	struct trial t;
	void *workspace;
	size_t held;
	double best;             /* seconds; 0: none yet */
};

struct candidate { struct graph_plan *p; struct engine engine; double seconds; };

static bool hold(struct search *s, size_t workspace)
{
	if (workspace <= s->held)
		return true;
	if (s->workspace)
		device_free(s->v->d, s->workspace);
	s->workspace = device_alloc(s->v->d, workspace);
	s->held = s->workspace ? workspace : 0;
	return s->workspace;
}

/* A plan is of use only if it can be recorded. */
static struct recording *record(struct search *s, const struct graph_plan *p, int runs)
{
	struct recording *r;
	bool ok = true;

	if (!device_record_begin(s->v->d))
		return NULL;
	for (int i = 0; i < runs && ok; i++)
		ok = graph_plan_run(p, s->t.y, s->t.x, s->t.w, s->workspace);
	r = device_record_end(s->v->d);
	if (r && !ok)
		device_recording_free(r);
	return ok ? r : NULL;
}

static bool measure(double *seconds, struct search *s, const struct graph_plan *p)
{
	struct recording *r;
	int times;
	bool ok;

	/* The first run loads kernels, which cannot be recorded. */
	if (!graph_plan_run(p, s->t.y, s->t.x, s->t.w, s->workspace) || !device_wait(s->v->d, -1) || !(r = record(s, p, RUNS)))
		return false;
	ok = device_time(seconds, s->v->d, r, 1);
	if (ok && s->best > 0 && *seconds / RUNS > hopeless * s->best)
		ok = fail(XDEVICE, "an engine is %.0f times slower than another", *seconds / RUNS / s->best);
	times = ok && *seconds * TIMES > most_seconds ? (int)(most_seconds / *seconds) : TIMES;
	ok = ok && device_time(seconds, s->v->d, r, times < 2 ? 2 : times);
	*seconds /= RUNS;
	if (ok && (s->best <= 0 || *seconds < s->best))
		s->best = *seconds;
	device_recording_free(r);
	return ok;
}

static bool within(const struct search *s, const struct graph_plan *p)
{
	return graph_plan_workspace(p) <= s->v->o.workspace ||
	       fail(XDEVICE, "a workspace of %zu MiB is wanted", graph_plan_workspace(p) >> 20);
}

/* Offer i as a plan that runs within the bounds, and its time. */
static bool try_offer(struct candidate *k, struct search *s, int i, bool compiles)
{
	*k = (struct candidate){0};
	if (!graph_offer(&k->engine, s->g, i) || !!(k->engine.notes & ENGINE_COMPILES) != compiles)
		return false;
	if (!allowed(&k->engine, s->c->precision))
		return fail(XDEVICE, "engine %d rounds more than asked for, or differs from run to run", k->engine.number);
	k->p = graph_plan_make(s->g, i);
	if (k->p && within(s, k->p) && hold(s, graph_plan_workspace(k->p)) && (s->v->o.deterministic || measure(&k->seconds, s, k->p)))
		return true;
	fail_prefix("engine %d", k->engine.number);
	if (k->p)
		graph_plan_free(k->p);
	return false;
}

static int by_time(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->seconds < y->seconds ? -1 : x->seconds > y->seconds;
}

static struct plan_of *plan_new(const struct convolution *c, struct graph_plan *p, struct engine e, double seconds, bool cached)
{
	struct plan_of *o = xmalloc(1, sizeof *o);

	*o = (struct plan_of){ .c = *c, .p = p, .engine = e, .seconds = seconds, .cached = cached };
	return o;
}

/* The candidate as the cache will give it back, run from a recording as it will be, with the right result; stored. */
static struct plan_of *accept(struct search *s, const struct candidate *k, const char *shape)
{
	char *text = graph_plan_text(k->p);
	struct graph_plan *p = text ? graph_plan_read(s->v->g, text) : NULL;
	struct recording *r = NULL;
	bool ok = p && hold(s, graph_plan_workspace(p)) && trial_poison(&s->t) && graph_plan_run(p, s->t.y, s->t.x, s->t.w, s->workspace) &&
	          trial_poison(&s->t) && (r = record(s, p, 1)) && device_replay(s->v->d, r) && trial_check(&s->t);

	if (r)
		device_recording_free(r);
	if (ok && s->v->cache)
		plancache_store(s->v->cache, shape, &(struct stored_plan){ k->engine.number, k->engine.notes, k->seconds, text });
	free(text);
	if (!ok) {
		fail_prefix("engine %d", k->engine.number);
		if (p)
			graph_plan_free(p);
		return NULL;
	}
	return plan_new(s->c, p, k->engine, k->seconds, false);
}

/* The fastest of the first TIMED that are of use and right; if all are wrong, of the next. */
static struct plan_of *search_from(struct search *s, int first, bool compiles, const char *shape)
{
	int offers = graph_offers(s->g), limit = s->v->o.deterministic ? 1 : TIMED;
	struct plan_of *found = NULL;

	for (int i = first; i < offers && !found;) {
		struct candidate k[TIMED];
		int n = 0;
		while (i < offers && n < limit)
			n += try_offer(&k[n], s, i++, compiles);
		qsort(k, (size_t)n, sizeof *k, by_time);
		for (int j = 0; j < n; j++) {
			if (!found)
				found = accept(s, &k[j], shape);
			graph_plan_free(k[j].p);
		}
	}
	return found;
}

/* The general engines are asked for where the others do not serve, and what compiles comes last. */
static struct plan_of *search(struct search *s, const char *shape)
{
	int best = graph_offers(s->g);
	struct plan_of *found = search_from(s, 0, false, shape);

	if (!found) {
		graph_ask_general(s->g);
		found = search_from(s, best, false, shape);
	}
	return found ? found : search_from(s, 0, true, shape);
}

static struct plan_of *choose(struct convolver *v, const struct convolution *c, const char *shape)
{
	struct search s = { .v = v, .c = c, .g = graph_open(v->g, c) };
	struct plan_of *found = NULL;

	if (s.g && trial_begin(&s.t, v->d, c)) {
		fail(XDEVICE, "there is none");
		found = search(&s, shape);
		if (!found)
			fail_prefix("none of %d engines computes it within %zu MiB of workspace; the last", graph_offers(s.g), v->o.workspace >> 20);
		if (s.workspace)
			device_free(v->d, s.workspace);
		trial_end(&s.t);
	}
	if (s.g)
		graph_free(s.g);
	if (!found)
		fail_prefix("%s", shape);
	return found;
}

static struct plan_of *from_cache(struct convolver *v, const struct convolution *c, const char *shape)
{
	struct stored_plan stored;
	struct graph_plan *p;

	if (!v->cache || !plancache_load(&stored, v->cache, shape))
		return NULL;
	p = graph_plan_read(v->g, stored.text);
	free(stored.text);
	if (p && graph_plan_workspace(p) <= v->o.workspace)
		return plan_new(c, p, (struct engine){ stored.engine, stored.notes }, stored.seconds, true);
	if (p)
		graph_plan_free(p);
	return NULL;
}

const struct plan_of *convolver_plan(struct convolver *v, const struct convolution *c)
{
	struct plan_of *p;
	char *shape;

	for (p = v->first; p; p = p->next)
		if (shape_same(&p->c, c))
			return p;
	shape = shape_text(c);
	p = from_cache(v, c, shape);
	if (!p)
		p = choose(v, c, shape);
	free(shape);
	if (p) {
		*v->last = p;
		v->last = &p->next;
	}
	return p;
}

size_t plan_workspace(const struct plan_of *p) { return graph_plan_workspace(p->p); }

bool plan_run(const struct plan_of *p, void *y, const void *x, const void *w, void *workspace)
{
	return graph_plan_run(p->p, y, x, w, workspace);
}

void plan_facts(struct plan_facts *f, const struct plan_of *p)
{
	const struct convolution *c = &p->c;
	double x = (double)shape_x(c), w = (double)shape_w(c), y = (double)shape_y(c);

	*f = (struct plan_facts){
		.c = c, .engine = p->engine.number, .tensor_cores = p->engine.notes & ENGINE_TENSOR_CORES, .cached = p->cached,
		.workspace = plan_workspace(p), .seconds = p->seconds, .bytes = (double)shape_element(c) * (x + w + y),
		/* each output of a convolution, each input of a transposed one, meets every weight of its channel */
		.flops = 2 * w * (c->transposed ? x / c->c_in : y / c->c_out),
	};
}

void convolver_report(const struct convolver *v, FILE *out)
{
	fputs("engine\ttensor_cores\tfrom\tworkspace_bytes\tmicroseconds\tteraflops\tterabytes_per_second\tshape\n", out);
	for (const struct plan_of *p = v->first; p; p = p->next) {
		char *shape = shape_text(&p->c);
		struct plan_facts f;
		plan_facts(&f, p);
		fprintf(out, "%d\t%d\t%s\t%zu\t%.1f\t%.1f\t%.3f\t%s\n", f.engine, f.tensor_cores, f.cached ? "cache" : "search", f.workspace,
		        f.seconds * 1e6, f.seconds > 0 ? f.flops / f.seconds * 1e-12 : 0, f.seconds > 0 ? f.bytes / f.seconds * 1e-12 : 0, shape);
		free(shape);
	}
}
