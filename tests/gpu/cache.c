/* The cache of plans: what is stored comes back; what is damaged, of another version or device, or of another shape does not; two
 * programs may write at a time; it stays small. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "filters/infer-checkpoint/cuda/plancache.h"

static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s\n", what);
	failures++;
}

static bool holds(const struct plancache *c, const char *shape, const char *text)
{
	struct stored_plan p;
	bool same;

	if (!plancache_load(&p, c, shape))
		return false;
	same = !strcmp(p.text, text) && p.engine == 62 && p.notes == 3 && p.seconds == 1.25e-4;
	free(p.text);
	check(same, "another plan comes back than was stored");
	return same;
}

static void put(const struct plancache *c, const char *shape, char *text)
{
	plancache_store(c, shape, &(struct stored_plan){ 62, 3, 1.25e-4, text });
}

/* Names of the files in a folder, and how many. */
static int list(char name[][64], int most, const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));)
		if (*e->d_name != '.' && n++ < most)
			snprintf(name[n - 1], 64, "%.63s", e->d_name);
	closedir(d);
	return n;
}

static void write_file(const char *path, const char *data, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(data, 1, n, f) != n || fclose(f))
		die_sys("cannot write %s", path);
}

static void stored(void)
{
	struct plancache *c = plancache_open("a/b", "cuDNN 91900, H100"), *newer = plancache_open("a/b", "cuDNN 92000, H100"),
	                 *other = plancache_open("a/b", "cuDNN 91900, H200");

	check(!holds(c, "shape 1", "x"), "an empty cache holds a plan");
	put(c, "shape 1", "{\"plan\": 1}\n");
	put(c, "shape 2", "");
	check(holds(c, "shape 1", "{\"plan\": 1}\n"), "what is stored comes back");
	check(holds(c, "shape 2", ""), "an empty text, too");
	check(!holds(c, "shape", "x") && !holds(c, "shape 11", "x"), "another shape");
	check(!holds(newer, "shape 1", "x"), "another version");
	check(!holds(other, "shape 1", "x"), "another device");
	put(newer, "shape 1", "newer");
	check(holds(newer, "shape 1", "newer") && holds(c, "shape 1", "{\"plan\": 1}\n"), "versions live side by side");
	put(c, "shape 1", "again");
	check(holds(c, "shape 1", "again"), "the last one wins");
	plancache_close(c);
	plancache_close(newer);
	plancache_close(other);
}

/* Cut off anywhere, a bit of any byte turned, something behind it, a file of another shape under its name. */
static void damaged(void)
{
	struct plancache *c = plancache_open("damaged", "cuDNN 91900, H100");
	char name[2][64], path[100], *data;
	size_t n;

	put(c, "shape 1", "{\"engine\": 62, \"knobs\": [1, 2, 3]}");
	check(list(name, 2, "damaged") == 1, "one file");
	snprintf(path, sizeof path, "damaged/%s", name[0]);
	if (!io_slurp(path, 4096, &data, &n))
		die_failed();
	for (size_t i = 0; i < n; i++) {
		write_file(path, data, i);
		check(!holds(c, "shape 1", ""), "a file cut off is believed");
		data[i] ^= 1;
		write_file(path, data, n);
		check(!holds(c, "shape 1", ""), "a file with a wrong bit is believed");
		data[i] ^= 1;
	}
	write_file(path, data, n + 1);
	check(!holds(c, "shape 1", ""), "a file with more behind it is believed");
	write_file(path, data, n);
	check(holds(c, "shape 1", "{\"engine\": 62, \"knobs\": [1, 2, 3]}"), "the whole file is not believed");
	put(c, "shape 2", "x");
	check(list(name, 2, "damaged") == 2, "two files");
	for (int i = 0; i < 2; i++) {
		char other[160];
		snprintf(other, sizeof other, "damaged/%s", name[i]);
		if (strcmp(path, other))
			write_file(other, data, n);
	}
	check(!holds(c, "shape 2", ""), "a file of another shape is believed");
	unlink(path);
	mkdir(path, 0777);
	check(!holds(c, "shape 1", ""), "a folder is believed");
	put(c, "shape 1", "x");
	check(!holds(c, "shape 1", ""), "a folder was replaced");
	put(c, "shape 2", "y");
	check(holds(c, "shape 2", "y"), "a damaged file is replaced");
	free(data);
	plancache_close(c);
}

static void no_folder(void)
{
	struct plancache *c = plancache_open("/dev/null/none", "v");

	put(c, "shape", "x");
	check(!holds(c, "shape", "x"), "a cache without a folder holds a plan");
	plancache_close(c);
	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("HOME", "", 1);
	c = plancache_open(NULL, "v");
	put(c, "shape", "x");
	check(!holds(c, "shape", "x") && access("relative", F_OK), "a relative cache is used");
	plancache_close(c);
	char *here = xasprintf("%s/home", getcwd((char[4096]){0}, 4096));
	setenv("HOME", here, 1);
	c = plancache_open(NULL, "v");
	put(c, "shape", "x");
	check(holds(c, "shape", "x") && !access("home/.cache/qualm/cudnn", F_OK), "the cache of the home is not used");
	plancache_close(c);
	free(here);
}

/* Four programs write and read the same plan: what is read is whole, and of one of them. */
static void many_writers(void)
{
	enum { WRITERS = 4, TIMES = 50, SIZE = 20000 };
	struct plancache *c = plancache_open("many", "v");
	char name[4][64];

	for (int w = 0; w < WRITERS; w++)
		if (fork() == 0) {
			char *text = xcalloc(SIZE + 1, 1);
			bool ok = true;
			for (int i = 0; i < TIMES; i++) {
				struct stored_plan p;
				memset(text, 'a' + w, SIZE);
				put(c, "shape", text);
				ok = plancache_load(&p, c, "shape") && ok;
				if (!ok)
					break;
				memset(text, p.text[0], SIZE);
				ok = !strcmp(p.text, text) && p.text[0] >= 'a' && p.text[0] < 'a' + WRITERS;
				free(p.text);
			}
			free(text);
			_exit(!ok);
		}
	for (int w = 0, status; w < WRITERS; w++)
		check(wait(&status) > 0 && status == 0, "a reader did not find a whole plan");
	check(list(name, 4, "many") == 1, "writers leave files behind");
	plancache_close(c);
}

static void small(void)
{
	struct plancache *c = plancache_open("small", "v");
	char path[100], name[1][64];
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	put(c, "used", "x");
	for (int i = 0; i < PLANCACHE_FILES; i++) {
		snprintf(path, sizeof path, "small/%016x.plan", i);
		write_file(path, "", 0);
		old[1].tv_sec = 2000 + i;
		utimensat(AT_FDCWD, path, old, 0);
	}
	write_file("small/notes.txt", "mine", 4);
	check(holds(c, "used", "x"), "a plan among many");
	put(c, "new", "x");
	check(list(name, 0, "small") == PLANCACHE_FILES / 4 * 3 + 1, "the cache grows without bound");
	check(holds(c, "used", "x") && holds(c, "new", "x"), "what was used goes before what was not");
	check(!access("small/notes.txt", F_OK), "a file that is not the cache's is removed");
	snprintf(path, sizeof path, "small/%016x.plan", 0);
	check(access(path, F_OK), "what was used longest ago stays");
	plancache_close(c);
}

int main(void)
{
	stored();
	damaged();
	no_folder();
	many_writers();
	small();
	return failures > 0;
}
