#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/render/slice.h"

static bool map_like(const struct layer *l)
{
	return l->channels == 1 && l->type == DT_F4 &&
	       strcmp(l->kind, "image") && strcmp(l->kind, "label") && strcmp(l->kind, "probs");
}

static const struct layer *find_map(const struct frame *f, const char *kind)
{
	const struct layer *l = frame_layer(f, kind ? kind : "class_entropy");

	for (int i = 0; !l && !kind && i < f->n_layers; i++)
		if (map_like(f->layer[i]))
			l = f->layer[i];
	return l;
}

bool slice_begin(struct slice *s, const struct frame *f, const char *kind)
{
	size_t n, bytes;
	struct layer *probs = frame_layer(f, "probs");

	*s = (struct slice){ .y = f->shape[1], .x = f->shape[2], .map = find_map(f, kind), .label = frame_layer(f, "label"),
	    .image = frame_layer(f, "image") };
	s->best.z = s->next.z = -1;
	if (kind && (!s->map || !map_like(s->map)))
		return fail(XDATA, "there is no map %s of one channel in it", kind);
	if (!s->label && (!probs || probs->type != DT_F4))
		return fail(XDATA, "there is no label layer in it, nor probs to take one from ('qualm segment' makes it)");
	if (!s->label && mpk_get_map(&probs->map, "member"))
		return fail(XDATA, "its probabilities are those of one member; 'qualm average-probs' averages them");
	if (s->label && s->label->channels != 1)
		return fail(XDATA, "its label layer has %lld channels", (long long)s->label->channels);
	s->probs = s->label ? NULL : probs;
	s->kind = s->map ? s->map->kind : NULL;
	if (!size_mul(&n, s->y, s->x) || !size_mul(&bytes, (int64_t)n, 2 * (4 + 4 + 2)) || bytes > memory_limit)
		return fail(XDATA, "a plane of %lldx%lld voxels is over the limit of %zu MiB (--memory raises it)",
		    (long long)s->y, (long long)s->x, memory_limit >> 20);
	for (struct plane *p = &s->best;; p = &s->next) {
		p->map = s->map ? xcalloc(n, sizeof *p->map) : NULL;
		p->label = xcalloc(n, sizeof *p->label);
		p->image = s->image ? xcalloc(n, sizeof *p->image) : NULL;
		if (p == &s->next)
			break;
	}
	return true;
}

void slice_free(struct slice *s)
{
	for (struct plane *p = &s->best;; p = &s->next) {
		free(p->map);
		free(p->label);
		free(p->image);
		if (p == &s->next)
			break;
	}
	*s = (struct slice){0};
}

/* One layer's view of plane z of the slab; the channels of probs [channels][dz][dy][x] are gathered for that plane. */
static bool take_labels(struct slice *s, const struct frame *f, const struct labels *labels, int64_t z, uint16_t *out)
{
	size_t n = (size_t)(f->dy * s->x), all = frame_voxels(f), at = (size_t)z * n;
	float *gathered;

	if (s->label) {
		struct layer one = *s->label;
		one.data = (char *)s->label->data + at * dtype_size(s->label->type);
		return labels_widen(out, &one, n);
	}
	gathered = xmalloc((size_t)s->probs->channels * n, sizeof *gathered);
	for (int64_t c = 0; c < s->probs->channels; c++)
		memcpy(gathered + (size_t)c * n, (const float *)s->probs->data + (size_t)c * all + at, n * sizeof *gathered);
	labels_segment(out, gathered, labels, n);
	free(gathered);
	return true;
}

static void weigh(struct plane *p, size_t n)
{
	p->weight = 0;
	for (size_t i = 0; i < n; i++)
		p->weight += p->map ? (isfinite(p->map[i]) ? p->map[i] : 0) : p->label[i] != 0;
}

bool slice_take(struct slice *s, const struct frame *f, const struct labels *labels, int64_t wanted)
{
	size_t n = (size_t)(f->dy * s->x), first = (size_t)(f->y * s->x);
	struct plane *p = &s->next;

	for (int64_t z = 0; z < f->dz; z++) {
		size_t at = (size_t)z * n;
		for (size_t i = at; s->map && i < at + n; i++)
			if (((const float *)s->map->data)[i] > s->max && isfinite(((const float *)s->map->data)[i]))
				s->max = ((const float *)s->map->data)[i];
		if (wanted >= 0 && f->z + z != wanted)
			continue;
		if (!take_labels(s, f, labels, z, p->label + first))
			return false;
		if (s->map)
			memcpy(p->map + first, (const float *)s->map->data + at, n * sizeof *p->map);
		if (s->image)
			dtype_to_float(p->image + first, (const char *)s->image->data + at * dtype_size(s->image->type),
			    s->image->type, n);
		if (f->y + f->dy < s->y)
			continue;                       /* the plane goes on in the next slab */
		p->z = f->z + z;
		weigh(p, (size_t)(s->y * s->x));
		if (s->best.z < 0 || p->weight > s->best.weight) {
			struct plane swap = s->best;
			s->best = *p;
			*p = swap;
		}
	}
	return true;
}
