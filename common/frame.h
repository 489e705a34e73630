/* frame: the stream between programs; frame(5) is the normative text.
 *
 * A source reads a stream, a sink writes one, and one struct frame flows between them: a filter reads the frame's
 * header, adds layers to it or drops some, writes the header, then for each slab fills in the layers that it added.
 * Layers, keys and frames that a filter does not know travel in the frame and leave as they came.
 *
 *	struct source *in = source_open(NULL);
 *	struct sink *out = sink_open(in);
 *	struct frame f = {0};
 *	while (source_next(in, &f)) {                       // a header; dies (exit 3) on anything but a frame or trailer
 *		struct layer *p = frame_layer(&f, "probs"), *u = p ? frame_add(&f, "class_entropy", DT_F4, 1) : NULL;
 *		sink_begin(out, &f);
 *		while (source_slab(in, &f)) {               // the layers' data now hold planes f.z .. f.z + f.dz
 *			if (u) entropy(u->data, p->data, ...);
 *			sink_slab(out, &f);
 *		}
 *		frame_put_score(&f, "name", value);
 *		sink_end(out, &f);                          // the closing map
 *	}
 *	return filter_end(in, out);                         // trailer, checked close, exit status
 *
 * Ownership: a frame owns its layers and their buffers; they are valid until the next source_next() or frame_reset()
 * on it (a slab's data until the next source_slab()).  Nothing is handed over.  Frames that hold no layers because
 * their case failed earlier have f.failed set; the loop above passes them on untouched.
 * Errors: malformed or truncated streams and sizes over memory_limit end the program (exit 3), I/O errors (exit 4). */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H
#include "common/dtype.h"
#include "common/mpk.h"

enum { FRAME_VERSION = 1 };

struct layer {
	const char *kind;        /* "image", "label", "probs", "class_entropy", ... */
	enum dtype type;
	int64_t channels;
	msgpack_object map;      /* all keys of the layer, known or not; kind, type and channels are rewritten on output */
	void *data;              /* [channels][dz][dy][x] of the current slab, 64-byte aligned */
	size_t capacity;         /* bytes allocated at data */
	bool added;              /* made by this program, not read from the source */
	bool dropped;            /* read, if it was, but not written */
	bool whole;              /* data is [channels][z][y][x] of the grid, and sink_slab() cuts its slabs; set by whom it helps */
};

struct frame {
	const char *name;        /* the case */
	int64_t shape[3];        /* grid z, y, x */
	double spacing_mm[3];    /* z, y, x */
	int64_t slab[2];         /* planes and rows of a slab: dz planes of y rows, or one plane of dy rows */
	int n_layers;
	struct layer **layer;
	const char *failed;      /* why the case failed, NULL for a good one; the text is "stage: reason" */
	msgpack_object header;   /* every key of the frame's header but layers, shape, spacing_mm, slab */
	msgpack_object closing;  /* scores, flags, and what else it holds */
	int64_t z, y, dz, dy;    /* the current slab: planes z..z+dz, rows y..y+dy */
	msgpack_zone *zone;      /* owner of everything the header and closing map refer to */
	int layers_made;         /* private: layers ever allocated, for reuse */
};

struct source;
struct sink;

/* path: a file or FIFO; NULL or "-" for standard input.  Reads the stream header.  Dies if there is none. */
struct source *source_open(const char *path);
const char *source_name(const struct source *s);           /* for messages: "standard input" or the path */
int64_t source_cases(const struct source *s);              /* how many frames to expect, -1 if the stream does not say */
const msgpack_object *source_header(const struct source *s);   /* the stream header map */
bool source_next(struct source *s, struct frame *f);       /* false after the trailer */
bool source_slab(struct source *s, struct frame *f);       /* false after the last slab: f->closing is then read */
/* Reads every slab; each layer's data is then [channels][z][y][x] of the whole grid, and f->closing is read.
 * False (fail XDATA) when that needs more than memory_limit; the payload is then skipped.  A failed frame is true. */
bool source_volume(struct source *s, struct frame *f);
void source_skip(struct source *s, struct frame *f);       /* reads the rest of a frame and throws its payload away */
bool source_waiting(const struct source *s);               /* whether there is something to read without waiting for it */
int64_t source_failed(const struct source *s);             /* failed frames so far */
void source_close(struct source *s);

/* A sink on standard output whose history is that of in (NULL: none) and command_line. */
struct sink *sink_open(struct source *in);
/* The same into a file descriptor (for programs that write a stream into a file). */
struct sink *sink_open_fd(struct source *in, int fd, const char *name);
void sink_expect(struct sink *s, int64_t cases);           /* before the first frame: how many will come */
/* All take a NULL sink and then write nothing. */
void sink_begin(struct sink *s, struct frame *f);          /* frame header */
void sink_slab(struct sink *s, struct frame *f);           /* the layers that are not dropped, in order */
void sink_end(struct sink *s, struct frame *f);            /* closing map */
/* Header, slabs and closing map of a frame whose layers hold whole volumes. */
void sink_volume(struct sink *s, struct frame *f);
/* Passes the rest of the current frame on as it came: header (when not begun), slabs, closing map. */
void sink_pass(struct sink *s, struct source *in, struct frame *f);
/* A failed case: a frame without layers, with f's name and header keys; or, where the frame has begun, zeros for the slabs to
 * come and a closing map that says so. */
void sink_failed(struct sink *s, struct frame *f, const char *reason);

/* Writes the trailer, closes both and returns the exit status: 0, or 3 when a case failed here or earlier. */
int filter_end(struct source *in, struct sink *out);

/* -k: what to do when a case fails.  Without keep_going the program ends with "CASE: reason" and the code of fail();
 * with it the reason is printed and the case becomes a failed frame of out (its payload in `in`, if any, is skipped). */
extern bool keep_going;
#define OPT_KEEP_GOING OPT_FLAG('k', "keep-going", &keep_going, "turn a case that fails into a failed frame and go on")
void case_failed(struct sink *out, struct source *in, struct frame *f);

/* Frames in the making. */
void frame_reset(struct frame *f, const char *name);       /* empty, a new case; buffers are kept for reuse */
void frame_inherit(struct frame *f, const struct frame *from);   /* name, header keys, grid and spacing of another, no layers */
void frame_free(struct frame *f);
struct layer *frame_layer(const struct frame *f, const char *kind);          /* first not dropped of that kind, or NULL */
struct layer *frame_add(struct frame *f, const char *kind, enum dtype type, int64_t channels);
/* Sets the grid and a slab that keeps a layer's slab near 16 MiB (planes > 0: that many planes). */
void frame_grid(struct frame *f, const int64_t shape[3], const double spacing_mm[3], int64_t planes);
bool frame_alloc_volume(struct frame *f);                  /* data of all layers for the whole grid; fail() over memory_limit */
/* The header as it is written: f->header with the grid, the slab and the layers that are not dropped. */
msgpack_object frame_head(struct frame *f);
size_t frame_voxels(const struct frame *f);                /* of the current slab: dz * dy * x */
size_t frame_grid_voxels(const struct frame *f);           /* of the whole grid */

void layer_put(struct frame *f, struct layer *l, const char *key, msgpack_object value);
void frame_put(struct frame *f, const char *key, msgpack_object value);      /* a key of the header */
void frame_put_score(struct frame *f, const char *name, double value);
double frame_score(const struct frame *f, const char *name);                 /* NaN if there is none */
void frame_flag(struct frame *f, const char *flag);        /* once, whatever often it is called */
bool frame_has_flag(const struct frame *f, const char *flag);
/* Name of the subset of the members that the frame is the mean of (average-probs --subsets); NULL without any. */
const char *frame_subset(const struct frame *f);

/* Layer keys with a fixed meaning; NULL or -1 where missing. */
struct member { const char *name, *fold, *weights; int64_t index, of; };
bool layer_member(const struct layer *l, struct member *m);                  /* false if the layer is not a member's */
void layer_put_member(struct frame *f, struct layer *l, const struct member *m);
#endif
