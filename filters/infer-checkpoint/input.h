/* input: the network's input of a case as planes: the whole image, or what comes down the stream when windows get there. */
#ifndef INPUT_H
#define INPUT_H
#include "common/frame.h"

struct input {
	uint64_t number;         /* of each another one, from 1 */
	struct source *in;       /* NULL: the whole image is there */
	struct frame *f;
	const struct layer *image;
	float **plane;           /* [channels][planes]: [y][x], NULL when not there */
	float **spare;           /* planes that were let go, [channels] of them each */
	int64_t n_spare, from, to;      /* planes from..to are there */
};

/* Of the frame whose header is in f.  whole: reads all of it, as source_volume() does; else nothing yet. */
bool input_open(struct input *i, struct source *in, struct frame *f, bool whole);
/* Planes lo..hi are there from now on, those before lo no more; both ascend from call to call. */
void input_need(struct input *i, int64_t lo, int64_t hi);
/* Reads to the end of the frame; its closing map has then come. */
void input_end(struct input *i);
void input_close(struct input *i);
#endif
