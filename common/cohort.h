/* cohort: what the columns of a table of scores mean, which cases belong to one patient, and an order of rows that does
 * not depend on the file's. */
#ifndef COMMON_COHORT_H
#define COMMON_COHORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "common/opt.h"
#include "common/tsv.h"

/* Is a large value of this column a sure case (pairwise_dice), not a doubtful one (class_entropy)?  The rule for NAME
 * holds for NAME:CLASS. */
bool column_confident(const char *name);
/* Columns that compare with reference labels: which of their values are the bad ones.  UNKNOWN: no such column. */
enum bad { BAD_UNKNOWN, BAD_SMALL, BAD_LARGE };
enum bad column_bad(const char *name);
/* A number that may be a score: no name, no count of members, no comparison with reference labels. */
bool column_rates(const struct tsv *t, int c);
/* The column of that name, which holds numbers; dies XDATA if there is none.  file: for the message. */
int column_needed(const struct tsv *t, const char *name, const char *file);

/* Rows by case name, then by their other cells; malloc'ed. */
size_t *cohort_order(const struct tsv *t);

/* The options that name patients; clusters_find() obeys them. */
extern const char *cluster_regex, *cluster_column;
#define OPT_CLUSTERS \
	OPT_STRING(0, "cluster", &cluster_regex, "REGEX", "the part of the case name that names the patient: first group, or whole match"), \
	OPT_STRING(0, "cluster-column", &cluster_column, "COLUMN", "the column that names the patient (patient, if there is one)")

enum { CLUSTERS_FEW = 20 };         /* below, what is said of clusters is indicative */

/* The patient of each row; of: [rows of the table], numbered in the order of their names.  Without options: the column
 * patient, else each case is one.  fail()s XDATA (a name that does not match), XUSAGE (bad expression, no column). */
struct clusters { unsigned *of, n; };
bool clusters_find(struct clusters *c, const struct tsv *t, const char *file);
/* The same for n of its rows: out: [n], numbered without gaps; returns how many. */
unsigned clusters_among(unsigned *out, const struct clusters *c, const size_t *row, size_t n);
void clusters_free(struct clusters *c);
/* The last cell of a line with intervals: "indicative", "undefined_draws:N" (draws that did not define the figure), or "-". */
void put_note(FILE *out, unsigned n_clusters, int undefined);
#endif
