/* stream: what the reading, the writing and the making of frames share; private to source.c, sink.c and frame.c. */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H
#include "common/frame.h"

msgpack_zone *zone_new(void);                                              /* dies when there is no memory */
const char *failure_text(struct frame *f, const msgpack_object *failed);   /* "stage: reason", in the frame's zone */

/* Bytes of a layer, or of all layers, on so many planes and rows.  layer_bytes() dies, frame_bytes() is false on overflow. */
size_t layer_bytes(const struct frame *f, const struct layer *l, int64_t planes, int64_t rows);
bool frame_bytes(const struct frame *f, int64_t planes, int64_t rows, size_t *total);
bool frame_fits(const struct frame *f);                                    /* the whole grid within memory_limit, or fail() */
void layer_room(struct layer *l, size_t bytes);                            /* at least so much at l->data; old content is lost */

/* Sets f's slab to the one at plane *z, row *y and steps these on; false when the grid is done. */
bool frame_advance(struct frame *f, int64_t *z, int64_t *y);
/* Copies f's slab of one layer between the whole volume [channels][z][y][x] and a packed slab. */
void slab_copy(const struct frame *f, const struct layer *l, char *volume, char *slab, bool into_volume);
#endif
