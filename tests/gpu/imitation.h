/* imitation: a device and a library of convolutions on the processor, whose engines are right, slow or wrong as a test says.
 * Defines what device.h and graph.h declare; to be included once. */
#ifndef TESTS_IMITATION_H
#define TESTS_IMITATION_H
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/graph.h"

enum fault { RIGHT, NO_BORDER, LAST_IMAGE, LAST_CHANNEL, ONE_TAP, TURNED, NEIGHBOUR, ROUNDED, REFUSED, UNRECORDED, UNREADABLE };
struct imitated { int number; unsigned notes; size_t workspace; double seconds; enum fault fault; };

/* In the order of the heuristics, up to one of number GENERAL; behind it those of the general mode; the last has number 0. */
static const struct imitated *engines;
enum { GENERAL = -1 };
static int opened, runs, timings, allocated;    /* calls since the test set them to 0; blocks that are held */
static int driver = 13000;
static size_t version = 91900;

struct device { bool recording; };
struct call { const struct graph_plan *p; void *y; const void *x, *w; void *workspace; };
struct recording { struct call call[8]; int n; double seconds; };
struct graph_device { int unused; };
struct graph { struct convolution c; bool general; };
struct graph_plan { const struct imitated *e; struct convolution c; };

static struct device the_device;
static struct recording *being_recorded;

void device_facts(struct device_facts *f, const struct device *d)
{
	(void)d;
	*f = (struct device_facts){ .name = "imitation", .capability = 90, .processors = 132, .driver = driver, .runtime = 13000 };
}

static void *take(size_t bytes)
{
	allocated++;
	return xmalloc(bytes, 1);
}

static void give_back(void *p)
{
	allocated--;
	free(p);
}

void *device_alloc(struct device *d, size_t bytes) { (void)d; return take(bytes); }
void device_free(struct device *d, void *p) { (void)d; give_back(p); }
void *device_alloc_host(struct device *d, size_t bytes) { (void)d; return take(bytes); }
void device_free_host(struct device *d, void *p) { (void)d; give_back(p); }
void *device_stream(struct device *d, enum lane lane) { (void)lane; return d; }
bool device_up(struct device *d, enum lane l, void *to, const void *from, size_t n) { (void)d; (void)l; memcpy(to, from, n); return true; }
bool device_down(struct device *d, enum lane l, void *to, const void *from, size_t n) { (void)d; (void)l; memcpy(to, from, n); return true; }
bool device_move(struct device *d, enum lane l, void *to, const void *from, size_t n) { (void)d; (void)l; memcpy(to, from, n); return true; }
bool device_wait(struct device *d, int mark) { (void)d; (void)mark; return true; }

bool device_record_begin(struct device *d)
{
	d->recording = true;
	being_recorded = xcalloc(1, sizeof *being_recorded);
	allocated++;
	return true;
}

struct recording *device_record_end(struct device *d)
{
	d->recording = false;
	return being_recorded;
}

bool device_replay(struct device *d, struct recording *r)
{
	(void)d;
	for (int i = 0; i < r->n; i++)
		if (!graph_plan_run(r->call[i].p, r->call[i].y, r->call[i].x, r->call[i].w, r->call[i].workspace))
			return false;
	return true;
}

bool device_time(double *seconds, struct device *d, struct recording *r, int times)
{
	(void)d;
	(void)times;
	timings++;
	*seconds = r->seconds;
	return true;
}

void device_recording_free(struct recording *r) { give_back(r); }

size_t graph_version(void) { return version; }

struct graph_device *graph_device_here(void *stream)
{
	(void)stream;
	allocated++;
	return xcalloc(1, sizeof(struct graph_device));
}

void graph_device_free(struct graph_device *d) { give_back(d); }

struct graph *graph_open(struct graph_device *d, const struct convolution *c)
{
	struct graph *g = take(sizeof *g);

	(void)d;
	opened++;
	*g = (struct graph){ .c = *c };
	return g;
}

void graph_free(struct graph *g) { give_back(g); }

/* The mark counts as an engine that is refused. */
int graph_offers(const struct graph *g)
{
	int n = 0;

	while (engines[n].number && (g->general || engines[n].number != GENERAL))
		n++;
	return n;
}

void graph_ask_general(struct graph *g) { g->general = true; }

bool graph_offer(struct engine *e, const struct graph *g, int i)
{
	(void)g;
	*e = (struct engine){ engines[i].number, engines[i].notes };
	return true;
}

static struct graph_plan *imitated_plan(const struct imitated *e, const struct convolution *c)
{
	struct graph_plan *p = take(sizeof *p);

	*p = (struct graph_plan){ e, *c };
	return p;
}

struct graph_plan *graph_plan_make(struct graph *g, int i)
{
	if (engines[i].fault == REFUSED || engines[i].number == GENERAL) {
		fail(XDEVICE, "refused");
		return NULL;
	}
	return imitated_plan(&engines[i], &g->c);
}

/* The bytes of a plan as digits: what a later convolver of the same program reads. */
char *graph_plan_text(const struct graph_plan *p)
{
	char *text = xcalloc(2 * sizeof *p + 1, 1);

	for (size_t i = 0; i < sizeof *p; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)p)[i]);
	return text;
}

struct graph_plan *graph_plan_read(struct graph_device *d, const char *text)
{
	struct graph_plan p;

	(void)d;
	for (size_t i = 0; i < sizeof p; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
			fail(XDEVICE, "no plan");
			return NULL;
		}
		((unsigned char *)&p)[i] = (unsigned char)byte;
	}
	if (p.e->fault == UNREADABLE) {
		fail(XDEVICE, "unreadable");
		return NULL;
	}
	return imitated_plan(p.e, &p.c);
}

void graph_plan_free(struct graph_plan *p) { give_back(p); }
size_t graph_plan_workspace(const struct graph_plan *p) { return p->e->workspace; }

static float element_get(const void *data, enum precision p, size_t i)
{
	uint32_t bits;
	float v;

	if (p == PRECISION_FP16)
		return half_to_float(((const uint16_t *)data)[i]);
	if (p != PRECISION_BF16)
		return ((const float *)data)[i];
	bits = (uint32_t)((const uint16_t *)data)[i] << 16;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static void element_put(void *data, enum precision p, size_t i, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	if (p == PRECISION_FP16)
		((uint16_t *)data)[i] = half_from_float(v);
	else if (p == PRECISION_BF16)
		((uint16_t *)data)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
	else
		((float *)data)[i] = v;
}

/* v to 11 bits, as tensor cores take fp32. */
static float shortened(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	bits = (bits + 0x1000) & ~0x1fffu;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* One output, from inputs and taps as they lie in memory. */
static float output(const struct graph_plan *p, const void *x, const void *w, int64_t n, const int64_t at[3], int64_t k)
{
	const struct convolution *c = &p->c;
	enum fault fault = p->e->fault;
	float sum = 0;

	for (int64_t z = 0; z < c->kernel[0]; z++)
		for (int64_t y = 0; y < c->kernel[1]; y++)
			for (int64_t u = 0; u < c->kernel[2]; u++) {
				const int64_t tap[3] = { z, y, u };
				int64_t from[3], turned = fault == TURNED ? (c->kernel[2] - 1 - u) - u : 0;
				bool inside = true;
				for (int a = 0; a < 3; a++) {
					int64_t reach = at[a] + (c->transposed ? -tap[a] : 0);
					from[a] = c->transposed ? reach / c->stride[a] : at[a] * c->stride[a] + tap[a] - c->padding[a];
					inside = inside && (!c->transposed || (reach >= 0 && reach % c->stride[a] == 0));
					if (fault == NO_BORDER && from[a] < 0)
						from[a] = 0;
					inside = inside && from[a] >= 0 && from[a] < c->in[a];
				}
				if (!inside || (fault == ONE_TAP && z == 0 && y == 0 && u == 0))
					continue;
				for (int64_t i = 0; i < c->c_in; i++) {
					int64_t first = c->transposed ? i : k, second = c->transposed ? k : i, width = c->transposed ? c->c_out : c->c_in;
					size_t wi = (size_t)((((first * c->kernel[0] + z) * c->kernel[1] + y) * c->kernel[2] + u + turned) * width + second);
					size_t xi = (size_t)((((n * c->in[0] + from[0]) * c->in[1] + from[1]) * c->in[2] + from[2]) * c->c_in + i);
					float a = element_get(x, c->precision, xi), b = element_get(w, c->precision, wi);
					if (fault == ROUNDED && c->precision == PRECISION_FP32)
						sum += shortened(a) * shortened(b);
					else
						sum = fault == ROUNDED ? half_round(sum + a * b) : sum + a * b;
				}
			}
	return sum;
}

bool graph_plan_run(const struct graph_plan *p, void *y, const void *x, const void *w, void *workspace)
{
	const struct convolution *c = &p->c;
	enum fault fault = p->e->fault;
	size_t i = 0, neighbour = fault == NEIGHBOUR ? 1 : 0, all = (size_t)c->n * (size_t)(c->out[0] * c->out[1] * c->out[2]) * (size_t)c->c_out;

	runs++;
	if (p->e->workspace)
		memset(workspace, 0, p->e->workspace);
	if (the_device.recording) {
		being_recorded->call[being_recorded->n++] = (struct call){ p, y, x, w, workspace };
		being_recorded->seconds += p->e->seconds;
		return fault != UNRECORDED || fail(XDEVICE, "not to be recorded");
	}
	for (int64_t n = 0; n < c->n - (fault == LAST_IMAGE); n++)
		for (int64_t a = 0; a < c->out[0]; a++)
			for (int64_t b = 0; b < c->out[1]; b++)
				for (int64_t d = 0; d < c->out[2]; d++)
					for (int64_t k = 0; k < c->c_out; k++, i++)
						if (fault != LAST_CHANNEL || k + 1 < c->c_out)
							element_put(y, c->precision, (i + neighbour) % all,
							            output(p, x, w, n, (const int64_t[]){ a, b, d }, k));
	return true;
}
#endif
