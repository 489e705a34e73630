/* second: compares checkpoint_open() with what reader.py reads from the same file. */
#ifndef SECOND_H
#define SECOND_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/checkpoint.h"
#include "common/die.h"

static const char *after_prefixes(const char *name)
{
	while (!strncmp(name, "module.", 7) || !strncmp(name, "_orig_mod.", 10))
		name += *name == 'm' ? 7 : 10;
	return name;
}

static char *settings_of(const struct checkpoint *c)
{
	char *trainer = c->trainer_name ? xasprintf("\"%s\"", c->trainer_name) : xstrdup("null");
	char *configuration = c->configuration ? xasprintf("\"%s\"", c->configuration) : xstrdup("null");
	char *fold = !c->fold ? xstrdup("null") : c->fold[0] > '9' ? xasprintf("\"%s\"", c->fold) : xstrdup(c->fold);
	char mirror[16] = "null", *all;

	if (c->has_mirroring) {
		strcpy(mirror, "[");
		for (int i = 0; i < c->n_mirror; i++)
			sprintf(mirror + strlen(mirror), "%s%d", i ? ", " : "", c->mirror_axis[i]);
		strcat(mirror, "]");
	}
	all = xasprintf("[%s, %s, %s, %s]", trainer, configuration, fold, mirror);
	free(trainer);
	free(configuration);
	free(fold);
	return all;
}

static _Noreturn void differs(const char *path, const char *what, const char *here, const char *there)
{
	die(XNO, "%s: %s: %s, but by reader.py %s", path, what, here, there);
}

static void compare_tensor(const char *path, const struct checkpoint *c, const struct checkpoint_tensor *t, FILE *second)
{
	static char line[4096];
	char *shape = xstrdup(t->name), *longer;
	size_t count = 1;
	float *a, *b;

	if (!fgets(line, sizeof line, second) || strlen(line) < 2)
		differs(path, t->name, "there", "not");
	line[strlen(line) - 1] = 0;
	for (int d = 0; d < t->n_dims; d++) {
		longer = xasprintf("%s %lld", shape, (long long)t->dim[d]);
		free(shape);
		shape = longer;
		count *= (size_t)t->dim[d];
	}
	if (strcmp(shape, after_prefixes(line)))
		differs(path, "name and shape", shape, line);
	a = xcalloc(count, sizeof *a);
	b = xcalloc(count, sizeof *b);
	if (!checkpoint_load(a, c, t))
		die_failed();
	if (fread(b, sizeof *b, count, second) != count)
		die(XNO, "%s: reader.py ended", path);
	for (size_t i = 0; i < count; i++)
		if (memcmp(&a[i], &b[i], sizeof *a))
			die(XNO, "%s: %s[%zu] is %.9g, but by reader.py %.9g", path, shape, i, (double)a[i], (double)b[i]);
	if (checkpoint_find(c, t->name) != t)
		die(XNO, "%s: checkpoint_find does not find %s", path, t->name);
	free(a);
	free(b);
	free(shape);
}

/* Dies where the two differ; the hash of the weights goes to hash. */
static void compare_file(const char *path, FILE *second, char hash[17])
{
	static char line[4096];
	struct checkpoint c;
	char *settings;

	if (!checkpoint_open(&c, path))
		die_failed();
	settings = settings_of(&c);
	if (!fgets(line, sizeof line, second))
		differs(path, "settings", settings, "(nothing)");
	line[strlen(line) - 1] = 0;
	if (strcmp(line, settings))
		differs(path, "settings", settings, line);
	for (int i = 0; i < c.n_tensors; i++)
		compare_tensor(path, &c, &c.tensor[i], second);
	if (!fgets(line, sizeof line, second) || strcmp(line, "\n"))
		differs(path, "after the last tensor", "nothing", line);
	memcpy(hash, c.weights_hash, 17);
	free(settings);
	checkpoint_close(&c);
}

/* reader.py on files, as a shell understands them. */
static FILE *second_reading(const char *files)
{
	const char *tests = getenv("TESTS");
	char *command = xasprintf("exec /usr/bin/python3 '%s/checkpoint/reader.py' %s", tests ? tests : "tests", files);
	FILE *f = popen(command, "r");

	if (!f)
		die_sys("cannot run python3");
	free(command);
	return f;
}
#endif
