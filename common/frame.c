#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"

enum { BUFFER = 1 << 16 };
static const size_t slab_bytes = (size_t)16 << 20;      /* what frame_grid() aims at */
static const size_t bin_max = (size_t)1 << 30;          /* a payload is cut so that no bin is longer */

bool keep_going;

struct source {
	int fd;
	char *name;
	msgpack_zone *zone;
	msgpack_object header;
	unsigned char *buf;                     /* bytes read ahead: buf[at..end) */
	size_t at, end, capacity;
	int64_t frames, failed;
	bool in_frame;                          /* slabs or the closing map of the current frame are still to come */
	int64_t next_z, next_y;
};

struct sink {
	int fd;
	char *name;
	int64_t frames, failed, expect;
	msgpack_object history;                 /* of the source, copied */
	msgpack_zone *zone;
	msgpack_sbuffer head;                   /* header bytes not yet written */
	bool begun;                             /* the stream header is written */
	bool in_frame;
};

static msgpack_zone *zone_new(void)
{
	msgpack_zone *z = msgpack_zone_new(4096);

	if (!z)
		die(XIO, "out of memory");
	return z;
}

/* ---- reading ---- */

static _Noreturn void ended(struct source *s, const char *where)
{
	die(XDATA, "%s ended %s; the stage before this one probably failed", s->name, where);
}

/* Makes at least one more byte available; false at end of file. */
static bool more(struct source *s)
{
	ptrdiff_t r;

	if (s->at && s->at == s->end)
		s->at = s->end = 0;
	if (s->end == s->capacity && s->at) {
		memmove(s->buf, s->buf + s->at, s->end - s->at);
		s->end -= s->at;
		s->at = 0;
	}
	if (s->end == s->capacity)
		s->buf = xrealloc(s->buf, s->capacity *= 2, 1);
	do
		r = read(s->fd, s->buf + s->end, s->capacity - s->end);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		die_sys("cannot read %s", s->name);
	s->end += (size_t)r;
	return r > 0;
}

/* Reads one object that is no payload.  False at a clean end of file. */
static bool read_map(struct source *s, msgpack_zone *zone, msgpack_object *out, const char *what)
{
	const char *why = "";
	size_t length, tried = 0;

	for (;;) {
		size_t have = s->end - s->at;
		enum mpk_scan r = have >= tried && have ? mpk_scan(s->buf + s->at, have, &length, &why) : MPK_SHORT;
		if (r == MPK_WHOLE)
			break;
		if (r == MPK_BAD)
			die(XDATA, "%s: %s of frame %lld cannot be read: %s", s->name, what, (long long)s->frames + 1, why);
		if (have >= tried)
			tried = have < 64 ? have + 1 : have + have / 2;   /* rescans cost no more than the bytes themselves */
		if (!more(s)) {
			if (have == 0)
				return false;
			if (tried > have + 1) {
				tried = have;
				if (mpk_scan(s->buf + s->at, have, &length, &why) == MPK_WHOLE)
					break;
			}
			char where[64];
			snprintf(where, sizeof where, "inside a %s", what);
			ended(s, where);
		}
	}
	if (!mpk_unpack(zone, out, s->buf + s->at, length) || out->type != MSGPACK_OBJECT_MAP)
		die(XDATA, "%s: %s of frame %lld is not a map; this is not a stream of frames, or it is damaged", s->name, what, (long long)s->frames + 1);
	s->at += length;
	return true;
}

struct source *source_open(const char *path)
{
	struct source *s = xcalloc(1, sizeof *s);
	const msgpack_object *v;
	int64_t version;

	if (!path || !strcmp(path, "-")) {
		s->fd = STDIN_FILENO;
		s->name = xstrdup("standard input");
		if (isatty(s->fd))
			die(XUSAGE, "standard input is a terminal; pipe a stream into %s ('%s -h' explains)", prog, prog);
	} else {
		s->name = xstrdup(path);
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (s->fd < 0)
			die_sys("cannot open %s", path);
	}
	io_widen_pipe(s->fd);
	s->zone = zone_new();
	s->buf = xmalloc(s->capacity = BUFFER, 1);
	if (!read_map(s, s->zone, &s->header, "stream header"))
		die(XDATA, "%s is empty; the stage before this one probably failed", s->name);
	v = mpk_get(&s->header, "qualm");
	if (!v)
		die(XDATA, "%s is not a stream of frames (its first map has no key 'qualm')", s->name);
	if (!mpk_as_int(v, &version) || version != FRAME_VERSION)
		die(XDATA, "%s is of a format version that this program does not read (it reads %d)", s->name, FRAME_VERSION);
	return s;
}

const char *source_name(const struct source *s) { return s->name; }
const msgpack_object *source_header(const struct source *s) { return &s->header; }
int64_t source_cases(const struct source *s) { return mpk_get_int(&s->header, "cases", -1); }
int64_t source_failed(const struct source *s) { return s->failed; }

void source_close(struct source *s)
{
	if (!s)
		return;
	if (s->fd != STDIN_FILENO)
		close(s->fd);
	msgpack_zone_free(s->zone);
	free(s->name);
	free(s->buf);
	free(s);
}

static _Noreturn void bad_header(struct source *s, const char *name, const char *why)
{
	die(XDATA, "%s: frame %lld%s%s: %s", s->name, (long long)s->frames, name ? ", case " : "", name ? name : "", why);
}

static void read_layers(struct source *s, struct frame *f, const msgpack_object *list)
{
	if (list->via.array.size > 65536)
		bad_header(s, f->name, "too many layers");
	for (uint32_t i = 0; i < list->via.array.size; i++) {
		const msgpack_object *m = &list->via.array.ptr[i];
		const char *kind = mpk_get_str(m, "kind", NULL), *type = mpk_get_str(m, "type", NULL);
		enum dtype t = type ? dtype_parse(type) : DT_NONE;
		int64_t channels = mpk_get_int(m, "channels", -1);
		struct layer *l;
		size_t bytes;

		if (!kind || !type || channels < 1)
			bad_header(s, f->name, "a layer lacks its kind, type or number of channels");
		if (!dtype_streams(t))
			bad_header(s, f->name, "a layer's type is none of <f4 <f2 |u1 <u2 <i2 <i4");
		if (!size_of_block(&bytes, t, channels, f->shape[0], f->shape[1], f->shape[2]))
			bad_header(s, f->name, "the size of a layer overflows");
		if (!size_of_block(&bytes, t, channels, f->slab[0], f->slab[1], f->shape[2]) || bytes > UINT32_MAX)
			bad_header(s, f->name, "a layer's slab is longer than a msgpack bin may be");
		l = frame_add(f, kind, t, channels);
		l->map = *m;
		l->added = false;
	}
}

bool source_next(struct source *s, struct frame *f)
{
	msgpack_object head, *list, *failed;
	const char *name;
	msgpack_zone *zone;

	if (s->in_frame)
		source_skip(s, f);
	zone = zone_new();
	if (!read_map(s, zone, &head, "header"))
		ended(s, "without a trailer");
	if (mpk_get(&head, "end")) {
		int64_t frames = mpk_get_int(&head, "frames", -1), n = mpk_get_int(&head, "failed", -1);
		if (frames != s->frames)
			die(XDATA, "%s: the trailer counts %lld frames, %lld came", s->name, (long long)frames, (long long)s->frames);
		if (n != s->failed)
			die(XDATA, "%s: the trailer counts %lld failed cases, %lld came", s->name, (long long)n, (long long)s->failed);
		if (s->at < s->end || more(s))
			die(XDATA, "%s goes on after its trailer; streams are joined by giving them as operands, not by cat", s->name);
		msgpack_zone_free(zone);
		return false;
	}
	s->frames++;
	name = mpk_get_str(&head, "case", NULL);
	if (!name || !*name)
		bad_header(s, NULL, "its header has no case name");
	if (strchr(name, '/') || strchr(name, '\n') || strchr(name, '\t') || name[0] == '.')
		bad_header(s, NULL, "its case name is no plain name (it holds a slash, tab or newline, or begins with a dot)");
	frame_reset(f, name);
	for (uint32_t i = 0; i < head.via.map.size; i++) {
		msgpack_object_kv *kv = &head.via.map.ptr[i];
		const char *key = mpk_as_str(&kv->key);
		if (!key)
			bad_header(s, name, "a key of its header is no text");
		if (strcmp(key, "layers") && strcmp(key, "shape") && strcmp(key, "spacing_mm") && strcmp(key, "slab"))
			mpk_put(f->zone, &f->header, key, mpk_copy(f->zone, kv->val));
	}
	failed = mpk_get_map(&head, "failed");
	if (failed) {
		const char *stage = mpk_get_str(failed, "stage", "?"), *reason = mpk_get_str(failed, "reason", "?");
		size_t n = strlen(stage) + strlen(reason) + 3;
		char *text = msgpack_zone_malloc(f->zone, n);
		if (!text)
			die(XIO, "out of memory");
		snprintf(text, n, "%s: %s", stage, reason);
		f->failed = text;
	} else {
		list = mpk_get_array(&head, "layers");
		if (!mpk_get_ints(&head, "shape", f->shape, 3) || !mpk_get_reals(&head, "spacing_mm", f->spacing_mm, 3) ||
		    !mpk_get_ints(&head, "slab", f->slab, 2) || !list)
			bad_header(s, name, "its header lacks shape, spacing_mm, slab or layers");
		for (int i = 0; i < 3; i++)
			if (f->shape[i] < 1 || !(f->spacing_mm[i] > 0) || !isfinite(f->spacing_mm[i]))
				bad_header(s, name, "a length of its grid is less than 1 or a spacing not positive");
		if (f->slab[0] < 1 || f->slab[1] < 1 || f->slab[0] > f->shape[0] || f->slab[1] > f->shape[1] ||
		    (f->slab[0] > 1 && f->slab[1] < f->shape[1]))
			bad_header(s, name, "its slab is neither whole planes nor rows of one plane");
		msgpack_object copy = mpk_copy(f->zone, *list);
		read_layers(s, f, &copy);
	}
	msgpack_zone_free(zone);
	s->in_frame = true;
	s->next_z = s->next_y = 0;
	return true;
}

/* Length of the bin that comes next. */
static size_t bin_length(struct source *s, const struct frame *f)
{
	size_t need = 1, n = 0;

	for (;;) {
		if (s->end - s->at >= need) {
			unsigned char t = s->buf[s->at];
			if (t < 0xc4 || t > 0xc6)
				die(XDATA, "%s: case %s: a payload of plane %lld is no msgpack bin (first byte 0x%02x)", s->name, f->name, (long long)f->z, t);
			need = 1 + ((size_t)1 << (t - 0xc4));
			if (s->end - s->at >= need)
				break;
		}
		if (!more(s))
			ended(s, "inside a frame");
	}
	for (size_t i = 1; i < need; i++)
		n = n << 8 | s->buf[s->at + i];
	s->at += need;
	return n;
}

static void payload(struct source *s, const struct frame *f, void *to, size_t n)
{
	size_t have = s->end - s->at < n ? s->end - s->at : n;
	ptrdiff_t r;

	memcpy(to, s->buf + s->at, have);
	s->at += have;
	if (have == n)
		return;
	r = io_read(s->fd, (char *)to + have, n - have);
	if (r < 0)
		die_sys("cannot read %s", s->name);
	if ((size_t)r < n - have) {
		char where[512];
		snprintf(where, sizeof where, "inside case %s", f->name);
		ended(s, where);
	}
}

static size_t layer_bytes(const struct frame *f, const struct layer *l, int64_t z, int64_t y)
{
	size_t n;

	if (!size_of_block(&n, l->type, l->channels, z, y, f->shape[2]))
		die(XDATA, "case %s: the size of layer %s overflows", f->name, l->kind);
	return n;
}

static void layer_room(struct layer *l, size_t bytes)
{
	if (bytes <= l->capacity)
		return;
	free(l->data);
	l->data = xaligned(bytes, 1);
	l->capacity = bytes;
}

/* Room for a slab of every layer, whether read or added; the sum is what a header can make us allocate. */
static void slab_room(const struct frame *f, const char *who)
{
	size_t total = 0;

	for (int i = 0; i < f->n_layers; i++)
		total += layer_bytes(f, f->layer[i], f->dz, f->dy);
	if (total > memory_limit)
		die(XDATA, "%s: case %s needs %zu MiB for one slab, over the limit of %zu MiB (--memory raises it)", who, f->name, total >> 20, memory_limit >> 20);
	for (int i = 0; i < f->n_layers; i++)
		layer_room(f->layer[i], layer_bytes(f, f->layer[i], f->dz, f->dy));
}

static void read_closing(struct source *s, struct frame *f)
{
	if (!read_map(s, f->zone, &f->closing, "closing map"))
		ended(s, "before a closing map");
	if (mpk_get(&f->closing, "case") || mpk_get(&f->closing, "end"))
		die(XDATA, "%s: case %s has no closing map", s->name, f->name);
	s->in_frame = false;
	if (!f->failed && mpk_get_map(&f->closing, "failed"))
		f->failed = mpk_get_str(mpk_get_map(&f->closing, "failed"), "reason", "?");
	if (f->failed)
		s->failed++;
}

/* The place of the next slab; false when the grid is done. */
static bool advance(struct frame *f, int64_t *z, int64_t *y)
{
	if (*z >= f->shape[0])
		return false;
	f->z = *z;
	f->y = *y;
	f->dz = f->slab[0] < f->shape[0] - *z ? f->slab[0] : f->shape[0] - *z;
	f->dy = f->slab[1] < f->shape[1] - *y ? f->slab[1] : f->shape[1] - *y;
	*y += f->dy;
	if (*y >= f->shape[1]) {
		*y = 0;
		*z += f->dz;
	}
	return true;
}

bool source_slab(struct source *s, struct frame *f)
{
	if (f->failed || !advance(f, &s->next_z, &s->next_y)) {
		if (s->in_frame)
			read_closing(s, f);
		return false;
	}
	slab_room(f, s->name);
	for (int i = 0; i < f->n_layers; i++) {
		struct layer *l = f->layer[i];
		size_t want = layer_bytes(f, l, f->dz, f->dy), got;
		if (l->added)
			continue;
		got = bin_length(s, f);
		if (got != want)
			die(XDATA, "%s: case %s, plane %lld: layer %s has %zu bytes where its shape needs %zu", s->name, f->name, (long long)f->z, l->kind, got, want);
		payload(s, f, l->data, want);
	}
	return true;
}

void source_skip(struct source *s, struct frame *f)
{
	while (s->in_frame && source_slab(s, f))
		;
}

/* Copies a slab of one layer between the volume and a packed slab. */
static void slab_copy(const struct frame *f, const struct layer *l, char *volume, char *slab, bool into_volume)
{
	size_t row = (size_t)f->shape[2] * dtype_size(l->type), plane = row * (size_t)f->shape[1];
	size_t run = (size_t)f->dy * row * (f->dy == f->shape[1] ? (size_t)f->dz : 1);

	for (int64_t c = 0; c < l->channels; c++) {
		char *v = volume + ((size_t)c * (size_t)f->shape[0] + (size_t)f->z) * plane + (size_t)f->y * row;
		if (into_volume)
			memcpy(v, slab, run);
		else
			memcpy(slab, v, run);
		slab += run;
	}
}

static bool whole_bytes(const struct frame *f, size_t *total)
{
	*total = 0;
	for (int i = 0; i < f->n_layers; i++) {
		size_t n;
		if (!size_of_block(&n, f->layer[i]->type, f->layer[i]->channels, f->shape[0], f->shape[1], f->shape[2]) ||
		    __builtin_add_overflow(*total, n, total))
			return false;
	}
	return true;
}

bool frame_alloc_volume(struct frame *f)
{
	size_t total;

	if (!whole_bytes(f, &total) || total > memory_limit)
		return fail(XDATA, "the whole case needs %zu MiB, over the limit of %zu MiB (--memory raises it)", total >> 20, memory_limit >> 20);
	for (int i = 0; i < f->n_layers; i++)
		layer_room(f->layer[i], layer_bytes(f, f->layer[i], f->shape[0], f->shape[1]));
	return true;
}

bool source_volume(struct source *s, struct frame *f)
{
	bool one_slab = !f->failed && f->slab[0] == f->shape[0] && f->slab[1] == f->shape[1];
	char **volume;

	if (f->failed || one_slab) {                    /* read in place */
		if (source_slab(s, f))
			source_skip(s, f);
		return true;
	}
	size_t total;
	if (!whole_bytes(f, &total) || total > memory_limit) {
		source_skip(s, f);
		return fail(XDATA, "the whole case needs %zu MiB, over the limit of %zu MiB (--memory raises it)", total >> 20, memory_limit >> 20);
	}
	volume = xcalloc((size_t)f->n_layers, sizeof *volume);
	for (int i = 0; i < f->n_layers; i++)
		volume[i] = xaligned(layer_bytes(f, f->layer[i], f->shape[0], f->shape[1]), 1);
	while (source_slab(s, f))
		for (int i = 0; i < f->n_layers; i++)
			slab_copy(f, f->layer[i], volume[i], f->layer[i]->data, true);
	for (int i = 0; i < f->n_layers; i++) {
		free(f->layer[i]->data);
		f->layer[i]->data = volume[i];
		f->layer[i]->capacity = layer_bytes(f, f->layer[i], f->shape[0], f->shape[1]);
	}
	free(volume);
	f->z = f->y = 0;
	f->dz = f->shape[0];
	f->dy = f->shape[1];
	return true;
}

/* ---- writing ---- */

static void put(struct sink *s, const void *p, size_t n)
{
	if (!io_write(s->fd, p, n))
		die_sys("cannot write %s", s->name);
}

static void flush_head(struct sink *s)
{
	put(s, s->head.data, s->head.size);
	msgpack_sbuffer_clear(&s->head);
}

static void pack(struct sink *s, msgpack_object o)
{
	msgpack_packer p;

	msgpack_packer_init(&p, &s->head, msgpack_sbuffer_write);
	if (msgpack_pack_object(&p, o))
		die(XIO, "out of memory");
}

/* The stream header goes out with the first frame or the trailer, so that a program that fails at once writes nothing. */
static void begin_stream(struct sink *s)
{
	msgpack_object head = mpk_map();

	if (s->begun)
		return;
	s->begun = true;
	mpk_put(s->zone, &head, "qualm", mpk_int(FRAME_VERSION));
	mpk_append(s->zone, &s->history, mpk_str(s->zone, command_line));
	mpk_put(s->zone, &head, "history", s->history);
	if (s->expect >= 0)
		mpk_put(s->zone, &head, "cases", mpk_int(s->expect));
	pack(s, head);
}

struct sink *sink_open_fd(struct source *in, int fd, const char *name)
{
	struct sink *s = xcalloc(1, sizeof *s);
	msgpack_object *history = in ? mpk_get_array(&in->header, "history") : NULL;

	s->fd = fd;
	s->name = xstrdup(name);
	s->zone = zone_new();
	s->expect = in ? source_cases(in) : -1;
	s->history = history ? mpk_copy(s->zone, *history) : mpk_array();
	msgpack_sbuffer_init(&s->head);
	io_widen_pipe(fd);
	return s;
}

struct sink *sink_open(struct source *in)
{
	if (isatty(STDOUT_FILENO))
		die(XUSAGE, "standard output is a terminal; pipe it into another program or a file ('qualm frames' shows what a stream holds)");
	return sink_open_fd(in, STDOUT_FILENO, "standard output");
}

void sink_expect(struct sink *s, int64_t cases)
{
	if (s)
		s->expect = cases;
}

msgpack_object frame_head(struct frame *f)
{
	msgpack_object head = f->header, layers = mpk_array();

	if (f->failed)
		return head;
	for (int i = 0; i < f->n_layers; i++) {
		struct layer *l = f->layer[i];
		if (l->dropped)
			continue;
		mpk_put(f->zone, &l->map, "kind", mpk_str(f->zone, l->kind));
		mpk_put(f->zone, &l->map, "type", mpk_str(f->zone, dtype_name(l->type)));
		mpk_put(f->zone, &l->map, "channels", mpk_int(l->channels));
		mpk_append(f->zone, &layers, l->map);
	}
	mpk_put(f->zone, &head, "shape", mpk_ints(f->zone, f->shape, 3));
	mpk_put(f->zone, &head, "spacing_mm", mpk_reals(f->zone, f->spacing_mm, 3));
	mpk_put(f->zone, &head, "slab", mpk_ints(f->zone, f->slab, 2));
	mpk_put(f->zone, &head, "layers", layers);
	return head;
}

void sink_begin(struct sink *s, struct frame *f)
{
	if (!s)
		return;
	begin_stream(s);
	s->frames++;
	s->in_frame = true;
	pack(s, frame_head(f));
	flush_head(s);
}

static void put_bin(struct sink *s, const void *data, size_t n)
{
	unsigned char h[5] = { 0xc6, (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	put(s, h, 5);                                   /* always bin 32: the reader's work does not depend on sizes */
	put(s, data, n);
}

void sink_slab(struct sink *s, struct frame *f)
{
	if (!s)
		return;
	for (int i = 0; i < f->n_layers; i++)
		if (!f->layer[i]->dropped)
			put_bin(s, f->layer[i]->data, layer_bytes(f, f->layer[i], f->dz, f->dy));
}

void sink_end(struct sink *s, struct frame *f)
{
	if (!s)
		return;
	pack(s, f->closing);
	flush_head(s);
	s->in_frame = false;
	if (f->failed)
		s->failed++;
}

void sink_volume(struct sink *s, struct frame *f)
{
	int64_t z = 0, y = 0;
	char *slab = NULL;
	size_t capacity = 0;

	if (!s)
		return;
	sink_begin(s, f);
	while (!f->failed && advance(f, &z, &y))
		for (int i = 0; i < f->n_layers; i++) {
			struct layer *l = f->layer[i];
			size_t n = layer_bytes(f, l, f->dz, f->dy);
			if (l->dropped)
				continue;
			if (n == layer_bytes(f, l, f->shape[0], f->shape[1])) {
				put_bin(s, l->data, n);
				continue;
			}
			if (n > capacity)
				slab = xrealloc(slab, capacity = n, 1);
			slab_copy(f, l, l->data, slab, false);
			put_bin(s, slab, n);
		}
	free(slab);
	sink_end(s, f);
}

void sink_pass(struct sink *s, struct source *in, struct frame *f)
{
	if (s && !s->in_frame)
		sink_begin(s, f);
	while (source_slab(in, f))
		sink_slab(s, f);
	sink_end(s, f);
}

void sink_failed(struct sink *s, struct frame *f, const char *reason)
{
	msgpack_object why = mpk_map();

	mpk_put(f->zone, &why, "stage", mpk_str(f->zone, prog));
	mpk_put(f->zone, &why, "reason", mpk_str(f->zone, reason));
	frame_put(f, "failed", why);
	f->failed = mpk_get_str(mpk_get(&f->header, "failed"), "reason", "?");
	f->closing = mpk_map();
	sink_begin(s, f);
	sink_end(s, f);
}

void case_failed(struct sink *out, struct source *in, struct frame *f)
{
	char *reason = xstrdup(failed_text());
	enum exit_code code = failed_code();

	if (!keep_going || code == XDEVICE || (out && out->in_frame))
		die(code, "%s: %s", f->name, reason);
	warn("%s: %s", f->name, reason);
	if (in)
		source_skip(in, f);
	sink_failed(out, f, reason);
	free(reason);
}

static bool finish(struct sink *s)
{
	bool failed = s->failed > 0;
	msgpack_object tail = mpk_map();

	begin_stream(s);
	mpk_put(s->zone, &tail, "end", mpk_bool(true));
	mpk_put(s->zone, &tail, "frames", mpk_int(s->frames));
	mpk_put(s->zone, &tail, "failed", mpk_int(s->failed));
	pack(s, tail);
	flush_head(s);
	if (close(s->fd))
		die_sys("cannot close %s", s->name);
	msgpack_sbuffer_destroy(&s->head);
	msgpack_zone_free(s->zone);
	free(s->name);
	free(s);
	return failed;
}

int filter_end(struct source *in, struct sink *out)
{
	bool failed = in && in->failed;

	source_close(in);
	if (out)
		failed |= finish(out);
	return failed ? XDATA : XOK;
}

/* ---- frames ---- */

void frame_reset(struct frame *f, const char *name)
{
	msgpack_zone *old = f->zone;                    /* name may live in it */

	f->zone = zone_new();
	f->header = mpk_map();
	f->closing = mpk_map();
	mpk_put(f->zone, &f->header, "case", mpk_str(f->zone, name));
	f->name = mpk_get_str(&f->header, "case", "?");
	f->failed = NULL;
	f->n_layers = 0;
	f->z = f->y = f->dz = f->dy = 0;
	if (old)
		msgpack_zone_free(old);
}

void frame_inherit(struct frame *f, const struct frame *from)
{
	frame_reset(f, from->name);
	f->header = mpk_copy(f->zone, from->header);
	f->name = mpk_get_str(&f->header, "case", "?");
	memcpy(f->shape, from->shape, sizeof f->shape);
	memcpy(f->spacing_mm, from->spacing_mm, sizeof f->spacing_mm);
	memcpy(f->slab, from->slab, sizeof f->slab);
}

void frame_free(struct frame *f)
{
	for (int i = 0; i < f->layers_made; i++) {
		free(f->layer[i]->data);
		free(f->layer[i]);
	}
	free(f->layer);
	if (f->zone)
		msgpack_zone_free(f->zone);
	*f = (struct frame){0};
}

struct layer *frame_layer(const struct frame *f, const char *kind)
{
	for (int i = 0; i < f->n_layers; i++)
		if (!f->layer[i]->dropped && !strcmp(f->layer[i]->kind, kind))
			return f->layer[i];
	return NULL;
}

struct layer *frame_add(struct frame *f, const char *kind, enum dtype type, int64_t channels)
{
	struct layer *l;
	void *data;
	size_t capacity;
	msgpack_object text = mpk_str(f->zone, kind);

	if (f->n_layers == f->layers_made) {
		f->layer = xrealloc(f->layer, (size_t)f->layers_made + 1, sizeof *f->layer);
		f->layer[f->layers_made++] = xcalloc(1, sizeof **f->layer);
	}
	l = f->layer[f->n_layers++];
	data = l->data;
	capacity = l->capacity;
	*l = (struct layer){ .kind = text.via.str.ptr, .type = type, .channels = channels, .map = mpk_map(), .data = data, .capacity = capacity, .added = true };
	return l;
}

void frame_grid(struct frame *f, const int64_t shape[3], const double spacing_mm[3], int64_t planes)
{
	size_t plane = 1;                               /* bytes of the largest layer's plane */

	memmove(f->shape, shape, sizeof f->shape);
	memmove(f->spacing_mm, spacing_mm, sizeof f->spacing_mm);
	for (int i = 0; i < f->n_layers; i++) {
		size_t n = layer_bytes(f, f->layer[i], 1, shape[1]);
		plane = n > plane ? n : plane;
	}
	f->slab[0] = planes > 0 ? planes : (int64_t)(slab_bytes / plane);
	f->slab[1] = shape[1];
	if (f->slab[0] > (int64_t)(bin_max / plane))
		f->slab[0] = (int64_t)(bin_max / plane);
	if (plane > bin_max)
		f->slab[1] = (int64_t)(bin_max / (plane / (size_t)shape[1]));
	for (int i = 0; i < 2; i++) {
		if (f->slab[i] > shape[i])
			f->slab[i] = shape[i];
		if (f->slab[i] < 1)
			f->slab[i] = 1;
	}
}

size_t frame_voxels(const struct frame *f) { return (size_t)f->dz * (size_t)f->dy * (size_t)f->shape[2]; }
size_t frame_grid_voxels(const struct frame *f) { return (size_t)f->shape[0] * (size_t)f->shape[1] * (size_t)f->shape[2]; }

void layer_put(struct frame *f, struct layer *l, const char *key, msgpack_object value) { mpk_put(f->zone, &l->map, key, value); }
void frame_put(struct frame *f, const char *key, msgpack_object value) { mpk_put(f->zone, &f->header, key, value); }

void frame_put_score(struct frame *f, const char *name, double value)
{
	msgpack_object *scores = mpk_get_map(&f->closing, "scores");

	if (!scores) {
		mpk_put(f->zone, &f->closing, "scores", mpk_map());
		scores = mpk_get_map(&f->closing, "scores");
	}
	mpk_put(f->zone, scores, name, mpk_real(value));
}

double frame_score(const struct frame *f, const char *name) { return mpk_get_real(mpk_get_map(&f->closing, "scores"), name, NAN); }

bool frame_has_flag(const struct frame *f, const char *flag)
{
	msgpack_object *flags = mpk_get_array(&f->closing, "flags");

	for (uint32_t i = 0; flags && i < flags->via.array.size; i++)
		if (mpk_is_str(&flags->via.array.ptr[i], flag))
			return true;
	return false;
}

void frame_flag(struct frame *f, const char *flag)
{
	msgpack_object *flags = mpk_get_array(&f->closing, "flags");

	if (frame_has_flag(f, flag))
		return;
	if (!flags) {
		mpk_put(f->zone, &f->closing, "flags", mpk_array());
		flags = mpk_get_array(&f->closing, "flags");
	}
	mpk_append(f->zone, flags, mpk_str(f->zone, flag));
}

bool layer_member(const struct layer *l, struct member *m)
{
	msgpack_object *o = mpk_get_map(&l->map, "member");

	if (!o)
		return false;
	*m = (struct member){ mpk_get_str(o, "name", NULL), mpk_get_str(o, "fold", NULL), mpk_get_str(o, "weights", NULL),
	                      mpk_get_int(o, "index", -1), mpk_get_int(o, "of", -1) };
	return true;
}

void layer_put_member(struct frame *f, struct layer *l, const struct member *m)
{
	msgpack_object o = mpk_map();

	if (m->name)
		mpk_put(f->zone, &o, "name", mpk_str(f->zone, m->name));
	if (m->fold)
		mpk_put(f->zone, &o, "fold", mpk_str(f->zone, m->fold));
	mpk_put(f->zone, &o, "index", mpk_int(m->index));
	mpk_put(f->zone, &o, "of", mpk_int(m->of));
	if (m->weights)
		mpk_put(f->zone, &o, "weights", mpk_str(f->zone, m->weights));
	layer_put(f, l, "member", o);
}
