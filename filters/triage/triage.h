/* triage: what planning on cases with labels and listing cases without them have in common. */
#ifndef TRIAGE_H
#define TRIAGE_H
#include <stdint.h>
#include "common/bootstrap.h"
#include "common/cohort.h"
#include "common/risk.h"
#include "common/tsv.h"

enum { BUDGETS_MAX = 100 };

struct budget { double amount; bool share; };           /* a share of the cases (0..1), or a number of them */

struct triage {
	const char *score, *against;
	bool confident, large_is_bad;
	double failure;                          /* a case failed beyond this value of `against` */
	struct budget budget[BUDGETS_MAX];
	int n_budgets;
	double catch;                            /* share of the failed cases, 0: none given */
	int draws, threads, seed;
	double level;
};

/* Cases with labels, as the score ranks them. */
struct labelled {
	const char *file;
	struct rated rated;
	unsigned *cluster, n_clusters;
	size_t dropped;
	int failed;
};

/* Dies XDATA where a column is missing or no case failed. */
void labelled_make(struct labelled *l, const struct triage *how, const struct tsv *t, const char *file);
void labelled_free(struct labelled *l);
/* The whole number of cases that a budget is among n. */
size_t budget_cases(struct budget b, size_t n);
/* The score down to which (up to which, of a confidence) the most doubtful share of cases reaches. */
double labelled_threshold(const struct labelled *l, struct budget b);

/* The table: budget -> share of the failed cases that it finds. */
void print_plan(const struct labelled *l, const struct triage *how);
/* The smallest share of cases that holds how->catch of the failed ones; says so on standard error with its interval. */
struct budget plan_catch(const struct labelled *l, const struct triage *how);

/* The rows to review, the most doubtful first: as many as the budget says, or (NULL) those not surer than the threshold.  A row
 * whose score is nan is the most doubtful. */
void print_list(const struct tsv *t, int cx, bool confident, const struct budget *budget, double threshold);
#endif
