#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "filters/frames/frames.h"

enum { SHOWN = 20 };
static int n_differences;
static double tolerance;
static bool only_data;

static void difference(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void difference(const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (++n_differences > SHOWN)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put_text(name);
	printf(": ");
	put_text(text);
	putchar('\n');
}

/* Not a number equals itself, infinity too. */
static bool near(double a, double b)
{
	return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * (fabs(a) > 1 ? fabs(a) : 1);
}

/* Names the first key in which two maps differ. */
static void compare_keys(const struct frame *f, const char *where, const msgpack_object *a, const msgpack_object *b)
{
	const msgpack_object *pair[] = { a, b };

	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; i < pair[side]->via.map.size; i++) {
			const char *key = mpk_as_str(&pair[side]->via.map.ptr[i].key);
			const msgpack_object *v = key ? mpk_get(pair[!side], key) : NULL;
			if (!key || (v && (side || mpk_equal(v, &pair[side]->via.map.ptr[i].val))))
				continue;
			if (!strcmp(key, "scores") || !strcmp(key, "slab"))
				continue;
			difference(f->name, "%s: key %s %s", where, key,
			    v ? "differs" : side ? "is not in the first" : "is not in the second");
		}
}

static void compare_scores(const struct frame *a, const struct frame *b)
{
	const msgpack_object *pair[] = { mpk_get_map(&a->closing, "scores"), mpk_get_map(&b->closing, "scores") };

	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; pair[side] && i < pair[side]->via.map.size; i++) {
			const msgpack_object_kv *kv = &pair[side]->via.map.ptr[i];
			const char *name = mpk_as_str(&kv->key);
			const msgpack_object *o = name ? mpk_get(pair[!side], name) : NULL;
			double x = mpk_get_real(pair[side], name ? name : "", NAN);
			double y = mpk_get_real(pair[!side], name ? name : "", NAN);
			if (!o)
				difference(a->name, "score %s is not in the %s", name ? name : "?", side ? "first" : "second");
			else if (!side && !near(x, y))
				difference(a->name, "score %s: %.9g and %.9g", name, x, y);
		}
}

static void compare_values(const struct frame *f, int nth, const struct layer *a, const struct layer *b)
{
	size_t voxels = frame_grid_voxels(f), n = (size_t)a->channels * voxels, count = 0, at = 0;
	double largest = -1;
	int64_t y, x;

	if (a->type == b->type && !memcmp(a->data, b->data, n * dtype_size(a->type)))
		return;
	for (size_t i = 0; i < n; i++) {
		double p = value_at(a->data, a->type, i), q = value_at(b->data, b->type, i), d = fabs(p - q);
		if (near(p, q))
			continue;
		count++;
		if (!(d <= largest)) {          /* NaN against a number is the largest of all */
			largest = d;
			at = i;
		}
	}
	y = f->shape[1];
	x = f->shape[2];
	if (count)
		difference(f->name, "layer %d, %s: %zu of %zu values differ, by up to %g (channel %zu, z %zu, y %zu, x %zu: "
		    "%.9g and %.9g)", nth, a->kind, count, n, largest, at / voxels, at % voxels / (size_t)(y * x),
		    at / (size_t)x % (size_t)y, at % (size_t)x, value_at(a->data, a->type, at), value_at(b->data, b->type, at));
}

/* Leaves the wanted layers in front and returns how many there are. */
static int wanted_first(struct frame *f)
{
	int n = 0;

	for (int i = 0; i < f->n_layers; i++)
		if (layer_wanted(f->layer[i])) {
			struct layer *l = f->layer[i];
			f->layer[i] = f->layer[n];
			f->layer[n++] = l;
		}
	return n;
}

static void compare_frames(struct frame *a, struct frame *b)
{
	int na = wanted_first(a), nb = wanted_first(b);

	if (!only_data)
		compare_keys(a, "header", &a->header, &b->header);
	if (!a->failed != !b->failed) {
		difference(a->name, "has failed in the %s only", a->failed ? "first" : "second");
		return;
	}
	if (a->failed)
		return;
	if (memcmp(a->shape, b->shape, sizeof a->shape)) {
		difference(a->name, "the grid is %lldx%lldx%lld and %lldx%lldx%lld",
		    (long long)a->shape[0], (long long)a->shape[1], (long long)a->shape[2],
		    (long long)b->shape[0], (long long)b->shape[1], (long long)b->shape[2]);
		return;
	}
	for (int i = 0; i < 3; i++)
		if (!near(a->spacing_mm[i], b->spacing_mm[i]))
			difference(a->name, "the spacing along %c is %.9g and %.9g", "zyx"[i], a->spacing_mm[i],
			    b->spacing_mm[i]);
	if (na != nb)
		difference(a->name, "%d layers and %d", na, nb);
	for (int i = 0; i < na && i < nb; i++) {
		struct layer *p = a->layer[i], *q = b->layer[i];
		if (strcmp(p->kind, q->kind) || p->channels != q->channels) {
			difference(a->name, "layer %d is %s of %lld channels and %s of %lld", i + 1, p->kind,
			    (long long)p->channels, q->kind, (long long)q->channels);
			continue;
		}
		if (!only_data)
			compare_keys(a, p->kind, &p->map, &q->map);
		compare_values(a, i + 1, p, q);
	}
	if (only_data)
		return;
	compare_keys(a, "closing map", &a->closing, &b->closing);
	compare_scores(a, b);
}

int compare(struct source *first, struct source *second, double within, bool data_only)
{
	struct source *s[] = { first, second };
	struct frame f[2] = { {0}, {0} };

	tolerance = within;
	only_data = data_only;
	for (bool more = true; more;) {
		bool is[2];
		for (int i = 0; i < 2; i++) {
			do
				is[i] = source_next(s[i], &f[i]);
			while (is[i] && !case_wanted(&f[i]));
			if (is[i] && !source_volume(s[i], &f[i]))
				die(failed_code(), "%s: %s: %s", source_name(s[i]), f[i].name, failed_text());
		}
		more = is[0] && is[1];
		if (is[0] != is[1])
			difference(f[is[0] ? 0 : 1].name, "is only in %s", source_name(s[is[0] ? 0 : 1]));
		else if (more && strcmp(f[0].name, f[1].name)) {
			difference(f[0].name, "is at the place of case %s", f[1].name);
			break;
		} else if (more) {
			compare_frames(&f[0], &f[1]);
		}
	}
	for (int i = 0; i < 2; i++) {
		frame_free(&f[i]);
		source_close(s[i]);
	}
	if (n_differences > SHOWN)
		printf("and %d differences more\n", n_differences - SHOWN);
	io_close_stdout();
	return n_differences ? XNO : XOK;
}
