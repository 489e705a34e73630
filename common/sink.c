#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/stream.h"

bool keep_going;

struct sink {
	int fd;
	char *name;
	int64_t frames, failed, expect;
	msgpack_object history;                 /* of the source, copied */
	msgpack_zone *zone;
	msgpack_sbuffer head;                   /* header bytes not yet written */
	bool begun;                             /* the stream header is written */
	bool in_frame;
	int64_t next_z, next_y;                 /* of the current frame: where its next slab begins */
	char *slab;                             /* one cut out of a volume */
	size_t room;
};

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
	msgpack_object *history = in ? mpk_get_array(source_header(in), "history") : NULL;

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
		die(XUSAGE, "standard output is a terminal; pipe it into another program or a file ('qualm frames' shows what a "
		    "stream holds)");
	return sink_open_fd(in, STDOUT_FILENO, "standard output");
}

void sink_expect(struct sink *s, int64_t cases)
{
	if (s)
		s->expect = cases;
}

void sink_begin(struct sink *s, struct frame *f)
{
	if (!s)
		return;
	begin_stream(s);
	s->frames++;
	s->in_frame = true;
	s->next_z = s->next_y = 0;
	pack(s, frame_head(f));
	flush_head(s);
}

static void put_bin(struct sink *s, const void *data, size_t n)
{
	unsigned char h[5] = { 0xc6, (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
	    (unsigned char)n };

	put(s, h, 5);                                   /* always bin 32: the reader's work does not depend on sizes */
	put(s, data, n);
}

/* The current slab of a layer. */
static void put_slab(struct sink *s, struct frame *f, const struct layer *l, bool whole)
{
	size_t n = layer_bytes(f, l, f->dz, f->dy);

	if (l->dropped)
		return;
	if (!whole || n == layer_bytes(f, l, f->shape[0], f->shape[1])) {
		put_bin(s, l->data, n);
		return;
	}
	if (n > s->room)
		s->slab = xrealloc(s->slab, s->room = n, 1);
	slab_copy(f, l, l->data, s->slab, false);
	put_bin(s, s->slab, n);
}

void sink_slab(struct sink *s, struct frame *f)
{
	if (!s || !frame_advance(f, &s->next_z, &s->next_y))
		return;
	for (int i = 0; i < f->n_layers; i++)
		put_slab(s, f, f->layer[i], f->layer[i]->whole);
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
	if (!s)
		return;
	sink_begin(s, f);
	while (!f->failed && f->n_layers && frame_advance(f, &s->next_z, &s->next_y))
		for (int i = 0; i < f->n_layers; i++)
			put_slab(s, f, f->layer[i], true);
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

/* The rest of a frame that has begun: its slabs were promised, so zeros come, and the closing map says why. */
static void rest_failed(struct sink *s, struct frame *f)
{
	while (f->n_layers && frame_advance(f, &s->next_z, &s->next_y))
		for (int i = 0; i < f->n_layers; i++) {
			struct layer *l = f->layer[i];
			size_t n = layer_bytes(f, l, f->dz, f->dy);
			if (l->dropped)
				continue;
			layer_room(l, n);
			memset(l->data, 0, n);
			put_bin(s, l->data, n);
		}
}

void sink_failed(struct sink *s, struct frame *f, const char *reason)
{
	msgpack_object why = mpk_map();

	mpk_put(f->zone, &why, "stage", mpk_str(f->zone, prog));
	mpk_put(f->zone, &why, "reason", mpk_str(f->zone, reason));
	f->closing = mpk_map();
	if (s && s->in_frame) {
		rest_failed(s, f);
		mpk_put(f->zone, &f->closing, "failed", why);
		f->failed = failure_text(f, &why);
	} else {
		frame_put(f, "failed", why);
		f->failed = failure_text(f, &why);
		sink_begin(s, f);
	}
	sink_end(s, f);
}

void case_failed(struct sink *out, struct source *in, struct frame *f)
{
	char *reason = xstrdup(failed_text());
	enum exit_code code = failed_code();

	if (!keep_going || code == XDEVICE)
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
	free(s->slab);
	free(s->name);
	free(s);
	return failed;
}

int filter_end(struct source *in, struct sink *out)
{
	bool failed = in && source_failed(in);

	source_close(in);
	if (out)
		failed |= finish(out);
	return failed ? XDATA : XOK;
}
