/* Checkpoints made by files.py: the readable ones are what reader.py finds, equal weights have one hash whatever the
 * container, and each of the others is refused by name, with nothing executed. */
#include <glob.h>
#include <unistd.h>
#include "common/io.h"
#include "common/opt.h"
#include "tests/checkpoint/second.h"

static void list(glob_t *g, const char *pattern, size_t least)
{
	if (glob(pattern, 0, NULL, g) || g->gl_pathc < least)
		die(XNO, "files.py made too few of %s", pattern);
}

static void readable(void)
{
	static char hash[64][17];
	char equal[17] = "";
	FILE *second = second_reading("ok-*.pth");
	glob_t g;

	list(&g, "ok-*.pth", 40);
	for (size_t i = 0; i < g.gl_pathc && i < 64; i++) {
		const char *path = g.gl_pathv[i];
		bool like = !strncmp(path, "ok-equal-", 9), unlike = !strncmp(path, "ok-other-", 9);
		compare_file(path, second, hash[i]);
		if (like && !*equal)
			strcpy(equal, hash[i]);
		if (like && strcmp(equal, hash[i]))
			die(XNO, "%s: equal weights, but the hash is %s and not %s", path, hash[i], equal);
		for (size_t j = 0; unlike && j < i; j++)
			if (!strcmp(hash[i], hash[j]))
				die(XNO, "%s and %s: other weights, but one hash", path, g.gl_pathv[j]);
	}
	if (pclose(second))
		die(XNO, "reader.py failed");
	globfree(&g);
	list(&g, "hash-*.pth", 1);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct checkpoint c;
		if (!checkpoint_open(&c, g.gl_pathv[i]))
			die_failed();
		if (strcmp(c.weights_hash, equal))
			die(XNO, "%s: another hash", g.gl_pathv[i]);
		checkpoint_close(&c);
	}
	globfree(&g);
}

static void refused(const char *path)
{
	char *text = xasprintf("%.*s.txt", (int)strlen(path) - 4, path), *cause;
	struct checkpoint c;
	size_t n;

	if (!io_slurp(text, 1000, &cause, &n))
		die_failed();
	if (checkpoint_open(&c, path))
		die(XNO, "%s: was read", path);
	if (failed_code() != XDATA || !strstr(failed_text(), path) || !strstr(failed_text(), cause))
		die(XNO, "%s: expected exit 3 and '%s', got %d: %s", path, cause, failed_code(), failed_text());
	free(text);
	free(cause);
}

int main(void)
{
	char *command = xasprintf("exec /usr/bin/python3 '%s/checkpoint/files.py'", getenv("TESTS"));
	struct checkpoint c;
	glob_t g;

	if (system(command))
		die(XNO, "files.py failed");
	free(command);
	readable();
	list(&g, "bad-*.pth", 60);
	for (size_t i = 0; i < g.gl_pathc; i++)
		refused(g.gl_pathv[i]);
	globfree(&g);
	if (access("executed", F_OK) == 0)
		die(XNO, "a pickle was executed");
	if (checkpoint_open(&c, "not-there.pth") || failed_code() != XIO || checkpoint_open(&c, ".") || failed_code() != XIO)
		die(XNO, "a missing file and a folder are XIO");
	memory_limit = 300;
	if (checkpoint_open(&c, "ok-equal-zip.pth") || failed_code() != XDATA || !strstr(failed_text(), "--memory"))
		die(XNO, "memory_limit does not hold");
	return 0;
}
