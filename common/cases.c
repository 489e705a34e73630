#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/die.h"
#include "common/image.h"

struct item {
	char *path, *name;               /* name: of the case */
	int channel;                     /* -1: no suffix */
	int rank;                        /* place in the list */
};
struct items { int n, capacity; struct item *item; };

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Bytes of a name's stem, without its ending. */
static size_t stem(const char *name)
{
	const char *ending = image_ending(name);

	return strlen(name) - (ending ? strlen(ending) : 0);
}

int case_channel(const char *path)
{
	const char *name = base_name(path), *suffix;
	size_t n = stem(name);
	int channel = 0;

	if (n < 6 || name[n - 5] != '_')
		return -1;
	suffix = name + n - 4;
	for (int i = 0; i < 4; i++) {
		if (!isdigit((unsigned char)suffix[i]))
			return -1;
		channel = channel * 10 + (suffix[i] - '0');
	}
	return channel;
}

static void add(struct items *l, const char *path, bool labels)
{
	int channel = labels ? -1 : case_channel(path);
	const char *name = base_name(path);

	if (l->n == l->capacity)
		l->item = xrealloc(l->item, (size_t)(l->capacity = l->capacity ? 2 * l->capacity : 64), sizeof *l->item);
	l->item[l->n] = (struct item){ .path = xstrdup(path), .channel = channel, .rank = l->n };
	l->item[l->n].name = xasprintf("%.*s", (int)stem(name) - (channel < 0 ? 0 : 5), name);
	l->n++;
}

static void clear(struct items *l)
{
	for (int i = 0; i < l->n; i++) {
		free(l->item[i].path);
		free(l->item[i].name);
	}
	free(l->item);
}

static int by_name(const void *a, const void *b)
{
	const struct item *p = a, *q = b;
	int d = strcmp(p->name, q->name);

	return d ? d : p->channel != q->channel ? (p->channel < q->channel ? -1 : 1) : p->rank < q->rank ? -1 : p->rank > q->rank;
}

static int by_rank(const void *a, const void *b)
{
	const struct item *p = a, *q = b;

	return p->rank < q->rank ? -1 : p->rank > q->rank;
}

static bool add_folder(struct items *l, const char *folder, bool labels)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int first = l->n;

	if (!d)
		return fail_sys("cannot open folder %s", folder);
	for (errno = 0; (e = readdir(d)); errno = 0)
		if (e->d_name[0] != '.' && image_ending(e->d_name)) {
			char *path = xasprintf("%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", e->d_name);
			add(l, path, labels);
			free(path);
		}
	if (errno) {
		fail_sys("cannot read folder %s", folder);
		closedir(d);
		return false;
	}
	closedir(d);
	if (l->n == first)
		return fail(XDATA, "folder %s holds no images (.nii.gz, .png and others, see decode(1))", folder);
	qsort(l->item + first, (size_t)(l->n - first), sizeof *l->item, by_name);
	for (int i = first; i < l->n; i++)
		l->item[i].rank = i;
	return true;
}

/* Items grouped by case and channel become l; the order of cases is that of their first items. */
static bool group(struct case_list *l, struct items *all)
{
	struct items first = {0};
	struct item *it = all->item;

	qsort(it, (size_t)all->n, sizeof *it, by_name);
	for (int i = 1; i < all->n; i++)
		if (!strcmp(it[i - 1].name, it[i].name) && (it[i - 1].channel == it[i].channel || it[i - 1].channel < 0))
			return fail(XDATA, "case %s is there twice: %s and %s", it[i].name, it[i - 1].path, it[i].path);
	first.item = xcalloc((size_t)all->n, sizeof *first.item);
	for (int i = 0, end; i < all->n; i = end) {
		struct item *g = &first.item[first.n++];
		*g = (struct item){ .name = it[i].name, .channel = i, .rank = it[i].rank };
		for (end = i; end < all->n && !strcmp(it[end].name, it[i].name); end++)
			g->rank = it[end].rank < g->rank ? it[end].rank : g->rank;
	}
	qsort(first.item, (size_t)first.n, sizeof *first.item, by_rank);
	l->c = xcalloc((size_t)first.n, sizeof *l->c);
	for (l->n = 0; l->n < first.n; l->n++) {
		struct case_files *c = &l->c[l->n];
		int begin = first.item[l->n].channel;
		while (begin + c->n < all->n && !strcmp(it[begin + c->n].name, it[begin].name))
			c->n++;
		c->name = xstrdup(it[begin].name);
		c->path = xcalloc((size_t)c->n, sizeof *c->path);
		for (int i = 0; i < c->n; i++)
			c->path[i] = xstrdup(it[begin + i].path);
	}
	free(first.item);
	return true;
}

bool case_list_files(struct case_list *l, char *const *paths, int n, bool labels)
{
	struct items all = {0};
	struct stat st;
	bool ok = true;

	*l = (struct case_list){0};
	for (int i = 0; i < n && ok; i++) {
		if (!*paths[i])
			ok = fail(XDATA, "the list of images holds an empty name");
		else if (!stat(paths[i], &st) && S_ISDIR(st.st_mode))
			ok = add_folder(&all, paths[i], labels);
		else
			add(&all, paths[i], labels);
	}
	ok = ok && group(l, &all);
	clear(&all);
	return ok;
}

bool case_list_folder(struct case_list *l, const char *folder, bool labels)
{
	char *path = xstrdup(folder);
	bool ok = case_list_files(l, &path, 1, labels);

	free(path);
	return ok;
}

void case_list_free(struct case_list *l)
{
	for (int i = 0; i < l->n; i++) {
		for (int j = 0; j < l->c[i].n; j++)
			free(l->c[i].path[j]);
		free(l->c[i].path);
		free(l->c[i].name);
	}
	free(l->c);
	*l = (struct case_list){0};
}

char *label_file(const char *folder, const char *name)
{
	for (const char *const *e = image_endings; *e; e++) {
		char *path = xasprintf("%s/%s%s", folder, name, *e);
		struct stat st;
		if (!stat(path, &st))
			return path;
		free(path);
	}
	fail(XDATA, "%s: folder %s holds no label file of this case (.nii.gz, .png or another ending)", name, folder);
	return NULL;
}
