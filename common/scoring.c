#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "common/opt.h"
#include "common/scoring.h"

const char *empty_rule = "worst";

double empty_score(double image_mean)
{
	return *empty_rule == 'w' ? INFINITY : *empty_rule == 'i' ? image_mean : NAN;
}

bool scoring_find(struct scoring *s, const struct frame *f, bool as_coded)
{
	s->n_maps = 0;
	for (int i = 0; map_kinds[i]; i++) {
		const struct layer *l = frame_layer(f, map_kinds[i]);
		const msgpack_object *key = l ? mpk_get(&l->map, "per_region") : NULL;
		bool per_region = key && key->type == MSGPACK_OBJECT_BOOLEAN && key->via.boolean;
		if (l && (l->type != DT_F4 || (l->channels != 1 && !per_region)))
			return fail(XDATA, "its map %s is not one channel of <f4", l->kind);
		if (l && s->n_maps < SCORING_MAPS) {
			s->per_region[s->n_maps] = per_region;
			s->map[s->n_maps++] = l;
		}
	}
	if (!segmentation_find(&s->segmentation, f, as_coded))
		return false;
	if (s->n_maps && !scoring_any(s))
		return fail(XDATA, "it holds maps but no probabilities%s to take a segmentation from",
		            as_coded ? "" : " and no labels");
	return true;
}

bool scoring_any(const struct scoring *s)
{
	return s->segmentation.label || s->segmentation.probs;
}

/* The foreground, every value but 0, and each class or region. */
static bool begin_parts(struct scoring *s, int64_t width, bool foreground_only, bool lengths)
{
	const struct labels *l = &s->segmentation.labels;

	s->n_slots = l->n_foreground + 2;               /* label values have no gaps */
	s->n_parts = foreground_only ? 1 : 1 + labels_n_structures(l);
	if ((size_t)s->n_parts * (size_t)s->n_slots > memory_limit)
		return fail(XDATA, "its %d classes or regions need more than the limit of %zu MiB (--memory raises it)",
		            s->n_parts - 1, memory_limit >> 20);
	if (s->n_parts > s->parts_made) {
		s->part = xrealloc(s->part, (size_t)s->n_parts, sizeof *s->part);
		for (; s->parts_made < s->n_parts; s->parts_made++)
			s->part[s->parts_made] = (struct part){0};
	}
	for (int i = 0; i < s->n_parts; i++) {
		struct part *p = &s->part[i];
		p->label = i ? labels_structure(l, i - 1) : NULL;
		p->name = i ? p->label->name : NULL;
		p->has = xrealloc(p->has, (size_t)s->n_slots, 1);
		memset(p->has, i ? 0 : 1, (size_t)s->n_slots);
		p->has[0] = 0;
		for (int k = 0; i && k < p->label->n; k++)
			p->has[p->label->value[k]] = 1;
		contour_begin(&p->contour, width, lengths);
	}
	s->seen = xrealloc(s->seen, (size_t)s->n_slots, 1);
	s->row = xrealloc(s->row, (size_t)width, 1);
	return true;
}

static bool begin_views(struct scoring *s, size_t slab_voxels)
{
	int regions = s->segmentation.labels.has_regions ? labels_n_structures(&s->segmentation.labels) : 0;

	s->n_views = 0;
	for (int m = 0; m < s->n_maps; m++) {
		if (s->per_region[m] && s->map[m]->channels != regions)
			return fail(XDATA, "its map %s has %lld channels for the regions, its labels make %d regions",
			            s->map[m]->kind, (long long)s->map[m]->channels, regions);
		s->first_view[m] = s->n_views;
		s->n_views += s->per_region[m] ? 1 + regions : 1;
	}
	if (s->n_views > s->views_made) {
		s->view = xrealloc(s->view, (size_t)s->n_views, sizeof *s->view);
		s->value = xrealloc(s->value, (size_t)s->n_views, sizeof *s->value);
		s->largest = xrealloc(s->largest, (size_t)s->n_views, sizeof *s->largest);
		for (; s->views_made < s->n_views; s->views_made++)
			s->largest[s->views_made] = NULL;
	}
	for (int m = 0; m < s->n_maps; m++)
		for (int k = s->first_view[m]; k < (m + 1 < s->n_maps ? s->first_view[m + 1] : s->n_views); k++) {
			s->view[k] = (struct view){ m, s->per_region[m] ? k - s->first_view[m] - 1 : 0 };
			if (s->view[k].channel < 0)
				s->largest[k] = xrealloc(s->largest[k], slab_voxels, sizeof **s->largest);
		}
	return true;
}

bool scoring_begin(struct scoring *s, const struct frame *f, bool as_coded, bool lengths)
{
	size_t slab = (size_t)f->slab[0] * (size_t)f->slab[1] * (size_t)f->shape[2];

	if (!segmentation_begin(&s->segmentation, f) || !begin_views(s, slab) || !begin_parts(s, f->shape[2], as_coded, lengths))
		return false;
	s->seg = s->segmentation.value;
	slices_begin(&s->of_case, 1);
	slices_begin(&s->slices, f->shape[0]);
	return true;
}

static void largest_channel(float *out, const float *map, int64_t channels, size_t voxels)
{
	memcpy(out, map, voxels * sizeof *out);
	for (int64_t c = 1; c < channels; c++)
		for (size_t v = 0; v < voxels; v++)
			out[v] = map[(size_t)c * voxels + v] > out[v] ? map[(size_t)c * voxels + v] : out[v];
}

static bool all_finite(const float *u, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= fabsf(u[i]) <= 3.4028234664e38f;  /* false for NaN, too */
	return ok;
}

bool scoring_slab(struct scoring *s, const struct frame *f)
{
	size_t voxels = frame_voxels(f);
	uint16_t other = (uint16_t)(s->n_slots - 1);

	for (int m = 0; m < s->n_maps; m++)
		if (!all_finite(s->map[m]->data, voxels * (size_t)s->map[m]->channels))
			return fail(XDATA, "its map %s holds a value that is not finite", s->map[m]->kind);
	if (!segmentation_slab(&s->segmentation, f))
		return false;
	for (size_t v = 0; v < voxels; v++)
		s->seg[v] = s->seg[v] < other ? s->seg[v] : other;
	for (int k = 0; k < s->n_views; k++) {
		const struct layer *l = s->map[s->view[k].map];
		s->value[k] = (const float *)l->data + (s->view[k].channel > 0 ? (size_t)s->view[k].channel * voxels : 0);
		if (s->view[k].channel < 0) {
			largest_channel(s->largest[k], l->data, l->channels, voxels);
			s->value[k] = s->largest[k];
		}
	}
	return true;
}

int scoring_view(const struct scoring *s, int map, int part)
{
	return s->first_view[map] + (s->per_region[map] ? part : 0);
}

static bool occurs(const struct scoring *s, const struct part *p)
{
	for (int k = 0; p->label && k < p->label->n; k++)
		if (p->label->value[k] && s->seen[p->label->value[k]])
			return true;
	return !p->label;
}

void scoring_row(struct scoring *s, const uint16_t *seg, int64_t width)
{
	memset(s->seen, 0, (size_t)s->n_slots);
	for (int64_t x = 0; x < width; x++)
		s->seen[seg[x]] = 1;
	for (int i = 0; i < s->n_parts; i++) {
		struct part *p = &s->part[i];
		if (!occurs(s, p)) {
			contour_row(&p->contour, NULL);
			continue;
		}
		for (int64_t x = 0; x < width; x++)
			s->row[x] = p->has[seg[x]];
		contour_row(&p->contour, s->row);
	}
}

void scoring_slice_end(struct scoring *s)
{
	for (int i = 0; i < s->n_parts; i++)
		contour_slice_end(&s->part[i].contour);
}

void scoring_put(struct scoring *s, int64_t z, const char *kind, int part, double value)
{
	const char *of = s->part[part].name;
	char *name = of ? xasprintf("%s:%s", kind, of) : xstrdup(kind);

	slices_put(z < 0 ? &s->of_case : &s->slices, z < 0 ? 0 : z, name, value);
	free(name);
}

void scoring_flag(struct scoring *s, struct frame *f, int64_t z, const char *flag, bool set)
{
	if (z >= 0)
		slices_flag(&s->slices, z, flag, set);
	else if (set)
		frame_flag(f, flag);
}

void scoring_empty(struct scoring *s, struct frame *f, int64_t z, int part, bool applied)
{
	char *flag;

	if (part && *empty_rule != 'i')
		return;
	flag = part ? xasprintf("empty_%s:%s", empty_rule, s->part[part].name) : xasprintf("empty_%s", empty_rule);
	scoring_flag(s, f, z, flag, applied);
	free(flag);
}

bool scoring_done(struct scoring *s, struct frame *f, bool per_slice)
{
	return slices_case_to_frame(f, &s->of_case) && (!per_slice || slices_to_frame(f, &s->slices));
}

void scoring_end(struct scoring *s)
{
	segmentation_end(&s->segmentation);
	slices_free(&s->of_case);
	slices_free(&s->slices);
}

void scoring_free(struct scoring *s)
{
	for (int i = 0; i < s->parts_made; i++) {
		contour_free(&s->part[i].contour);
		free(s->part[i].has);
	}
	for (int k = 0; k < s->views_made; k++)
		free(s->largest[k]);
	segmentation_free(&s->segmentation);
	free(s->part);
	free(s->view);
	free(s->value);
	free(s->largest);
	free(s->row);
	free(s->seen);
	*s = (struct scoring){0};
}
