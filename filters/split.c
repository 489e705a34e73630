/* split: divide the training cases into the folds of a cross-validation. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsontext.h"
#include "common/mt19937.h"
#include "common/opt.h"
#include "common/training-set.h"

static const char *output, *group;
static int n_folds = 5, seed = 12345;
static bool clean;
static regex_t expression;               /* of group */

static const struct opt opts[] = {
	OPT_STRING('o', "output", &output, "FOLDER", "where splits_final.json goes ($nnUNet_preprocessed/DATASET)"),
	OPT_STRING('g', "group", &group, "REGEX", "keep cases in one fold whose names have the same match of this expression"),
	OPT_INT('n', "folds", &n_folds, "N", 2, 1000, "number of folds"),
	OPT_INT(0, "seed", &seed, "N", 0, 2147483647, "of the shuffle that cases are dealt in without --group"),
	OPT_FLAG(0, "clean", &clean, "replace a split that is there"),
	OPT_END
};

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void read_group(void)
{
	char text[200];
	int e = regcomp(&expression, group, REG_EXTENDED);

	if (!e)
		return;
	regerror(e, &expression, text, sizeof text);
	opt_usage("--group: '%s' is no extended regular expression: %s", group, text);
}

/* n: of cases, or of groups */
static void need(int n)
{
	const char *s = n == 1 ? "" : "s";

	if (n >= n_folds)
		return;
	if (group)
		die(XDATA, "--group '%s' makes %d group%s, which cannot be divided into %d folds (-n)", group, n, s, n_folds);
	die(XDATA, "%d case%s cannot be divided into %d folds (-n)", n, s, n_folds);
}

/* sklearn's KFold with shuffle (contract 6.4): consecutive pieces of the shuffled cases, the first n % folds of them one longer. */
static void deal_shuffled(int *fold, int n)
{
	uint32_t *order = xmalloc((size_t)n, sizeof *order);
	struct mt19937 r;

	need(n);
	mt_seed(&r, (uint32_t)seed);
	mt_permutation(&r, order, (uint32_t)n);
	for (int f = 0, at = 0; f < n_folds; f++)
		for (int end = at + n / n_folds + (f < n % n_folds); at < end; at++)
			fold[order[at]] = f;
	free(order);
}

/* What the expression finds in a name: its first pair of parentheses, or all of the match; malloc'ed. */
static char *group_of(const char *name)
{
	regmatch_t m[2];
	int k;

	if (regexec(&expression, name, 2, m, 0))
		die(XDATA, "%s: --group '%s' matches nothing in this name", name, group);
	k = expression.re_nsub && m[1].rm_so >= 0 ? 1 : 0;
	return xasprintf("%.*s", (int)(m[k].rm_eo - m[k].rm_so), name + m[k].rm_so);
}

/* Groups in the order of their names go to the folds in turn: neighbours in a list of patients, often of one hospital or
 * disease, are spread over all folds. */
static void deal_groups(int *fold, char **name, int n)
{
	char **key = xmalloc((size_t)n, sizeof *key), **sorted = xmalloc((size_t)n, sizeof *sorted);
	int n_groups = 0;

	for (int i = 0; i < n; i++)
		sorted[i] = key[i] = group_of(name[i]);
	qsort(sorted, (size_t)n, sizeof *sorted, by_name);
	for (int i = 0; i < n; i++)
		if (!i || strcmp(sorted[i], sorted[n_groups - 1]))
			sorted[n_groups++] = sorted[i];
	need(n_groups);
	for (int i = 0; i < n; i++) {
		char **at = bsearch(&key[i], sorted, (size_t)n_groups, sizeof *sorted, by_name);
		fold[i] = (int)(at - sorted) % n_folds;
	}
	for (int i = 0; i < n; i++)
		free(key[i]);
	free(key);
	free(sorted);
}

static json_object *folds_json(const int *fold, char **name, int n)
{
	json_object *all = json_object_new_array();

	for (int f = 0; f < n_folds; f++) {
		json_object *o = json_object_new_object(), *part[2] = { json_object_new_array(), json_object_new_array() };
		for (int i = 0; i < n; i++)
			json_object_array_add(part[fold[i] == f], json_object_new_string(name[i]));
		json_object_object_add(o, "train", part[0]);
		json_object_object_add(o, "val", part[1]);
		json_object_array_add(all, o);
	}
	return all;
}

static void put_table(const int *fold, int n)
{
	puts("fold\ttrain\tval");
	for (int f = 0; f < n_folds; f++) {
		int val = 0;
		for (int i = 0; i < n; i++)
			val += fold[i] == f;
		printf("%d\t%d\t%d\n", f, n - val, val);
	}
}

/* The names of the cases, sorted; each belongs to the set. */
static char **names_of(const struct training_set *s)
{
	char **name = xmalloc((size_t)s->n, sizeof *name);

	for (int i = 0; i < s->n; i++)
		name[i] = s->c[i].name;
	qsort(name, (size_t)s->n, sizeof *name, by_name);
	return name;
}

int main(int argc, char **argv)
{
	struct training_set s;
	json_object *json;

	opt_parse(&argc, &argv, opts, "DATASET", "divide the training cases into the folds of a cross-validation");
	if (argc != 1)
		opt_usage("expected one operand, the data set");
	if (group)
		read_group();
	if (!training_set_open(&s, argv[0], output) || !training_set_cases(&s) || !training_set_make_folder(&s))
		die_failed();
	char *path = xasprintf("%s/splits_final.json", s.preprocessed), **name = names_of(&s);
	int *fold = xmalloc((size_t)s.n, sizeof *fold);
	if (!clean && !access(path, F_OK))
		die(XDATA, "%s is there; models may have been trained with it (--clean replaces it)", path);
	if (group)
		deal_groups(fold, name, s.n);
	else
		deal_shuffled(fold, s.n);
	json = folds_json(fold, name, s.n);
	if (!json_python_write(path, json))
		die_failed();
	put_table(fold, s.n);
	json_object_put(json);
	if (group)
		regfree(&expression);
	free(fold);
	free(name);
	free(path);
	training_set_free(&s);
	io_close_stdout();
	return XOK;
}
