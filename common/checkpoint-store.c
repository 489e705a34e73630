#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/checkpoint-store.h"
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"

/* ---- storages ---- */

/* Persistent id: ("storage", class, key, location, elements) and, in the legacy container, None or a view. */
static bool read_storage(struct storage *s, const struct pickle_value *v)
{
	const struct pickle_value *id = v->id;
	const char *what;

	if (id->kind != PICKLE_TUPLE || id->n < 5 || !(what = pickle_text(id->item[0])) || strcmp(what, "storage"))
		return fail(XDATA, "the pickle refers to something other than a storage");
	if (id->item[1]->kind != PICKLE_GLOBAL || id->item[1]->global != GLOBAL_STORAGE || !(s->key = pickle_text(id->item[2])) ||
	    !pickle_int(&s->n, id->item[4]) || s->n < 0)
		return fail(XDATA, "the pickle describes a storage wrongly");
	if (id->n > 5 && id->item[5]->kind != PICKLE_NONE)
		return fail(XDATA, "storage %s is a view of another one, as torch before 0.4 wrote it", s->key);
	s->type = id->item[1]->storage;
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct storage *)a)->key, ((const struct storage *)b)->key);
}

/* The table of all storages that the tree names. */
static bool list_storages(struct checkpoint_store *s)
{
	int n = 0, kept = 0;

	for (struct pickle_value *v = s->tree.persistent; v; v = v->previous)
		if (++n == INT_MAX)
			return fail(XDATA, "too many storages");
	s->storage = xcalloc((size_t)n, sizeof *s->storage);
	for (struct pickle_value *v = s->tree.persistent; v; v = v->previous)
		if (!read_storage(&s->storage[s->n_storages++], v))
			return false;
	qsort(s->storage, (size_t)n, sizeof *s->storage, by_key);
	for (int i = 0; i < n; i++) {
		const struct storage *t = &s->storage[i], *last = kept ? &s->storage[kept - 1] : NULL;
		if (!last || strcmp(last->key, t->key))
			s->storage[kept++] = *t;
		else if (last->type != t->type || last->n != t->n)
			return fail(XDATA, "storage %s is described in two ways", t->key);
	}
	s->n_storages = kept;
	return true;
}

static struct storage *find_key(const struct checkpoint_store *s, const char *key)
{
	struct storage wanted = { .key = key };

	return bsearch(&wanted, s->storage, (size_t)s->n_storages, sizeof *s->storage, by_key);
}

int store_find(const struct checkpoint_store *s, const struct pickle_value *v)
{
	struct storage found;

	if (!v || v->kind != PICKLE_PERSISTENT || !read_storage(&found, v))
		return -1;
	return (int)(find_key(s, found.key) - s->storage);
}

/* ---- zip container (contract 4.2) ---- */

/* An entry, which must be stored as torch does: so that no size exceeds the file's. */
static bool read_entry(struct checkpoint_store *s, int64_t i, const char **data, size_t *n)
{
	if (!archive_view(s->archive, i, s->left, data, n))
		return false;
	s->left -= *n;
	return true;
}

/* The one entry "FOLDER/data.pkl"; -1 after fail(). */
static int64_t find_pickle(struct checkpoint_store *s)
{
	int64_t found = -1, n = zip_get_num_entries(s->archive->zip, 0);

	for (int64_t i = 0; i < n; i++) {
		const char *name = zip_get_name(s->archive->zip, (zip_uint64_t)i, 0), *slash = name ? strchr(name, '/') : NULL;
		if (!slash || strcmp(slash, "/data.pkl"))
			continue;
		if (found >= 0) {
			fail(XDATA, "%s: has two data.pkl", s->path);
			return -1;
		}
		found = i;
		s->prefix = xasprintf("%.*s/", (int)(slash - name), name);
	}
	if (found < 0)
		fail(XDATA, "%s: a zip archive, but without the data.pkl of torch.save", s->path);
	return found;
}

static bool open_zip(struct checkpoint_store *s)
{
	int64_t i, order;
	const char *tree, *order_name;
	char *name;
	size_t size, n;

	if (!(s->archive = archive_open(s->path)) || (i = find_pickle(s)) < 0 || !read_entry(s, i, &tree, &size))
		return false;
	name = xasprintf("%sbyteorder", s->prefix);
	order = zip_name_locate(s->archive->zip, name, 0);
	free(name);
	if (order >= 0) {
		if (!read_entry(s, order, &order_name, &n))
			return false;
		if (n != 6 || memcmp(order_name, "little", 6))
			return fail(XDATA, "%s: written on a big-endian machine", s->path);
	}
	if (pickle_read(&s->tree, tree, size, NULL) && list_storages(s))
		return true;
	fail_prefix("%s", s->path);
	return false;
}

bool store_read(struct checkpoint_store *s, int i)
{
	struct storage *t = &s->storage[i];
	size_t need, n;
	int64_t entry;
	const char *data;
	char *name;

	if (t->data)
		return true;
	if (!s->archive)                                /* read_payload() found it, were it there */
		return fail(XDATA, "%s: storage %s is missing", s->path, t->key);
	name = xasprintf("%sdata/%s", s->prefix, t->key);
	entry = zip_name_locate(s->archive->zip, name, 0);
	free(name);
	if (entry < 0)
		return fail(XDATA, "%s: storage %s is missing", s->path, t->key);
	if (!read_entry(s, entry, &data, &n))
		return false;
	if (!size_mul(&need, t->n, (int64_t)dtype_size(t->type)) || n < need)
		return fail(XDATA, "%s: storage %s has %zu bytes, too few for %lld elements of %s", s->path, t->key, n,
		            (long long)t->n, dtype_name(t->type));
	t->data = data;
	return true;
}

/* ---- legacy container (contract 4.4): pickles and raw storages one after another ---- */

/* After the pickles: for each key of the list, the number of elements and the elements. */
static bool read_payload(struct checkpoint_store *s, const struct pickle_value *keys, size_t at)
{
	if (keys->kind != PICKLE_LIST)
		return fail(XDATA, "the list of storages is missing");
	for (size_t i = 0; i < keys->n; i++) {
		const char *key = pickle_text(keys->item[i]);
		struct storage *t = key ? find_key(s, key) : NULL;
		size_t bytes;
		int64_t n;

		if (!t)
			return fail(XDATA, "storage %s is listed but not used", key ? key : "without a name");
		if (s->size - at < 8)
			return fail(XDATA, "ends before storage %s", key);
		memcpy(&n, s->buf + at, 8);
		at += 8;
		if (n != t->n)
			return fail(XDATA, "storage %s holds %lld elements instead of %lld", key, (long long)n, (long long)t->n);
		if (!size_mul(&bytes, n, (int64_t)dtype_size(t->type)) || bytes > s->size - at)
			return fail(XDATA, "ends within storage %s", key);
		t->data = s->buf + at;
		at += bytes;
	}
	return true;
}

static bool read_legacy(struct checkpoint_store *s)
{
	static const char magic[10] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
	const struct pickle_value *little;
	struct pickle p;
	size_t at = 0, used;
	int64_t version;
	bool ok;

	for (int i = 0; i < 3; i++, at += used) {       /* magic number, protocol version, description of the machine */
		const char *cause = NULL;
		if (!pickle_read(&p, s->buf + at, s->size - at, &used))
			return false;
		little = pickle_get(p.root, "little_endian");
		if (i == 0 && (p.root->kind != PICKLE_LONG || p.root->length != sizeof magic ||
		               memcmp(p.root->s, magic, sizeof magic)))
			cause = "a pickle, but not of torch.save";
		else if (i == 1 && (!pickle_int(&version, p.root) || version != 1001))
			cause = "of an unknown version of torch.save";
		else if (i == 2 && (!little || little->kind != PICKLE_BOOL || !little->i))
			cause = "written on a big-endian machine";
		pickle_free(&p);
		if (cause)
			return fail(XDATA, "%s", cause);
	}
	if (!pickle_read(&s->tree, s->buf + at, s->size - at, &used) || !list_storages(s))
		return false;
	at += used;
	if (!pickle_read(&p, s->buf + at, s->size - at, &used))
		return false;
	ok = read_payload(s, p.root, at + used);
	pickle_free(&p);
	return ok;
}

bool store_open(struct checkpoint_store *s, const char *path)
{
	char head[4] = "";
	struct stat st;
	FILE *f;

	*s = (struct checkpoint_store){ .path = xstrdup(path) };
	if (!(f = fopen(path, "rb")))
		return fail_sys("cannot open %s", path);
	if (fstat(fileno(f), &st) || fread(head, 1, 4, f) < 4) {
		bool broken = ferror(f);
		if (broken)
			fail_sys("cannot read %s", path);
		fclose(f);
		return broken ? false : fail(XDATA, "%s: no checkpoint of torch: it has fewer than 4 bytes", path);
	}
	fclose(f);
	s->file_size = s->left = (size_t)st.st_size;
	if (!memcmp(head, "PK\3\4", 4))
		return open_zip(s);
	if ((unsigned char)head[0] != 0x80)
		return fail(XDATA, "%s: no checkpoint of torch: neither a zip archive nor a pickle", path);
	if (!io_slurp(path, memory_limit, &s->buf, &s->size))
		return false;
	if (read_legacy(s))
		return true;
	fail_prefix("%s", path);
	return false;
}

void store_close(struct checkpoint_store *s)
{
	pickle_free(&s->tree);
	archive_close(s->archive);
	free(s->storage);
	free(s->by_name);
	free(s->prefix);
	free(s->buf);
	free(s->path);
	*s = (struct checkpoint_store){ 0 };
}
