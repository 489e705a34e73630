/* triage: the cases to review first, and how many it takes to find the bad ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/triage/triage.h"

static struct triage how = { .score = "class_entropy", .against = "dice", .draws = 1000, .seed = 1, .level = 0.95 };
static const char *budgets, *catch, *labels, *orientation;
static double threshold;
static bool plan, failure_given, threshold_given;
static const struct opt opts[] = {
	OPT_STRING('x', "score", &how.score, "COLUMN", "the score that ranks the cases"),
	OPT_STRING('b', "budget", &budgets, "BUDGET", "review a share (15%) or a number of cases (20); with -t several, by commas"),
	OPT_STRING('c', "catch", &catch, "SHARE", "review as many as find this share (80%) of the failed cases; needs labels and --below"),
	{ OPT_T_DOUBLE, 0, "threshold", &threshold, "VALUE", "review the cases whose score is as doubtful as this or more", -1e300, 1e300,
	  NULL, &threshold_given },
	{ OPT_T_DOUBLE, 0, "below", &how.failure, "VALUE", "a case failed if -y is below this (above, where large is bad)", -1e300, 1e300,
	  NULL, &failure_given },
	OPT_STRING('y', "against", &how.against, "COLUMN", "the column that tells failed cases"),
	OPT_STRING('l', "labelled", &labels, "FILE", "table of cases with labels to plan on, instead of the table itself"),
	OPT_FLAG('t', "table", &plan, "the table of budgets and what they find, no list"),
	OPT_CHOICE(0, "orient", &orientation, "WAY", "uncertainty|confidence", "read the score so, not by the rule of correlate"),
	OPT_CLUSTERS,
	OPT_INT(0, "bootstrap", &how.draws, "N", 0, 1000000, "draws for the intervals; 0: none"),
	OPT_INT(0, "seed", &how.seed, "N", 0, 2147483647, "which draws"),
	OPT_DOUBLE(0, "level", &how.level, "LEVEL", 0.5, 0.9999, "level of the intervals"),
	OPT_INT('j', "threads", &how.threads, "N", 0, 1024, "threads; 0: one for each processor"),
	OPT_END
};

/* 15% as 0.15, or a whole number of cases where that is allowed; length: of the word in s. */
static struct budget read_budget(const char *s, size_t length, bool cases, const char *option)
{
	char *end;
	double v = strtod(s, &end);
	bool percent = *end == '%';

	if (end == s || end + percent != s + length || !(v > 0) || (percent ? v > 100 : !cases || v != floor(v)))
		opt_usage("%s: '%.*s' is not %s", option, (int)length, s, cases ? "a share such as 15% or a number of cases" : "a share such as 80%");
	return (struct budget){ percent ? v / 100 : v, percent };
}

static void read_budgets(void)
{
	for (const char *s = budgets; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
		if (how.n_budgets == BUDGETS_MAX)
			opt_usage("-b: there are more than %d budgets", BUDGETS_MAX);
		how.budget[how.n_budgets++] = read_budget(s, strcspn(s, ","), true, "-b");
	}
	if (catch)
		how.catch = read_budget(catch, strlen(catch), false, "-c").amount;
	for (int i = 1; plan && !budgets && !catch && i <= 10; i++)
		how.budget[how.n_budgets++] = (struct budget){ 0.05 * i, true };
}

static void check_options(void)
{
	enum bad bad = column_bad(how.against);
	bool judges = plan || catch;

	if (!plan && (budgets != NULL) + (catch != NULL) + threshold_given != 1)
		opt_usage("one of -b, -c and --threshold says what to review; -t makes a table");
	if (plan && threshold_given)
		opt_usage("-t makes a table of budgets; --threshold makes a list");
	if (!plan && how.n_budgets > 1)
		opt_usage("several budgets make a table: -t");
	if (judges != failure_given)
		opt_usage(judges ? "which cases failed? Say --below VALUE" : "--below belongs to -c and -t");
	if (labels && !judges)
		opt_usage("--labelled belongs to -c and -t");
	if (judges && bad == BAD_UNKNOWN)
		opt_usage("-y %s does not tell failed cases; columns such as dice, surface_dice, hd95 do", how.against);
	how.large_is_bad = bad == BAD_LARGE;
	how.confident = orientation ? *orientation == 'c' : column_confident(how.score);
	if (!how.threads)
		how.threads = parallel_cpus();
}

static void read_table(struct tsv *t, const char *path)
{
	if (!tsv_read(t, path))
		die_failed();
	if (t->n_rows == 0)
		die(XDATA, "%s has a line of names but no cases", path ? path : "standard input");
}

int main(int argc, char **argv)
{
	struct tsv t, other;
	struct labelled l;
	const char *file;

	opt_parse(&argc, &argv, opts, "[FILE]", "the cases to review first, and how many it takes to find the bad ones");
	if (argc > 1)
		opt_usage("there are %d operands where one table is read", argc);
	read_budgets();
	check_options();
	read_table(&t, argc ? argv[0] : NULL);
	file = argc && strcmp(argv[0], "-") ? argv[0] : "standard input";
	if (labels)
		read_table(&other, labels);
	if (plan || catch)
		labelled_make(&l, &how, labels ? &other : &t, labels ? labels : file);
	if (plan) {
		print_plan(&l, &how);
	} else {
		if (catch)
			threshold = labelled_threshold(&l, plan_catch(&l, &how));
		print_list(&t, column_needed(&t, how.score, file), how.confident, budgets ? how.budget : NULL, threshold);
	}
	if (plan || catch)
		labelled_free(&l);
	if (labels)
		tsv_free(&other);
	tsv_free(&t);
	io_close_stdout();
	return XOK;
}
