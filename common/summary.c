#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/summary.h"
#include "common/surface.h"

const char *const metric_name[N_METRICS] = { "Dice", "FN", "FP", "HD95", "IoU", "SurfaceDice", "TN", "TP", "n_pred", "n_ref" };

enum { VALUES = 65536 };

struct counts { int64_t both, predicted, reference; };

static void fill(double m[N_METRICS], const struct counts *c, int64_t counted)
{
	int64_t any = c->predicted + c->reference - c->both;

	for (int i = 0; i < N_METRICS; i++)
		m[i] = NAN;
	m[M_TP] = (double)c->both;
	m[M_FP] = (double)(c->predicted - c->both);
	m[M_FN] = (double)(c->reference - c->both);
	m[M_TN] = (double)(counted - any);
	m[M_N_PRED] = (double)c->predicted;
	m[M_N_REF] = (double)c->reference;
	if (any) {
		m[M_DICE] = 2 * (double)c->both / (double)(c->predicted + c->reference);
		m[M_IOU] = (double)c->both / (double)any;
	}
}

/* Classes exclude each other: one pass counts them all. */
static void count_classes(double (*out)[N_METRICS], const uint16_t *seg, const uint16_t *ref, size_t voxels,
                          const struct labels *l)
{
	struct counts *c = xcalloc(VALUES, sizeof *c);
	int64_t counted = 0;

	for (size_t v = 0; v < voxels; v++) {
		if (ref[v] == l->ignore)
			continue;
		counted++;
		c[seg[v]].predicted++;
		c[ref[v]].reference++;
		c[ref[v]].both += seg[v] == ref[v];
	}
	for (int s = 0; s < l->n_foreground; s++)
		fill(out[s], &c[l->foreground[s]], counted);
	free(c);
}

/* has: [VALUES], 1 for the values of a structure. */
static void structure_values(unsigned char *has, const struct labels *l, int structure)
{
	const struct label *r = labels_structure(l, structure);

	memset(has, 0, VALUES);
	for (int i = 0; i < r->n; i++)
		has[r->value[i]] = 1;
}

static void count_region(double out[N_METRICS], const uint16_t *seg, const uint16_t *ref, size_t voxels, int ignore,
                         const unsigned char *has)
{
	struct counts c = {0};
	int64_t counted = 0;

	for (size_t v = 0; v < voxels; v++) {
		if (ref[v] == ignore)
			continue;
		counted++;
		c.predicted += has[seg[v]];
		c.reference += has[ref[v]];
		c.both += has[seg[v]] & has[ref[v]];
	}
	fill(out, &c, counted);
}

void metrics_count(double (*out)[N_METRICS], const uint16_t *segmentation, const uint16_t *reference, size_t voxels,
                   const struct labels *l)
{
	unsigned char *has;

	if (!l->has_regions) {
		count_classes(out, segmentation, reference, voxels, l);
		return;
	}
	has = xmalloc(VALUES, 1);
	for (int s = 0; s < labels_n_structures(l); s++) {
		structure_values(has, l, s);
		count_region(out[s], segmentation, reference, voxels, l->ignore, has);
	}
	free(has);
}

bool metrics_surface(double (*out)[N_METRICS], const struct labelmap *segmentation, const struct labelmap *reference,
                     const struct labels *l, double tolerance_mm)
{
	const struct labelmap *map[2] = { segmentation, reference };
	unsigned char *has = xmalloc(VALUES, 1), *mask[2];
	bool ok = true;

	for (int s = 0; ok && s < labels_n_structures(l); s++) {
		const struct label *r = labels_structure(l, s);
		struct box box = {0};
		for (int i = 0; i < 2 * r->n; i++)
			box_join(&box, &map[i % 2]->box[r->value[i / 2]]);
		const int64_t shape[3] = { box.hi[0] - box.lo[0], box.hi[1] - box.lo[1], box.hi[2] - box.lo[2] };
		size_t n = box_voxels(&box);
		structure_values(has, l, s);
		for (int k = 0; k < 2; k++) {
			mask[k] = xmalloc(n + 1, 1);
			box_mask(mask[k], map[k], &box, has);
		}
		for (size_t i = 0; l->ignore >= 0 && i < n; i++)
			if (reference->value[box_index(reference, &box, i)] == l->ignore)
				mask[0][i] = mask[1][i] = 0;
		ok = surface_compare(&out[s][M_HD95], &out[s][M_SURFACE_DICE], mask[0], mask[1], shape,
		                     reference->f.shape[0] == 1, reference->f.spacing_mm, tolerance_mm);
		free(mask[0]);
		free(mask[1]);
	}
	free(has);
	return ok;
}

void summary_begin(struct summary *s, const struct labels *l, bool surface)
{
	*s = (struct summary){ .labels = l, .surface = surface, .n_structures = labels_n_structures(l) };
}

void summary_add(struct summary *s, const char *prediction, const char *reference, double (*metric)[N_METRICS])
{
	if (s->n_cases == s->capacity)
		s->c = xrealloc(s->c, (size_t)(s->capacity = s->capacity ? 2 * s->capacity : 64), sizeof *s->c);
	s->c[s->n_cases++] = (struct summary_case){ xstrdup(prediction), xstrdup(reference), metric };
}

void summary_means(struct summary *s)
{
	free(s->mean);
	s->mean = xcalloc((size_t)s->n_structures, sizeof *s->mean);
	for (int m = 0; m < N_METRICS; m++) {
		double all = 0;
		for (int k = 0; k < s->n_structures; k++) {
			double sum = 0;
			int n = 0;
			for (int i = 0; i < s->n_cases; i++)
				if (!isnan(s->c[i].metric[k][m])) {
					sum += s->c[i].metric[k][m];
					n++;
				}
			s->mean[k][m] = n ? sum / n : NAN;
			all += s->mean[k][m];
		}
		s->foreground_mean[m] = s->n_structures ? all / s->n_structures : NAN;
	}
}

static json_object *metrics_json(const struct summary *s, const double m[N_METRICS], bool of_case)
{
	json_object *o = json_object_new_object();

	for (int i = 0; i < N_METRICS; i++) {
		bool count = i != M_DICE && i != M_HD95 && i != M_IOU && i != M_SURFACE_DICE;
		if (s->surface || (i != M_HD95 && i != M_SURFACE_DICE))
			json_object_object_add(o, metric_name[i], of_case && count ? json_object_new_int64((int64_t)m[i])
			                                                           : json_object_new_double(m[i]));
	}
	return o;
}

static json_object *structures_json(const struct summary *s, double (*m)[N_METRICS], bool of_case)
{
	json_object *o = json_object_new_object();

	for (int k = 0; k < s->n_structures; k++) {
		char *key = structure_key(s->labels, k);
		json_object_object_add(o, key, metrics_json(s, m[k], of_case));
		free(key);
	}
	return o;
}

json_object *summary_json(const struct summary *s, bool with_cases)
{
	json_object *o = json_object_new_object(), *cases;

	json_object_object_add(o, "foreground_mean", metrics_json(s, s->foreground_mean, false));
	json_object_object_add(o, "mean", structures_json(s, s->mean, false));
	if (!with_cases)
		return o;
	cases = json_object_new_array();
	for (int i = 0; i < s->n_cases; i++) {
		json_object *c = json_object_new_object();
		json_object_object_add(c, "metrics", structures_json(s, s->c[i].metric, true));
		json_object_object_add(c, "prediction_file", json_object_new_string(s->c[i].prediction));
		json_object_object_add(c, "reference_file", json_object_new_string(s->c[i].reference));
		json_object_array_add(cases, c);
	}
	json_object_object_add(o, "metric_per_case", cases);
	return o;
}

void summary_free(struct summary *s)
{
	for (int i = 0; i < s->n_cases; i++) {
		free(s->c[i].prediction);
		free(s->c[i].reference);
		free(s->c[i].metric);
	}
	free(s->c);
	free(s->mean);
	*s = (struct summary){0};
}

char *structure_key(const struct labels *l, int structure)
{
	const struct label *r = labels_structure(l, structure);
	char *key, *longer;

	if (!l->has_regions || !r->is_list)
		return xasprintf("%d", r->value[0]);
	key = xasprintf("(%d%s", r->value[0], r->n == 1 ? "," : "");
	for (int i = 1; i < r->n; i++) {
		longer = xasprintf("%s, %d", key, r->value[i]);
		free(key);
		key = longer;
	}
	longer = xasprintf("%s)", key);
	free(key);
	return longer;
}
