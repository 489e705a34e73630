/* correlate: how well each score of a table tells Dice: correlations and risk metrics with intervals. */
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/correlate/correlate.h"

static const char *against = "dice", *columns, *orientations, *bad, *metric_list, *ranked;
static struct study study = { .draws = 1000, .seed = 1, .level = 0.95 };
static const struct opt opts[] = {
	OPT_STRING('y', "against", &against, "COLUMN", "the column that the others are to tell"),
	OPT_STRING('x', "columns", &columns, "COLUMN,...", "the scores to look at, names or patterns (all that may be one)"),
	OPT_STRING('m', "metrics", &metric_list, "METRIC,...", "a line for each score and metric, with interval; all: those whose limits are given"),
	OPT_STRING('r', "rank", &ranked, "METRIC", "which score is best by this metric, and is it more than noise?"),
	OPT_STRING(0, "by", &study.by, "COLUMN", "a table for each value of this column"),
	OPT_STRING(0, "failure", &limit_text[AT_FAILURE], "VALUE,...", "a case failed if -y is below this (above, where large is bad)"),
	OPT_STRING(0, "at-risk", &limit_text[AT_RISK], "RISK,...", "for coverage_at_risk: the mean risk that is acceptable"),
	OPT_STRING(0, "at-coverage", &limit_text[AT_COVERAGE], "SHARE,...", "for risk_at_coverage: the share of cases that is kept"),
	OPT_STRING(0, "orient", &orientations, "COLUMN=WAY,...", "read a score as uncertainty or as confidence"),
	OPT_CHOICE(0, "bad", &bad, "WHICH", "small|large", "which values of -y are the bad ones"),
	OPT_CLUSTERS,
	OPT_INT('b', "bootstrap", &study.draws, "N", 0, 1000000, "draws for the intervals; 0: none"),
	OPT_INT(0, "seed", &study.seed, "N", 0, 2147483647, "which draws"),
	OPT_DOUBLE(0, "level", &study.level, "LEVEL", 0.5, 0.9999, "level of the intervals"),
	OPT_INT('j', "threads", &study.threads, "N", 0, 1024, "threads; 0: one for each processor"),
	OPT_END
};

static void add_score(int c)
{
	study.score = xrealloc(study.score, (size_t)study.n_scores + 1, sizeof *study.score);
	study.score[study.n_scores++] = c;
}

/* The scores that a pattern names, or (NULL) all; of single classes these only in the table of correlations. */
static void add_scores(const char *pattern)
{
	const struct tsv *t = study.t;

	for (int c = 0; c < t->n_columns; c++)
		if (c != study.cy && column_rates(t, c) &&
		    (pattern ? !fnmatch(pattern, t->name[c], 0) : !strchr(t->name[c], ':') || !(metric_list || ranked)))
			add_score(c);
}

static void find_scores(const char *file)
{
	const struct tsv *t = study.t;
	char *copy = columns ? xstrdup(columns) : NULL, *list = copy;

	for (char *s; (s = next_word(&list));) {
		int before = study.n_scores;
		if (tsv_column(t, s) < 0 && strpbrk(s, "*?["))
			add_scores(s);
		else
			add_score(column_needed(t, s, file));
		if (study.n_scores == before)
			die(XDATA, "%s has no score like %s", file, s);
	}
	if (!columns)
		add_scores(NULL);
	study.confident = xcalloc((size_t)study.n_scores + 1, sizeof *study.confident);
	for (int i = 0; i < study.n_scores; i++)
		study.confident[i] = column_confident(t->name[study.score[i]]);
	free(copy);
}

static void orient(void)
{
	char *copy = orientations ? xstrdup(orientations) : NULL, *list = copy;

	for (char *s; (s = next_word(&list));) {
		char *way = strrchr(s, '=');
		if (!way || (strcmp(way, "=confidence") && strcmp(way, "=uncertainty")))
			opt_usage("--orient: '%s' is not COLUMN=confidence or COLUMN=uncertainty", s);
		*way++ = 0;
		for (int i = 0; i < study.n_scores; i++)
			if (!strcmp(study.t->name[study.score[i]], s))
				study.confident[i] = *way == 'c';
	}
	free(copy);
}

static void find_bad(void)
{
	enum bad known = column_bad(against);

	if (!bad && known == BAD_UNKNOWN && (metric_list || ranked))
		opt_usage("are small or large values of %s the bad ones? Say --bad small or --bad large", against);
	study.large_is_bad = bad ? *bad == 'l' : known == BAD_LARGE;
}

static void tables(const struct group *groups, int n_groups)
{
	struct figure *list = NULL;
	int n = 0;

	if (ranked || metric_list)
		n = figures_named(&list, ranked ? ranked : metric_list);
	if (ranked && n != 1)
		opt_usage("-r ranks by one metric at one limit");
	if (study.by)
		printf("%s\t", study.by);
	for (int i = -1; i < n_groups; i++) {           /* -1: the line of names */
		const struct group *g = i < 0 ? NULL : &groups[i];
		if (ranked)
			table_of_ranks(&study, g, list[0]);
		else if (metric_list)
			table_of_figures(&study, g, list, n);
		else
			table_of_correlations(&study, g);
	}
	free(list);
}

int main(int argc, char **argv)
{
	struct tsv t;
	const char *file;
	struct group *groups;
	int n_groups;

	opt_parse(&argc, &argv, opts, "[FILE]", "how well each score of a table tells Dice: correlations and risk metrics with intervals");
	if (argc > 1)
		opt_usage("there are %d operands where one table is read", argc);
	if (metric_list && ranked)
		opt_usage("-m and -r make different tables; give one of them");
	if (!tsv_read(&t, argc ? argv[0] : NULL))
		die_failed();
	file = argc && strcmp(argv[0], "-") ? argv[0] : "standard input";
	if (t.n_rows == 0)
		die(XDATA, "%s has a line of names but no cases", file);
	study.t = &t;
	study.cy = column_needed(&t, against, file);
	if (!study.threads)
		study.threads = parallel_cpus();
	find_bad();
	find_scores(file);
	orient();
	if (!clusters_find(&study.clusters, &t, file) || !groups_make(&groups, &n_groups, &study, file))
		die_failed();
	tables(groups, n_groups);
	groups_free(groups, n_groups);
	clusters_free(&study.clusters);
	free(study.score);
	free(study.confident);
	tsv_free(&t);
	io_close_stdout();
	return XOK;
}
