#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "filters/infer-checkpoint/cuda/plancache.h"

/* A file: "qualm plan 1 HASH\n", HASH that of all that follows: the line made_for, the line shape, "ENGINE NOTES SECONDS\n", the
 * plan. */
#define MAGIC "qualm plan 1 "
#define SUFFIX ".plan"
enum { HEX = 16, MAX_FILE = 8 << 20 };

struct plancache { char *folder, *made_for; };  /* folder: NULL if there is none */

static char *default_folder(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && *cache == '/')             /* XDG base directories: a path that is not absolute is ignored */
		return xasprintf("%s/qualm/cudnn", cache);
	return home && *home ? xasprintf("%s/.cache/qualm/cudnn", home) : NULL;
}

struct plancache *plancache_open(const char *folder, const char *made_for)
{
	struct plancache *c = xmalloc(1, sizeof *c);

	c->folder = folder ? xstrdup(folder) : default_folder();
	c->made_for = xstrdup(made_for);
	return c;
}

void plancache_close(struct plancache *c)
{
	free(c->folder);
	free(c->made_for);
	free(c);
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash(const char *text, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
	return h;
}

static char *path_of(const struct plancache *c, const char *key)
{
	return xasprintf("%s/%016" PRIx64 SUFFIX, c->folder, hash(key, strlen(key)));
}

/* text: [n] a whole file, key its lines made_for and shape. */
static bool parse(struct stored_plan *p, const char *text, size_t n, const char *key)
{
	size_t head = sizeof MAGIC - 1 + HEX + 1, keys = strlen(key);
	char sum[HEX + 2];
	int used = 0;

	if (n < head + keys || memchr(text, 0, n))
		return false;
	snprintf(sum, sizeof sum, "%016" PRIx64 "\n", hash(text + head, n - head));
	if (memcmp(text, MAGIC, sizeof MAGIC - 1) || memcmp(text + head - HEX - 1, sum, HEX + 1) || memcmp(text + head, key, keys))
		return false;
	text += head + keys;
	if (sscanf(text, "%d %u %lf%n", &p->engine, &p->notes, &p->seconds, &used) != 3 || text[used] != '\n')
		return false;
	p->text = xstrdup(text + used + 1);
	return true;
}

bool plancache_load(struct stored_plan *p, const struct plancache *c, const char *shape)
{
	char *key, *path, *text;
	size_t n;
	bool ok = false;

	if (!c->folder)
		return false;
	key = xasprintf("%s\n%s\n", c->made_for, shape);
	path = path_of(c, key);
	if (io_slurp(path, MAX_FILE, &text, &n)) {
		ok = parse(p, text, n, key);
		free(text);
	}
	if (ok)
		utimensat(AT_FDCWD, path, NULL, 0);     /* used now */
	free(path);
	free(key);
	return ok;
}

struct file { char name[HEX + sizeof SUFFIX]; struct timespec used; size_t size; };

static int by_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* Removes what was used longest ago until there is room for a quarter more. */
static void trim(int folder, struct file *file, size_t n, size_t bytes)
{
	if (n <= PLANCACHE_FILES && bytes <= PLANCACHE_BYTES)
		return;
	qsort(file, n, sizeof *file, by_use);
	for (size_t i = 0; i < n && (n - i > PLANCACHE_FILES / 4 * 3 || bytes > PLANCACHE_BYTES / 4 * 3); i++) {
		unlinkat(folder, file[i].name, 0);
		bytes -= file[i].size;
	}
}

static void keep_small(const char *folder)
{
	DIR *d = opendir(folder);
	struct file *file = NULL;
	size_t n = 0, capacity = 0, bytes = 0;
	struct stat st;

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		struct file f;
		size_t length = strlen(e->d_name);
		if (length != sizeof f.name - 1 || strspn(e->d_name, "0123456789abcdef") != HEX || strcmp(e->d_name + HEX, SUFFIX) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		memcpy(f.name, e->d_name, sizeof f.name);
		f.used = st.st_mtim;
		f.size = (size_t)st.st_size;
		if (n == capacity)
			file = xrealloc(file, capacity = capacity ? 2 * capacity : 64, sizeof *file);
		file[n++] = f;
		bytes += f.size;
	}
	trim(dirfd(d), file, n, bytes);
	free(file);
	closedir(d);
}

void plancache_store(const struct plancache *c, const char *shape, const struct stored_plan *p)
{
	char *key, *body, *path, *head;
	struct outfile f;

	if (!c->folder || !io_mkdirs(c->folder))
		return;
	key = xasprintf("%s\n%s\n", c->made_for, shape);
	body = xasprintf("%s%d %u %.9g\n%s", key, p->engine, p->notes, p->seconds, p->text);
	head = xasprintf(MAGIC "%016" PRIx64 "\n", hash(body, strlen(body)));
	path = path_of(c, key);
	if (strlen(body) < MAX_FILE / 2 && outfile_open(&f, path)) {
		if (io_write(f.fd, head, strlen(head)) && io_write(f.fd, body, strlen(body)))
			outfile_commit(&f);
		else
			outfile_abort(&f);
		keep_small(c->folder);
	}
	free(path);
	free(head);
	free(body);
	free(key);
}
