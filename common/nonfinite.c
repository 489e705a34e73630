#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/nonfinite.h"

_Static_assert(sizeof(struct nonfinite_run) == 16, "runs are copied as they are into headers");

static bool same(float a, float b) { return !memcmp(&a, &b, sizeof a); }

static void append(struct nonfinite *l, struct nonfinite_run r)
{
	if (l->n == NONFINITE_RUNS) {
		l->too_many = true;
		return;
	}
	if (l->n == l->capacity)
		l->run = xrealloc(l->run, l->capacity = l->capacity ? 2 * l->capacity : 64, sizeof *l->run);
	l->run[l->n++] = r;
}

void nonfinite_add(struct nonfinite *l, uint64_t at, float value)
{
	struct nonfinite_run *last = l->n ? &l->run[l->n - 1] : NULL;

	if (last && last->at + last->n == at && same(last->value, value) && last->n < UINT32_MAX)
		last->n++;
	else
		append(l, (struct nonfinite_run){ .at = at, .n = 1, .value = value });
}

void nonfinite_put(msgpack_zone *zone, msgpack_object *geometry, const struct nonfinite *l)
{
	if (l->n)
		mpk_put(zone, geometry, "nonfinite", mpk_bin(zone, l->run, l->too_many ? 0 : l->n * sizeof *l->run));
}

/* Run i of a bin, copied: its bytes may stand anywhere. */
static struct nonfinite_run run_of(const msgpack_object *bin, size_t i)
{
	struct nonfinite_run r;

	memcpy(&r, bin->via.bin.ptr + i * sizeof r, sizeof r);
	return r;
}

void nonfinite_join(struct nonfinite *l, const msgpack_object *geometry, uint64_t offset)
{
	const msgpack_object *bin = mpk_get(geometry, "nonfinite");

	if (!bin)
		return;
	if (!bin->via.bin.size)
		l->too_many = true;
	for (size_t i = 0; i < bin->via.bin.size / sizeof(struct nonfinite_run); i++) {
		struct nonfinite_run r = run_of(bin, i);
		r.at += offset;
		append(l, r);
	}
	if (l->too_many && !l->n)                       /* so that the key is there */
		append(l, (struct nonfinite_run){0});
}

bool nonfinite_restore(float *data, size_t n, const msgpack_object *geometry)
{
	const msgpack_object *bin = mpk_get(geometry, "nonfinite");

	if (!bin)
		return true;
	if (bin->type != MSGPACK_OBJECT_BIN || bin->via.bin.size % sizeof(struct nonfinite_run))
		return fail(XDATA, "geometry.nonfinite of its header is malformed");
	if (!bin->via.bin.size)
		return fail(XDATA, "its file holds NaN or infinity in more than %d places, which the plans' reader keeps",
		            NONFINITE_RUNS);
	for (size_t i = 0; i < bin->via.bin.size / sizeof(struct nonfinite_run); i++) {
		struct nonfinite_run r = run_of(bin, i);
		if (r.at > n || r.n > n - r.at)
			return fail(XDATA, "geometry.nonfinite of its header points outside the image");
		for (uint32_t k = 0; k < r.n; k++)
			data[r.at + k] = r.value;
	}
	return true;
}
