#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/jsonfile.h"
#include "common/plans.h"

enum { MAX_LABELS = 65536 };

static bool read_channels(struct dataset *d, const struct json *top)
{
	struct json names, v;
	char key[16];

	if (!json_get(&names, top, json_has(top, "channel_names") || !json_has(top, "modality") ? "channel_names" : "modality") ||
	    !json_is_object(&names))
		return false;
	if (json_object_object_length(names.o) < 1 || json_object_object_length(names.o) > MAX_CHANNELS)
		return json_bad(&names, "expected 1 to %d channels, found %d", MAX_CHANNELS, json_object_object_length(names.o));
	for (int n = json_object_object_length(names.o); d->n_channels < n;) {
		const char *text;
		snprintf(key, sizeof key, "%d", d->n_channels);
		if (!json_get(&v, &names, key) || !(text = json_text(&v)))
			return false;
		d->channel_name[d->n_channels++] = xstrdup(text);
	}
	return true;
}

static bool read_label(struct labels *l, const char *name, const struct json *v)
{
	struct label *e = &l->entry[l->n++];
	bool list = json_is(v, json_type_array);

	*e = (struct label){ .name = xstrdup(name), .n = 1, .is_list = list };
	if (list && (e->n = json_length(v, 1, MAX_LABELS)) < 0)
		return false;
	e->value = xcalloc((size_t)e->n, sizeof *e->value);
	return list ? json_ints(e->value, v, e->n, e->n, 0, MAX_LABELS - 1) >= 0 : json_int(e->value, v, 0, MAX_LABELS - 1);
}

static bool read_labels(struct labels *l, const struct json *top)
{
	struct json all, v;

	if (!json_get(&all, top, "labels") || !json_is_object(&all))
		return false;
	if (json_object_object_length(all.o) > MAX_LABELS)
		return json_bad(&all, "more than %d labels", MAX_LABELS);
	l->entry = xcalloc((size_t)json_object_object_length(all.o), sizeof *l->entry);
	json_object_object_foreach(all.o, name, value) {
		(void)value;
		if (!json_get(&v, &all, name))
			return false;
		if (!strcmp(name, "ignore") ? !json_int(&l->ignore, &v, 0, MAX_LABELS - 1) : !read_label(l, name, &v))
			return false;
	}
	if (json_has(top, "regions_class_order")) {
		if (!json_get(&v, top, "regions_class_order") || (l->n_order = json_length(&v, 0, MAX_LABELS)) < 0)
			return false;
		l->regions_class_order = xcalloc((size_t)l->n_order, sizeof *l->regions_class_order);
		if (json_ints(l->regions_class_order, &v, 0, MAX_LABELS, 0, MAX_LABELS - 1) < 0)
			return false;
	}
	return labels_finish(l) || json_bad(&all, "%s", failed_text());
}

static bool read_dataset(struct dataset *d, const struct json *top)
{
	struct json v;
	const char *text;

	if (!read_channels(d, top) || !read_labels(&d->labels, top) || !json_get(&v, top, "file_ending") ||
	    !(text = json_text(&v)))
		return false;
	d->file_ending = xstrdup(text);
	if (!json_has(top, "overwrite_image_reader_writer"))
		return true;
	if (!json_get(&v, top, "overwrite_image_reader_writer") || !(text = json_text(&v)))
		return false;
	d->reader = xstrdup(text);
	return true;
}

bool dataset_read(struct dataset *d, const char *dataset_json)
{
	struct json top;
	bool ok;

	*d = (struct dataset){ .labels.ignore = -1 };
	if (!json_read(&top, dataset_json))
		return false;
	ok = read_dataset(d, &top);
	json_free(&top);
	if (!ok)
		dataset_free(d);
	return ok;
}

void dataset_free(struct dataset *d)
{
	for (int i = 0; i < d->n_channels; i++)
		free(d->channel_name[i]);
	free(d->file_ending);
	free(d->reader);
	labels_free(&d->labels);
	*d = (struct dataset){ .labels.ignore = -1 };
}

/* ---- model folders ---- */

/* The folder that holds path, by its text alone. */
static char *parent_of(const char *path)
{
	size_t end = strlen(path), n;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (n = end; n > 0 && path[n - 1] != '/';)
		n--;
	if ((end - n == 1 && path[n] == '.') || (end - n == 2 && path[n] == '.' && path[n + 1] == '.'))
		return xasprintf("%.*s/..", (int)end, path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	return n ? xasprintf("%.*s", (int)n, path) : xstrdup(".");
}

static bool holds(const char *folder, const char *file)
{
	char *path = xasprintf("%s/%s", folder, file);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

char *model_of_checkpoint(const char *checkpoint)
{
	char *fold = parent_of(checkpoint), *model = parent_of(fold), *found = NULL;

	if (holds(fold, "plans.json") && holds(fold, "dataset.json"))
		found = xstrdup(fold);
	else if (holds(model, "plans.json") && holds(model, "dataset.json"))
		found = xstrdup(model);
	else
		fail(XDATA, "%s: no model folder: neither %s nor %s holds plans.json and dataset.json", checkpoint, model, fold);
	free(fold);
	free(model);
	return found;
}

static int is_fold(const struct dirent *d) { return !strncmp(d->d_name, "fold_", 5); }

static int is_checkpoint(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && !strcmp(d->d_name + n - 4, ".pth") && d->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* Entries of a folder that pass, sorted bytewise; their names as one NULL-terminated block, empty when it cannot be read. */
static char **list(const char *folder, int (*pass)(const struct dirent *))
{
	struct dirent **entry;
	int n = scandir(folder, &entry, pass, by_name);
	char **names = xcalloc((size_t)(n > 0 ? n : 0) + 1, sizeof *names);

	for (int i = 0; i < n; i++) {
		names[i] = xasprintf("%s/%s", folder, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return names;
}

static void list_free(char **names)
{
	for (char **p = names; *p; p++)
		free(*p);
	free(names);
}

char *model_first_checkpoint(const char *model)
{
	char **folds = list(model, is_fold), *first = NULL;

	for (char **fold = folds; *fold && !first; fold++) {
		char **files = list(*fold, is_checkpoint);
		if (*files)
			first = xstrdup(*files);
		list_free(files);
	}
	list_free(folds);
	return first;
}
