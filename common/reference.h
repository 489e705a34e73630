/* reference: the label map that a case is compared with, on the case's grid. */
#ifndef COMMON_REFERENCE_H
#define COMMON_REFERENCE_H
#include "common/labels.h"

/* The label file of a case, malloc'ed: CASE.<ending> in the folder `references`, or `references` itself, a file, for the first
 * case of a stream (n_case 1).  NULL after fail(). */
char *reference_path(const char *references, const char *name, int n_case);
/* out: [z][y][x] of the frame's grid, malloc'ed.  fail()s XDATA on another shape and on values other than 0 to the largest
 * label and the ignore label, or XIO. */
bool reference_read(uint16_t **out, const char *path, const struct frame *f, const struct labels *l);
#endif
