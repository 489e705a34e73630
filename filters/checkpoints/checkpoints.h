/* checkpoints: what the commands of checkpoints(1) do.  All fail(). */
#ifndef CHECKPOINTS_CHECKPOINTS_H
#define CHECKPOINTS_CHECKPOINTS_H
#include "common/checkpoint.h"

/* list.c: a line for each file, and for each *.pth of a folder and of the fold_* in it, onto standard output. */
bool checkpoints_list(int n, char *const *path);
/* compare.c: a line for each weight of both; *same: none differs by more than tolerance times the largest weight of its
 * tensor in a. */
bool checkpoints_compare(bool *same, const char *a, const char *b, double tolerance);
/* write.c: the mean of the weights of n files, which may be one; what else they hold is the first one's, without what serves
 * training alone. */
bool checkpoints_mean(const char *output, int n, char *const *path);
#endif
