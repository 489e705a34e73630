/* report: the tables that follow from sums, as tab-separated text, malloc'ed, of *length bytes. */
#ifndef CALIBRATE_REPORT_H
#define CALIBRATE_REPORT_H
#include "filters/calibrate/counts.h"

/* Every measure: of all voxels together, as mean over the cases, and with per_case of each case; sums are sorted. */
char *report_measures(size_t *length, const struct counts *s, bool per_case);
char *report_reliability(size_t *length, const struct counts *s);
/* The temperature, with a line on standard error where there is no best one. */
char *report_fit(size_t *length, const struct counts *s);
#endif
