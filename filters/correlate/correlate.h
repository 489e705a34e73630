/* correlate: what the tables of this program have in common: the cases of a group, and how they are read. */
#ifndef CORRELATE_H
#define CORRELATE_H
#include <stdint.h>
#include "common/bootstrap.h"
#include "common/cohort.h"
#include "common/risk.h"
#include "common/tsv.h"

struct study {
	const struct tsv *t;
	struct clusters clusters;
	int cy;                          /* the column that the others are to tell */
	int *score, n_scores;            /* columns, in the order of the table or of -x */
	bool *confident;                 /* [n_scores] */
	bool large_is_bad;               /* of cy */
	const char *by;                  /* NULL: no groups */
	int draws, threads, seed;
	double level;
};

/* A metric at one of its limits (NaN where it has none). */
struct figure { const struct metric *metric; double at; };

/* Some rows of the table, in an order that does not depend on the file's. */
struct group { const char *name; size_t *row, n; };

/* The next of the words in *list, which end at commas; NULL at the end.  Changes the list. */
char *next_word(char **list);
/* The options that give limits, numbers separated by commas. */
extern const char *limit_text[N_LIMITS];
/* The metrics of a list of names, or "all" that have their limits, each at each of these; malloc'ed; how many.  Ends with a
 * usage error. */
int figures_named(struct figure **list, const char *names);

/* The groups of column s->by, in the order of its numbers or names; one of all rows without it.  fail()s XDATA. */
bool groups_make(struct group **groups, int *n_groups, const struct study *s, const char *file);
void groups_free(struct group *groups, int n_groups);

/* Copies the rows where all of `score` (n of them) are numbers and y is finite; finite: the scores, too.  x: [n][rows],
 * y: [rows], row: [rows]; returns how many. */
size_t study_rows(double *x, double *y, size_t *row, const struct study *s, const struct group *g, const int *score, int n, bool finite);
/* Figures of one set of rows by one or more scores: resampled together. */
struct resampling study_resampling(const struct study *s, const unsigned *cluster, size_t n, unsigned n_clusters);

void put_group(const struct study *s, const struct group *g);           /* its name and a tab, if there are groups */

/* The tables.  The line of names is printed for g == NULL. */
void table_of_correlations(const struct study *s, const struct group *g);
void table_of_figures(const struct study *s, const struct group *g, const struct figure *list, int n);
void table_of_ranks(const struct study *s, const struct group *g, struct figure by);
#endif
