/* frames: what its list and its comparison share with the selection. */
#ifndef FRAMES_FRAMES_H
#define FRAMES_FRAMES_H
#include "common/frame.h"

/* What -c and -L choose; everything without them. */
bool case_wanted(const struct frame *f);
bool layer_wanted(const struct layer *l);
void put_text(const char *s);                                    /* on stdout, control characters as question marks */
double value_at(const void *data, enum dtype t, size_t i);       /* the i-th value of data */

/* Both consume their streams and return the exit status. */
int list(struct source *in, bool headers);                       /* headers: as JSON, else the table */
int compare(struct source *first, struct source *second, double tolerance, bool only_data);
#endif
