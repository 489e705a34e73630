/* table: the rows of a TSV kept until all cases have come, so that its columns are the union of theirs. */
#ifndef SCORE_TABLE_H
#define SCORE_TABLE_H
#include <stddef.h>

struct column { char *name; int rank; };
struct row { char *name, *subset, *flags, *reason; int n; double *value; };   /* value: [n] by column; later columns have none */
struct table { int n_columns, n_rows, next; struct column *column; struct row *row; };

void table_column(struct table *t, const char *name);     /* so that it is there whether a case has it or not */
void table_row(struct table *t, const char *name);        /* a new case; the following are about it */
void table_subset(struct table *t, const char *subset);    /* which members; the column is there when a row has one */
void table_put(struct table *t, const char *column, double value);
void table_flag(struct table *t, const char *flag);
void table_reason(struct table *t, const char *reason);
/* Tab-separated text, malloc'ed, of *length bytes: case, subset, slice, dice and what else ranks first, members, flags, reason.
 * Numbers as %.9g, nan or inf; "-" for no flags and no reason. */
char *table_text(struct table *t, size_t *length);
void table_free(struct table *t);
#endif
