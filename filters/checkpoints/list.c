#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/checkpoint-store.h"
#include "common/die.h"
#include "common/tsv.h"
#include "filters/checkpoints/checkpoints.h"

/* Names with their numbers as numbers: checkpoint_9.pth before checkpoint_17.pth. */
static int by_number(const void *a, const void *b)
{
	const char *s = *(const char *const *)a, *t = *(const char *const *)b;

	for (; *s && *t; s++, t++) {
		if (isdigit((unsigned char)*s) && isdigit((unsigned char)*t)) {
			char *s_end, *t_end;
			unsigned long i = strtoul(s, &s_end, 10), k = strtoul(t, &t_end, 10);
			if (i != k)
				return i < k ? -1 : 1;
			s = s_end - 1;
			t = t_end - 1;
		} else if (*s != *t) {
			break;
		}
	}
	return (unsigned char)*s - (unsigned char)*t;
}

static int64_t parameters(const struct checkpoint *c)
{
	int64_t sum = 0;

	for (int i = 0; i < c->n_tensors; i++) {
		size_t n = 0;
		if (!checkpoint_is_second_name(c->tensor[i].name))
			checkpoint_count(&n, &c->tensor[i]);
		sum += (int64_t)n;
	}
	return sum;
}

static int n_listed;                    /* checkpoints so far */

static bool list_file(const char *path)
{
	struct checkpoint c;
	const struct pickle_value *ema, *state;
	double dice;

	if (!checkpoint_open(&c, path))
		return false;
	ema = pickle_get(pickle_get(c.store->tree.root, "logging"), "ema_fg_dice");
	state = pickle_get(pickle_get(c.store->tree.root, "optimizer_state"), "state");
	printf("%s\t", path);
	if (c.epoch >= 0)
		printf("%lld", (long long)c.epoch);
	printf("\t%s\t%s\t%s\t%lld\t%s\t%s", c.configuration ? c.configuration : "", c.fold ? c.fold : "",
	       c.trainer_name ? c.trainer_name : "", (long long)parameters(&c), c.weights_hash,
	       state && state->kind == PICKLE_DICT && state->n ? "yes" : "no");
	if (ema && ema->kind == PICKLE_LIST && ema->n && pickle_real(&dice, ema->item[ema->n - 1]))
		tsv_put(stdout, dice);
	else
		putchar('\t');
	putchar('\n');
	checkpoint_close(&c);
	n_listed++;
	return true;
}

static bool list_folder(const char *path, bool inner)
{
	DIR *d = opendir(path);
	char **name = NULL;
	int n = 0;
	bool ok = true;

	if (!d)
		return fail_sys("cannot read folder %s", path);
	for (struct dirent *e; (e = readdir(d));) {
		size_t length = strlen(e->d_name);
		if ((length < 4 || strcmp(e->d_name + length - 4, ".pth")) && (inner || strncmp(e->d_name, "fold_", 5)))
			continue;
		name = xrealloc(name, (size_t)n + 1, sizeof *name);
		name[n++] = xasprintf("%s/%s", path, e->d_name);
	}
	closedir(d);
	if (n)
		qsort(name, (size_t)n, sizeof *name, by_number);
	for (int i = 0; i < n; i++) {
		struct stat st;
		bool folder = !stat(name[i], &st) && S_ISDIR(st.st_mode);
		ok = ok && (folder ? inner || list_folder(name[i], true) : list_file(name[i]));
		free(name[i]);
	}
	free(name);
	return ok;
}

bool checkpoints_list(int n, char *const *path)
{
	puts("file\tepoch\tconfiguration\tfold\ttrainer\tparameters\tweights\tmomentum\tema_dice");
	for (int i = 0; i < n; i++) {
		struct stat st;
		if (stat(path[i], &st))
			return fail_sys("cannot open %s", path[i]);
		int before = n_listed;
		if (!(S_ISDIR(st.st_mode) ? list_folder(path[i], false) : list_file(path[i])))
			return false;
		if (n_listed == before)
			return fail(XDATA, "%s holds no checkpoint *.pth, nor does a folder fold_* in it", path[i]);
	}
	return true;
}
