#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/frames/frames.h"

/* Sums of one layer, kept per channel so that they do not depend on how the grid was cut into slabs. */
struct sums {
	double min, max;
	int64_t channels;
	double *sum;                    /* [channels] */
	uLong *crc;                     /* [channels], CRC-32 of the channel's bytes in the order z, y, x */
};

double value_at(const void *data, enum dtype t, size_t i)
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

int list(struct source *in, bool headers)
{
	struct frame f = {0};

	if (headers)
		json_line(source_header(in));
	else
		puts("case\tshape\tspacing_mm\tlayer\ttype\tchannels\tmember\tmin\tmean\tmax\tcrc32\tscores\tflags");
	while (source_next(in, &f)) {
		if (!headers) {
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
