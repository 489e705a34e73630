#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/slices.h"

static void clear(struct slices_column **list, int *n)
{
	for (int i = 0; i < *n; i++) {
		free((*list)[i].name);
		free((*list)[i].value);
	}
	free(*list);
	*list = NULL;
	*n = 0;
}

void slices_free(struct slices *s)
{
	clear(&s->score, &s->n_scores);
	clear(&s->flag, &s->n_flags);
}

void slices_begin(struct slices *s, int64_t planes)
{
	slices_free(s);
	s->planes = planes;
	s->next = 0;
}

/* Names come in the same order for each slice, so the search begins behind the last one. */
static struct slices_column *column(struct slices_column **list, int *n, int *next, int64_t planes, const char *name)
{
	for (int i = 0; i < *n; i++) {
		int k = (*next + i) % *n;
		if (!strcmp((*list)[k].name, name)) {
			*next = k + 1;
			return &(*list)[k];
		}
	}
	*list = xrealloc(*list, (size_t)*n + 1, sizeof **list);
	(*list)[*n] = (struct slices_column){ xstrdup(name), xmalloc((size_t)planes, sizeof(double)) };
	for (int64_t z = 0; z < planes; z++)
		(*list)[*n].value[z] = NAN;
	*next = ++*n;
	return &(*list)[*n - 1];
}

void slices_put(struct slices *s, int64_t z, const char *name, double value)
{
	column(&s->score, &s->n_scores, &s->next, s->planes, name)->value[z] = value;
}

void slices_flag(struct slices *s, int64_t z, const char *name, bool set)
{
	int next = 0;

	column(&s->flag, &s->n_flags, &next, s->planes, name)->value[z] = set;
}

static msgpack_object *submap(struct frame *f, msgpack_object *map, const char *key)
{
	if (!mpk_get_map(map, key))
		mpk_put(f->zone, map, key, mpk_map());
	return mpk_get_map(map, key);
}

static void put_columns(struct frame *f, msgpack_object *map, const struct slices_column *column, int n, int64_t planes,
                        bool flags)
{
	const char **key = xmalloc((size_t)n, sizeof *key);
	msgpack_object *value = xmalloc((size_t)n, sizeof *value);
	unsigned char *set = xmalloc((size_t)planes, 1);

	for (int i = 0; i < n; i++) {
		key[i] = column[i].name;
		for (int64_t z = 0; flags && z < planes; z++)
			set[z] = column[i].value[z] > 0;
		value[i] = flags ? mpk_bin(f->zone, set, (size_t)planes)
		                 : mpk_bin(f->zone, column[i].value, (size_t)planes * sizeof(double));
	}
	mpk_put_all(f->zone, map, key, value, (uint32_t)n);
	free(key);
	free(value);
	free(set);
}

bool slices_to_frame(struct frame *f, const struct slices *s)
{
	size_t planes = (size_t)s->planes, bytes = ((size_t)s->n_scores * sizeof(double) + (size_t)s->n_flags) * planes;
	msgpack_object *slices;

	if (bytes > MPK_BYTES / 2 || s->n_scores > MPK_OBJECTS / 8)
		return fail(XDATA, "%d scores of each of %zu slices are more than a stream holds; fewer can be asked for",
		            s->n_scores, planes);
	slices = submap(f, &f->closing, "slices");
	put_columns(f, submap(f, slices, "scores"), s->score, s->n_scores, s->planes, false);
	put_columns(f, submap(f, slices, "flags"), s->flag, s->n_flags, s->planes, true);
	return true;
}

bool slices_case_to_frame(struct frame *f, const struct slices *s)
{
	msgpack_object *scores = submap(f, &f->closing, "scores"), *value;
	const char **key;

	if (s->n_scores > MPK_OBJECTS / 4)              /* names and numbers take half of what a map may have */
		return fail(XDATA, "%d scores are more than a stream holds; fewer can be asked for", s->n_scores);
	key = xmalloc((size_t)s->n_scores, sizeof *key);
	value = xmalloc((size_t)s->n_scores, sizeof *value);
	for (int i = 0; i < s->n_scores; i++) {
		key[i] = s->score[i].name;
		value[i] = mpk_real(s->score[i].value[0]);
	}
	mpk_put_all(f->zone, scores, key, value, (uint32_t)s->n_scores);
	free(key);
	free(value);
	return true;
}

const msgpack_object *slices_of(const struct frame *f, const char *which)
{
	return mpk_get_map(mpk_get_map(&f->closing, "slices"), which);
}

bool slices_value(double *value, const msgpack_object *bin, int64_t planes, int64_t z)
{
	if (bin->type != MSGPACK_OBJECT_BIN)
		return false;
	if (bin->via.bin.size == (size_t)planes * sizeof *value) {
		memcpy(value, bin->via.bin.ptr + (size_t)z * sizeof *value, sizeof *value);
		return true;
	}
	*value = bin->via.bin.size == (size_t)planes ? bin->via.bin.ptr[z] : NAN;
	return !isnan(*value);
}
