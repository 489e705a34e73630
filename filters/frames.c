/* frames: list, select and compare streams of frames. */
#include <float.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"

static bool header, only_data;
static const char *other, *case_glob, *kinds;
static double tolerance;
static int planes;

static const struct opt opts[] = {
	OPT_FLAG('H', "header", &header, "print every key of the headers and closing maps as JSON, a line each"),
	OPT_STRING('c', "case", &case_glob, "GLOB", "write a stream of the cases whose names match"),
	OPT_STRING('L', "layers", &kinds, "KINDS", "write a stream of the layers of these kinds (patterns, separated by commas)"),
	OPT_INT('s', "slab", &planes, "PLANES", 1, 1 << 30, "write a stream with that many planes a slab"),
	OPT_STRING('d', "diff", &other, "FILE", "compare with the stream in FILE: exit 0 if equal, 1 with the differences"),
	OPT_DOUBLE('t', "tolerance", &tolerance, "NUMBER", 0, DBL_MAX, "with -d: a equals b if |a-b| <= NUMBER max(1, |a|)"),
	OPT_FLAG(0, "data", &only_data, "with -d: compare cases, grids and values only, no other keys"),
	OPT_END
};

static bool case_wanted(const struct frame *f) { return !case_glob || !fnmatch(case_glob, f->name, 0); }

static bool layer_wanted(const struct layer *l)
{
	bool wanted = !kinds;
	char *list = wanted ? NULL : xstrdup(kinds);

	for (char *save, *k = list ? strtok_r(list, ",", &save) : NULL; k && !wanted; k = strtok_r(NULL, ",", &save))
		wanted = !fnmatch(k, l->kind, 0);
	free(list);
	return wanted;
}

/* ---- the list: a line of TSV a frame and layer ---- */

/* Sums of one layer, kept per channel so that they do not depend on how the grid was cut into slabs. */
struct sums {
	double min, max;
	int64_t channels;
	double *sum;                    /* [channels] */
	uLong *crc;                     /* [channels], CRC-32 of the channel's bytes in the order z, y, x */
};

static double value_at(const void *data, enum dtype t, size_t i)
{
	float v = 0;

	if (t == DT_I4)                 /* the one type whose values a float does not hold */
		return ((const int32_t *)data)[i];
	dtype_to_float(&v, (const char *)data + i * dtype_size(t), t, 1);
	return v;
}

static void sums_add(struct sums *s, const struct layer *l, size_t voxels)
{
	for (int64_t c = 0; c < l->channels; c++) {
		size_t first = (size_t)c * voxels, size = dtype_size(l->type);

		s->crc[c] = crc32_z(s->crc[c], (const unsigned char *)l->data + first * size, voxels * size);
		for (size_t i = first; i < first + voxels; i++) {
			double v = value_at(l->data, l->type, i);
			s->sum[c] += v;
			s->min = v < s->min ? v : s->min;
			s->max = v > s->max ? v : s->max;
		}
	}
}

/* Foreign text may hold anything; a line of TSV stays one. */
static void put_text(const char *s)
{
	for (; *s; s++)
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void put_sums(const struct frame *f, const struct sums *s, enum dtype t)
{
	size_t voxels = frame_grid_voxels(f);
	double sum = 0;
	uLong crc = crc32(0, NULL, 0);

	for (int64_t c = 0; c < s->channels; c++) {
		sum += s->sum[c];
		crc = crc32_combine(crc, s->crc[c], (z_off_t)(voxels * dtype_size(t)));
	}
	if (isnan(sum))
		printf("\tnan\tnan\tnan\t%08lx", crc);
	else
		printf("\t%.7g\t%.7g\t%.7g\t%08lx", s->min, sum / ((double)voxels * (double)s->channels), s->max, crc);
}

/* The case's scores and flags, in the line of its first layer. */
static void put_closing(const struct frame *f, bool first)
{
	const msgpack_object *scores = mpk_get_map(&f->closing, "scores"), *flags = mpk_get_array(&f->closing, "flags");
	double v;

	if (!first) {
		puts("\t-\t-");
		return;
	}
	putchar('\t');
	for (uint32_t i = 0; scores && i < scores->via.map.size; i++) {
		const char *name = mpk_as_str(&scores->via.map.ptr[i].key);
		if (!mpk_as_real(&scores->via.map.ptr[i].val, &v))
			v = NAN;
		printf("%s", i ? "," : "");
		put_text(name ? name : "?");
		printf("=%.9g", v);
	}
	printf("%s\t", scores && scores->via.map.size ? "" : "-");
	for (uint32_t i = 0; flags && i < flags->via.array.size; i++) {
		const char *flag = mpk_as_str(&flags->via.array.ptr[i]);
		printf("%s", i ? "," : "");
		put_text(flag ? flag : "?");
	}
	if (f->failed) {
		printf("failed: ");
		put_text(f->failed);
	} else if (!flags || !flags->via.array.size) {
		putchar('-');
	}
	putchar('\n');
}

static void list_frame(struct source *in, struct frame *f)
{
	struct sums *s = xcalloc((size_t)f->n_layers, sizeof *s);
	size_t channels = 0;
	struct member m;

	for (int i = 0; i < f->n_layers; i++) {
		int64_t n = f->layer[i]->channels;
		if (__builtin_add_overflow(channels, (size_t)n, &channels) || channels > memory_limit / 64)
			die(XDATA, "%s: case %s has %zu channels, too many to list", source_name(in), f->name, channels);
		s[i] = (struct sums){ INFINITY, -INFINITY, n, xcalloc((size_t)n, sizeof *s->sum),
		    xcalloc((size_t)n, sizeof *s->crc) };
	}
	while (source_slab(in, f))
		for (int i = 0; i < f->n_layers; i++)
			sums_add(&s[i], f->layer[i], frame_voxels(f));
	for (int i = 0; i < f->n_layers; i++) {
		const struct layer *l = f->layer[i];
		put_text(f->name);
		printf("\t%lldx%lldx%lld\t%gx%gx%g\t", (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2],
		       f->spacing_mm[0], f->spacing_mm[1], f->spacing_mm[2]);
		put_text(l->kind);
		printf("\t%s\t%lld\t", dtype_name(l->type), (long long)l->channels);
		if (layer_member(l, &m)) {
			put_text(m.name ? m.name : "?");
			printf(" %lld/%lld", (long long)m.index, (long long)m.of);
		} else {
			putchar('-');
		}
		put_sums(f, &s[i], l->type);
		put_closing(f, i == 0);
		free(s[i].sum);
		free(s[i].crc);
	}
	if (f->n_layers == 0) {
		put_text(f->name);
		printf("\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-");
		put_closing(f, true);
	}
	free(s);
}

/* ---- headers as JSON ---- */

static void json_text(const char *s, size_t n)
{
	putchar('"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void json(const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL: printf("null"); break;
	case MSGPACK_OBJECT_BOOLEAN: printf(o->via.boolean ? "true" : "false"); break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER: printf("%llu", (unsigned long long)o->via.u64); break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER: printf("%lld", (long long)o->via.i64); break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64: printf(isfinite(o->via.f64) ? "%.17g" : "\"%g\"", o->via.f64); break;
	case MSGPACK_OBJECT_STR: json_text(o->via.str.ptr, o->via.str.size); break;
	case MSGPACK_OBJECT_BIN: printf("\"%lu bytes\"", (unsigned long)o->via.bin.size); break;
	case MSGPACK_OBJECT_EXT: printf("\"%lu bytes of type %d\"", (unsigned long)o->via.ext.size, o->via.ext.type); break;
	case MSGPACK_OBJECT_ARRAY:
		putchar('[');
		for (uint32_t i = 0; i < o->via.array.size; i++) {
			printf("%s", i ? ", " : "");
			json(&o->via.array.ptr[i]);
		}
		putchar(']');
		break;
	case MSGPACK_OBJECT_MAP:
		putchar('{');
		for (uint32_t i = 0; i < o->via.map.size; i++) {
			const msgpack_object_kv *kv = &o->via.map.ptr[i];
			printf("%s", i ? ", " : "");
			if (kv->key.type == MSGPACK_OBJECT_STR) {
				json(&kv->key);
			} else {                /* JSON has no other keys */
				putchar('"');
				json(&kv->key);
				putchar('"');
			}
			printf(": ");
			json(&kv->val);
		}
		putchar('}');
		break;
	}
}

static void json_line(const msgpack_object *o)
{
	json(o);
	putchar('\n');
}

static int list(struct source *in)
{
	struct frame f = {0};

	if (header)
		json_line(source_header(in));
	else
		puts("case\tshape\tspacing_mm\tlayer\ttype\tchannels\tmember\tmin\tmean\tmax\tcrc32\tscores\tflags");
	while (source_next(in, &f)) {
		if (!header) {
			list_frame(in, &f);
			continue;
		}
		msgpack_object head = frame_head(&f);
		json_line(&head);
		source_skip(in, &f);
		json_line(&f.closing);
	}
	frame_free(&f);
	io_close_stdout();
	return filter_end(in, NULL);
}

/* ---- selection ---- */

static int select_frames(struct source *in)
{
	struct sink *out = sink_open(in);
	struct frame f = {0};

	if (case_glob)
		sink_expect(out, -1);
	while (source_next(in, &f)) {
		if (!case_wanted(&f))
			continue;
		for (int i = 0; i < f.n_layers; i++)
			f.layer[i]->dropped = !layer_wanted(f.layer[i]);
		if (!planes) {
			sink_pass(out, in, &f);
			continue;
		}
		if (!source_volume(in, &f))
			die(failed_code(), "%s: %s", f.name, failed_text());
		if (!f.failed)
			frame_grid(&f, f.shape, f.spacing_mm, planes);
		sink_volume(out, &f);
	}
	frame_free(&f);
	return filter_end(in, out);
}

/* ---- comparison ---- */

enum { SHOWN = 20 };
static int n_differences;

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

static int compare(struct source *first, struct source *second)
{
	struct source *s[] = { first, second };
	struct frame f[2] = { {0}, {0} };

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

int main(int argc, char **argv)
{
	const char *path;
	bool writes;

	opt_parse(&argc, &argv, opts, "[FILE]", "list, select and compare streams of frames");
	if (argc > 1)
		opt_usage("one stream at a time; -d compares two");
	path = argc ? argv[0] : "-";
	writes = case_glob || kinds || planes;
	if (header && (writes || other))
		opt_usage("-H only lists");
	if (other && planes)
		opt_usage("-s and -d exclude each other");
	if (!other && (tolerance > 0 || only_data))
		opt_usage("-t and --data belong to -d");
	if (other && !strcmp(other, path))
		opt_usage("-d needs another stream to compare with");
	if (other)
		return compare(source_open(other), source_open(path));
	return writes ? select_frames(source_open(path)) : list(source_open(path));
}
