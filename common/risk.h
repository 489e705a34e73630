/* risk: how good a score is at telling bad cases from good ones, as figures of weighted cases.
 *
 * n cases are put in order of confidence, the surest first; each carries a risk, larger is worse.  R_k is the mean risk of
 * the k surest, G_k their sum of risks over n.  Where scores are equal every figure is the expectation over all orders of
 * the equal cases, so none depends on the order of a file.  An infinite score counts: it is the most (or least) doubtful. */
#ifndef COMMON_RISK_H
#define COMMON_RISK_H
#include <stdbool.h>
#include <stddef.h>

/* Cases as one score rates them; vectors are [n] and owned. */
struct rated {
	size_t n;
	double *x, *y;                /* the score, and the column that it is to tell, both as they stand in the table */
	double *doubt, *risk;         /* x turned so that large is uncertain, y so that large is bad */
	size_t *by_doubt, *by_risk, *by_both;
	double sign;                  /* of correlations between x and y, where doubt and risk correlate positively */
	bool large_is_bad;
};

/* How the two columns are read. */
struct reading { bool confident, large_is_bad; };

/* Copies n rows without NaN. */
void rated_make(struct rated *r, const double *x, const double *y, size_t n, struct reading how);
void rated_free(struct rated *r);

/* What a metric is at.  AT_FAILURE: a y, below which (above where large is bad) a case failed; AT_RISK: a mean risk;
 * AT_COVERAGE: a share of the cases. */
enum limit { AT_NOTHING, AT_FAILURE, AT_RISK, AT_COVERAGE, N_LIMITS };
struct metric {
	const char *name;
	bool correlation;             /* between x and y as they stand; defined on finite rows only */
	bool large_is_good;           /* of figures that are no correlations */
	enum limit limit;
	double (*of)(const struct rated *r, const unsigned *w);                  /* without a limit */
	double (*of_at)(const struct rated *r, const unsigned *w, double at);    /* with one */
};
enum { N_METRICS = 13 };
extern const struct metric metrics[N_METRICS + 1];               /* ends with a NULL name */
/* w: how often each case counts, or NULL: once; at: the limit, if there is one.  NaN where the figure is not defined. */
double metric_value(const struct metric *m, const struct rated *r, const unsigned *w, double at);
const struct metric *metric_named(const char *name, size_t length);      /* NULL if there is none */

/* The share of cases failed at y = failure (as AT_FAILURE) that are among the share `budget` (0..1) of most doubtful ones; NaN without a failure. */
double risk_caught(const struct rated *r, const unsigned *w, double failure, double budget);
/* The smallest share of most doubtful cases that holds at least `catch` (0..1) of the failed ones; NaN without a failure. */
double risk_budget(const struct rated *r, const unsigned *w, double failure, double catch);
bool risk_failed(const struct rated *r, size_t i, double failure);
#endif
