#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/input.h"

static uint64_t opened;

bool input_open(struct input *i, struct source *in, struct frame *f, bool whole)
{
	const struct layer *image = frame_layer(f, "image");
	int64_t planes = f->shape[0], area = f->shape[1] * f->shape[2];

	*i = (struct input){ .number = ++opened, .in = in, .f = f, .image = image };
	if (whole && !source_volume(in, f)) {
		*i = (struct input){0};
		return false;
	}
	i->plane = xcalloc((size_t)image->channels, (size_t)planes * sizeof *i->plane);
	i->spare = xmalloc((size_t)image->channels, (size_t)planes * sizeof *i->spare);
	for (int64_t k = 0; whole && k < image->channels * planes; k++)
		i->plane[k] = (float *)image->data + k * area;
	if (whole)
		i->in = NULL;
	return true;
}

static float *room(struct input *i)
{
	return i->n_spare ? i->spare[--i->n_spare] : xaligned((size_t)(i->f->shape[1] * i->f->shape[2]), sizeof(float));
}

/* The slab that has come into planes of its own; rows of a plane come slab by slab. */
static void keep_slab(struct input *i)
{
	const struct frame *f = i->f;
	size_t n = (size_t)(f->dy * f->shape[2]);
	const float *from = i->image->data;

	for (int64_t c = 0; c < i->image->channels; c++)
		for (int64_t z = f->z; z < f->z + f->dz; z++, from += n) {
			float **plane = &i->plane[c * f->shape[0] + z];
			if (!*plane)
				*plane = room(i);
			memcpy(*plane + f->y * f->shape[2], from, n * sizeof *from);
		}
	if (f->y + f->dy == f->shape[1])
		i->to = f->z + f->dz;
}

void input_need(struct input *i, int64_t lo, int64_t hi)
{
	if (!i->in)
		return;
	for (; i->from < lo && i->from < i->to; i->from++)
		for (int64_t c = 0; c < i->image->channels; c++) {
			float **plane = &i->plane[c * i->f->shape[0] + i->from];
			i->spare[i->n_spare++] = *plane;
			*plane = NULL;
		}
	while (i->to < hi && source_slab(i->in, i->f))
		keep_slab(i);
}

void input_end(struct input *i)
{
	while (i->in && source_slab(i->in, i->f))
		;
}

void input_close(struct input *i)
{
	for (int64_t k = 0; i->in && k < i->image->channels * i->f->shape[0]; k++)
		free(i->plane[k]);
	while (i->n_spare)
		free(i->spare[--i->n_spare]);
	free(i->plane);
	free(i->spare);
	*i = (struct input){0};
}
