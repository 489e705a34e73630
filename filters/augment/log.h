/* log: a table of what was drawn for each patch. */
#ifndef FILTERS_AUGMENT_LOG_H
#define FILTERS_AUGMENT_LOG_H
#include "common/augment.h"

void log_open(const char *path);
/* A row for each number that was drawn: case, transform, channel, parameter, value. */
void log_patch(const char *name, const struct augmentation *d, const struct augmenter *a);
void log_close(void);
#endif
