/* device.h on the processor: memory is poisoned, and $EMULATED_MEMORY (KiB) bounds it; -v says what was copied to it. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/device.h"
#include "tests/gpu/plugin/queue.h"

/* run NULL: waits until the lane `before` has done `count` calls. */
struct call { void (*run)(const void *); void *args; enum lane before; size_t count; };
struct calls { struct call *call; size_t n, room; };
struct queue { struct device *d; struct calls todo; size_t done; };
struct recording { struct calls calls; };
struct device {
	struct queue queue[LANES];
	struct recording *recording;
	struct { enum lane lane; size_t count; } mark[DEVICE_MARKS];
	size_t limit, used, sent;
};

static void add(struct calls *c, struct call call)
{
	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->call = xrealloc(c->call, c->room, sizeof *c->call);
	}
	c->call[c->n++] = call;
}

void queue_call(void *stream, void (*run)(const void *), const void *args, size_t bytes)
{
	struct queue *q = stream;
	bool recorded = q->d->recording && q == &q->d->queue[LANE_COMPUTE];

	add(recorded ? &q->d->recording->calls : &q->todo, (struct call){ .run = run, .args = memcpy(xmalloc(bytes, 1), args, bytes) });
}

static void run_until(struct device *d, enum lane lane, size_t count)
{
	struct queue *q = &d->queue[lane];

	while (q->done < count) {
		struct call c = q->todo.call[q->done++];
		if (c.run)
			c.run(c.args);
		else
			run_until(d, c.before, c.count);
	}
}

const char *device_probe(int number) { return number ? "there is one imitated GPU, 0" : NULL; }

struct device *device_open(int number)
{
	struct device *d = xcalloc(1, sizeof *d);
	const char *limit = getenv("EMULATED_MEMORY");

	(void)number;
	d->limit = (size_t)(limit ? atoi(limit) : 1 << 21) << 10;
	for (int i = 0; i < LANES; i++)
		d->queue[i].d = d;
	return d;
}

/* Calls that were given and recorded share their arguments: these are freed by the recording. */
static void free_args(struct calls *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->call[i].args);
	free(c->call);
}

void device_close(struct device *d)
{
	say("imitated GPU: %zu KiB of images came", d->sent >> 10);
	if (d->used)
		die(XIO, "%zu bytes of the imitated device were not freed", d->used);
	for (int i = 0; i < LANES; i++)
		free_args(&d->queue[i].todo);
	free(d);
}

void device_facts(struct device_facts *f, const struct device *d)
{
	*f = (struct device_facts){ .name = "imitated GPU", .capability = 90, .processors = 132, .driver = 13000, .runtime = 13000,
	                            .memory = d->limit, .unused = d->limit - d->used };
}

void *device_alloc(struct device *d, size_t bytes)
{
	size_t *p, room = (bytes + 255) / 256 * 256 + 256;

	if (bytes > d->limit - d->used) {
		fail(XDEVICE, "%zu KiB were wanted on the imitated GPU, of which %zu KiB are free", bytes >> 10, (d->limit - d->used) >> 10);
		return NULL;
	}
	p = aligned_alloc(256, room);
	if (!p)
		die(XIO, "no memory");
	memset(p, 0xff, room);
	*p = bytes;
	d->used += bytes;
	return (char *)p + 256;
}

void device_free(struct device *d, void *p)
{
	size_t *start;

	if (!p)
		return;
	for (int i = 0; i < LANES; i++)
		if (d->queue[i].done < d->queue[i].todo.n)
			die(XIO, "memory of the imitated device is freed while it is in use");
	start = (size_t *)(void *)((char *)p - 256);
	d->used -= *start;
	free(start);
}

void *device_alloc_host(struct device *d, size_t bytes)
{
	(void)d;
	return memset(xaligned(bytes, 1), 0xff, bytes);
}

void device_free_host(struct device *d, void *p)
{
	(void)d;
	free(p);
}

void *device_stream(struct device *d, enum lane lane) { return &d->queue[lane]; }

struct copy { void *to; const void *from; size_t bytes; };

static void run_copy(const void *args)
{
	const struct copy *c = args;

	if (c->from)
		memcpy(c->to, c->from, c->bytes);
	else
		memset(c->to, 0, c->bytes);
}

static bool copy(struct device *d, enum lane lane, void *to, const void *from, size_t bytes)
{
	queue_call(&d->queue[lane], run_copy, &(struct copy){ to, from, bytes }, sizeof(struct copy));
	return true;
}

bool device_up(struct device *d, enum lane lane, void *to, const void *from, size_t bytes)
{
	d->sent += lane == LANE_UP ? bytes : 0;
	return copy(d, lane, to, from, bytes);
}

bool device_down(struct device *d, enum lane lane, void *to, const void *from, size_t bytes) { return copy(d, lane, to, from, bytes); }
bool device_move(struct device *d, enum lane lane, void *to, const void *from, size_t bytes) { return copy(d, lane, to, from, bytes); }
bool device_zero(struct device *d, enum lane lane, void *p, size_t bytes) { return copy(d, lane, p, NULL, bytes); }

bool device_order(struct device *d, enum lane after, enum lane before)
{
	add(&d->queue[after].todo, (struct call){ .before = before, .count = d->queue[before].todo.n });
	return true;
}

bool device_mark(struct device *d, enum lane lane, int mark)
{
	d->mark[mark].lane = lane;
	d->mark[mark].count = d->queue[lane].todo.n;
	return true;
}

bool device_wait(struct device *d, int mark)
{
	if (mark >= 0)
		run_until(d, d->mark[mark].lane, d->mark[mark].count);
	for (int i = 0; i < LANES && mark < 0; i++)
		run_until(d, (enum lane)i, d->queue[i].todo.n);
	return true;
}

bool device_record_begin(struct device *d)
{
	d->recording = xcalloc(1, sizeof *d->recording);
	return true;
}

struct recording *device_record_end(struct device *d)
{
	struct recording *r = d->recording;

	d->recording = NULL;
	return r;
}

struct replay { const struct recording *r; };

static void run_replay(const void *args)
{
	const struct recording *r = ((const struct replay *)args)->r;

	for (size_t i = 0; i < r->calls.n; i++)
		r->calls.call[i].run(r->calls.call[i].args);
}

bool device_replay(struct device *d, struct recording *r)
{
	queue_call(&d->queue[LANE_COMPUTE], run_replay, &(struct replay){ r }, sizeof(struct replay));
	return true;
}

void device_recording_free(struct recording *r)
{
	free_args(&r->calls);
	free(r);
}
