#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/stream.h"

enum { BUFFER = 1 << 16 };

struct source {
	int fd;
	char *name;
	msgpack_zone *zone;                     /* of header */
	msgpack_object header;
	unsigned char *buf;                     /* bytes read ahead: buf[at..end) */
	size_t at, end, capacity;
	int64_t frames, failed;
	int n_layers;                           /* of the current frame as it came */
	bool in_frame;                          /* slabs or the closing map of the current frame are still to come */
	int64_t next_z, next_y;
};

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
	struct mpk_scan scan = {0};

	for (;;) {
		enum mpk_found r = mpk_scan(&scan, s->buf + s->at, s->end - s->at, &why);
		if (r == MPK_WHOLE)
			break;
		if (r == MPK_BAD)
			die(XDATA, "%s: %s of frame %lld cannot be read: %s", s->name, what, (long long)s->frames + 1, why);
		if (!more(s)) {
			char where[64];
			if (s->at == s->end)
				return false;
			snprintf(where, sizeof where, "inside a %s", what);
			ended(s, where);
		}
	}
	if (!mpk_unpack(zone, out, s->buf + s->at, scan.at) || out->type != MSGPACK_OBJECT_MAP)
		die(XDATA, "%s: %s of frame %lld is not a map; this is not a stream of frames, or it is damaged", s->name, what,
		    (long long)s->frames + 1);
	s->at += scan.at;
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

bool source_waiting(const struct source *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return s->at < s->end || poll(&p, 1, 0) != 0;
}

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

static bool plain_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *name && *name != '.';
}

static bool trailer(struct source *s, const msgpack_object *head)
{
	int64_t frames = mpk_get_int(head, "frames", -1), failed = mpk_get_int(head, "failed", -1);

	if (!mpk_get(head, "end"))
		return false;
	if (frames != s->frames)
		die(XDATA, "%s: the trailer counts %lld frames, %lld came", s->name, (long long)frames, (long long)s->frames);
	if (failed != s->failed)
		die(XDATA, "%s: the trailer counts %lld failed cases, %lld came", s->name, (long long)failed,
		    (long long)s->failed);
	if (s->at < s->end || more(s))
		die(XDATA, "%s goes on after its trailer; streams are joined by giving them as operands, not by cat", s->name);
	return true;
}

/* The grid and the layers: they leave the header for their places in f. */
static void read_grid(struct source *s, struct frame *f)
{
	const msgpack_object *list = mpk_get_array(&f->header, "layers");

	if (!mpk_get_ints(&f->header, "shape", f->shape, 3) || !mpk_get_reals(&f->header, "spacing_mm", f->spacing_mm, 3) ||
	    !mpk_get_ints(&f->header, "slab", f->slab, 2) || !list)
		bad_header(s, f->name, "its header lacks shape, spacing_mm, slab or layers");
	for (int i = 0; i < 3; i++)
		if (f->shape[i] < 1 || !(f->spacing_mm[i] > 0) || !isfinite(f->spacing_mm[i]))
			bad_header(s, f->name, "a length of its grid is less than 1 or a spacing not positive");
	if (f->slab[0] < 1 || f->slab[1] < 1 || f->slab[0] > f->shape[0] || f->slab[1] > f->shape[1] ||
	    (f->slab[0] > 1 && f->slab[1] < f->shape[1]))
		bad_header(s, f->name, "its slab is neither whole planes nor rows of one plane");
	read_layers(s, f, list);
}

bool source_next(struct source *s, struct frame *f)
{
	static const char *const own[] = { "layers", "shape", "spacing_mm", "slab" };
	msgpack_object head, *failed;
	const char *name;
	msgpack_zone *zone;

	if (s->in_frame)
		source_skip(s, f);
	zone = zone_new();
	if (!read_map(s, zone, &head, "header"))
		ended(s, "without a trailer");
	if (trailer(s, &head)) {
		msgpack_zone_free(zone);
		return false;
	}
	s->frames++;
	name = mpk_get_str(&head, "case", NULL);
	if (!name)
		bad_header(s, NULL, "its header has no case name");
	if (!plain_name(name))
		bad_header(s, NULL, "its case name is no plain name (it is empty, begins with a dot, or holds a slash or control "
		    "character)");
	frame_reset(f, name);
	msgpack_zone_free(f->zone);
	f->zone = zone;
	f->header = head;
	f->name = name;
	failed = mpk_get_map(&f->header, "failed");
	if (failed)
		f->failed = failure_text(f, failed);
	else
		read_grid(s, f);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		mpk_remove(&f->header, own[i]);
	s->in_frame = true;
	s->n_layers = f->n_layers;
	s->next_z = s->next_y = 0;
	return true;
}

static _Noreturn void ended_inside(struct source *s, const struct frame *f)
{
	char where[512];

	snprintf(where, sizeof where, "inside case %s", f->name);
	ended(s, where);
}

/* Length of the bin that comes next. */
static size_t bin_length(struct source *s, const struct frame *f)
{
	size_t need = 1, n = 0;

	for (;;) {
		if (s->end - s->at >= need) {
			unsigned char t = s->buf[s->at];
			if (t < 0xc4 || t > 0xc6)
				die(XDATA, "%s: case %s: a payload of plane %lld is no msgpack bin (first byte 0x%02x)", s->name,
				    f->name, (long long)f->z, t);
			need = 1 + ((size_t)1 << (t - 0xc4));
			if (s->end - s->at >= need)
				break;
		}
		if (!more(s))
			ended_inside(s, f);
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
	if ((size_t)r < n - have)
		ended_inside(s, f);
}

/* Room for a slab of every layer, whether read or added. */
static void slab_room(const struct frame *f, const char *who)
{
	size_t total;

	if (!frame_bytes(f, f->dz, f->dy, &total))
		die(XDATA, "%s: case %s: the size of a slab overflows", who, f->name);
	if (total > memory_limit)
		die(XDATA, "%s: case %s needs %zu MiB for one slab, over the limit of %zu MiB (--memory raises it)", who, f->name,
		    total >> 20, memory_limit >> 20);
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
		f->failed = failure_text(f, mpk_get_map(&f->closing, "failed"));
	if (f->failed)
		s->failed++;
}

/* The next slab's place, or the closing map (false).  A frame that came without layers has no slabs, whatever its grid. */
static bool slab_begin(struct source *s, struct frame *f)
{
	if (!f->failed && s->n_layers && frame_advance(f, &s->next_z, &s->next_y))
		return true;
	if (s->in_frame)
		read_closing(s, f);
	return false;
}

/* The head of the next layer's payload; its length is what the header says. */
static size_t payload_begin(struct source *s, const struct frame *f, const struct layer *l)
{
	size_t want = layer_bytes(f, l, f->dz, f->dy), got = bin_length(s, f);

	if (got != want)
		die(XDATA, "%s: case %s, plane %lld: layer %s has %zu bytes where its shape needs %zu", s->name, f->name,
		    (long long)f->z, l->kind, got, want);
	return want;
}

bool source_slab(struct source *s, struct frame *f)
{
	if (!slab_begin(s, f))
		return false;
	slab_room(f, s->name);
	for (int i = 0; i < f->n_layers; i++)
		if (!f->layer[i]->added)
			payload(s, f, f->layer[i]->data, payload_begin(s, f, f->layer[i]));
	return true;
}

void source_skip(struct source *s, struct frame *f)
{
	while (s->in_frame && slab_begin(s, f))
		for (int i = 0; i < f->n_layers; i++) {
			if (f->layer[i]->added)
				continue;
			for (size_t left = payload_begin(s, f, f->layer[i]), n; left; left -= n) {
				if (s->at == s->end && !more(s))
					ended_inside(s, f);
				n = s->end - s->at < left ? s->end - s->at : left;
				s->at += n;
			}
		}
}

bool source_volume(struct source *s, struct frame *f)
{
	char **volume;

	if (!f->failed && !frame_fits(f)) {
		source_skip(s, f);
		return false;
	}
	if (f->failed || (f->slab[0] == f->shape[0] && f->slab[1] == f->shape[1])) {   /* read in place */
		if (source_slab(s, f))
			source_skip(s, f);
		return true;
	}
	volume = xcalloc((size_t)f->n_layers, sizeof *volume);
	for (int i = 0; i < f->n_layers; i++)
		volume[i] = xaligned(layer_bytes(f, f->layer[i], f->shape[0], f->shape[1]), 1);
	while (source_slab(s, f))
		for (int i = 0; i < f->n_layers; i++)
			if (!f->layer[i]->added)
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
