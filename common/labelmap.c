#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/labelmap.h"

enum { VALUES = 65536 };

void box_join(struct box *a, const struct box *b)
{
	if (!b->hi[0])
		return;
	for (int d = 0; d < 3; d++)
		a->lo[d] = !a->hi[0] || b->lo[d] < a->lo[d] ? b->lo[d] : a->lo[d];
	for (int d = 0; d < 3; d++)
		a->hi[d] = b->hi[d] > a->hi[d] ? b->hi[d] : a->hi[d];
}

size_t box_voxels(const struct box *b)
{
	return (size_t)((b->hi[0] - b->lo[0]) * (b->hi[1] - b->lo[1]) * (b->hi[2] - b->lo[2]));
}

size_t box_index(const struct labelmap *m, const struct box *b, size_t i)
{
	int64_t w = b->hi[2] - b->lo[2], h = b->hi[1] - b->lo[1], row = (int64_t)i / w;

	row = (b->lo[0] + row / h) * m->f.shape[1] + b->lo[1] + row % h;
	return (size_t)(row * m->f.shape[2] + b->lo[2] + (int64_t)i % w);
}

void box_mask(unsigned char *mask, const struct labelmap *m, const struct box *b, const unsigned char *has)
{
	size_t w = (size_t)(b->hi[2] - b->lo[2]), n = box_voxels(b);

	for (size_t i = 0; i < n; i += w) {
		const uint16_t *row = m->value + box_index(m, b, i);
		for (size_t x = 0; x < w; x++)
			mask[i + x] = has[row[x]];
	}
}

static void find_boxes(struct labelmap *m)
{
	const int64_t *shape = m->f.shape, w = shape[2];
	const uint16_t *row = m->value;

	free(m->box);
	m->box = xcalloc(VALUES, sizeof *m->box);
	for (int64_t r = 0; r < shape[0] * shape[1]; r++, row += w)
		for (int64_t x = 0, end; x < w; x = end) {
			for (end = x + 1; end < w && row[end] == row[x];)
				end++;
			struct box run = { { r / shape[1], r % shape[1], x }, { r / shape[1] + 1, r % shape[1] + 1, end } };
			box_join(&m->box[row[x]], &run);
		}
}

static bool take_values(struct labelmap *m, const struct image *im, const char *path)
{
	if (im->channels != 1)
		return fail(XDATA, "%s: it has %lld channels; a label map has one", path, (long long)im->channels);
	m->voxels = (size_t)(im->shape[0] * im->shape[1] * im->shape[2]);
	free(m->value);
	m->value = xmalloc(m->voxels, sizeof *m->value);
	for (size_t i = 0; i < m->voxels; i++) {
		float v = im->data[i];
		if (!(v >= 0 && v <= 65535) || v != (float)(int)v)
			return fail(XDATA, "%s: it holds the value %g; labels are whole numbers from 0 to 65535", path, (double)v);
		m->value[i] = (uint16_t)v;
	}
	return true;
}

bool labelmap_read(struct labelmap *m, const char *path)
{
	struct image im = {0};
	bool ok;

	frame_reset(&m->f, path);
	if (!image_read(&im, m->f.zone, path))
		return false;
	frame_grid(&m->f, im.shape, im.spacing_mm, 0);
	frame_put(&m->f, "geometry", im.geometry);
	ok = take_values(m, &im, path);
	image_free(&im);
	if (ok)
		find_boxes(m);
	return ok;
}

bool labelmap_write(const char *path, const struct labelmap *m) { return image_write_label(path, &m->f, m->value, DT_U2); }

void labelmap_free(struct labelmap *m)
{
	frame_free(&m->f);
	free(m->value);
	free(m->box);
	*m = (struct labelmap){0};
}

bool label_pairs_find(struct label_pairs *p, const char *predictions, const char *references)
{
	struct case_list found, wanted = {0};
	bool ok = true;

	*p = (struct label_pairs){0};
	if (!case_list_folder(&found, predictions, true))
		return false;
	p->pair = xcalloc((size_t)found.n, sizeof *p->pair);
	for (; ok && p->n < found.n; p->n++) {
		struct label_pair *pair = &p->pair[p->n];
		*pair = (struct label_pair){ xstrdup(found.c[p->n].name), xstrdup(found.c[p->n].path[0]), NULL };
		ok = (pair->reference = label_file(references, pair->name)) != NULL;
	}
	ok = ok && case_list_folder(&wanted, references, true);
	for (int i = 0, k = 0; ok && i < wanted.n; i++) {
		while (k < p->n && strcmp(p->pair[k].name, wanted.c[i].name) < 0)
			k++;
		if (k < p->n && !strcmp(p->pair[k].name, wanted.c[i].name))
			continue;
		if (!p->n_missing++)
			p->missing = xstrdup(wanted.c[i].name);
	}
	case_list_free(&found);
	case_list_free(&wanted);
	return ok;
}

void label_pairs_free(struct label_pairs *p)
{
	for (int i = 0; i < p->n; i++) {
		free(p->pair[i].name);
		free(p->pair[i].prediction);
		free(p->pair[i].reference);
	}
	free(p->pair);
	free(p->missing);
	*p = (struct label_pairs){0};
}

bool label_pair_read(struct labelmap *prediction, struct labelmap *reference, const struct label_pair *p)
{
	const int64_t *a, *b;

	if (!labelmap_read(prediction, p->prediction) || !labelmap_read(reference, p->reference))
		return false;
	a = prediction->f.shape;
	b = reference->f.shape;
	return !memcmp(a, b, 3 * sizeof *a) ||
	       fail(XDATA, "%s has %lld x %lld x %lld voxels (x, y, z), %s has %lld x %lld x %lld", p->prediction,
	            (long long)a[2], (long long)a[1], (long long)a[0], p->reference, (long long)b[2], (long long)b[1], (long long)b[0]);
}
