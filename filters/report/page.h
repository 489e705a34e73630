/* page: the template with everything in its place, and what fills the places. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H
#include <stdio.h>
#include "filters/report/report.h"

void page_write(FILE *out, const struct report *r);

/* Places of the template; each writes nothing where there is nothing to say. */
void put_summary(FILE *out, const struct report *r);
void put_limits(FILE *out, const struct report *r);       /* what the page cannot tell */
/* Whether it is a table of triage; fail()s XDATA. */
bool decision_check(const struct tsv *t, const char *file);
void put_decision(FILE *out, const struct report *r);
void put_evidence(FILE *out, const struct report *r);
void put_legend(FILE *out, const struct report *r);
void put_cases(FILE *out, const struct report *r);
void put_scores(FILE *out, const struct report *r);       /* all of them against Dice */
void put_columns(FILE *out, const struct report *r);
void put_commands(FILE *out, const struct report *r);
void put_data(FILE *out, const struct report *r);         /* all columns, for the script */
void put_pictures(FILE *out, const struct report *r);

/* A cell of a table as people read it: four digits of a number that is not whole. */
void put_cell(FILE *out, const char *cell);
#endif
