/* subsets: which members of a case are averaged together, beside all of them. */
#ifndef AVERAGE_PROBS_SUBSETS_H
#define AVERAGE_PROBS_SUBSETS_H
#include "common/maps.h"
#include "filters/average-probs/members.h"

/* Kinds of subsets, which are the bits of a set and the places in subset_kinds. */
enum subset_kind { SUBSET_PREFIX, SUBSET_CYCLES, SUBSET_CYCLE, SUBSET_FOLDS, SUBSET_MEMBERS, N_SUBSETS };
extern const char *const subset_kinds[];         /* NULL ends it */

struct subset { char *name; int n; int member[MEMBERS_MAX]; };  /* member: places in struct members */
struct subsets { int n; struct subset *s; };

/* The first is "all"; those of the kinds wanted follow.
 * prefix   first_K for K = 1 to the number of members less one, in the order of their indexes
 * cycles   cycles_K for K = 1 to the number of training cycles: the members of the first K
 * cycle    cycle_K: those of the K-th alone
 * folds    fold_F: those of a fold
 * members  each alone, by its name
 * A cycle ends where the epochs, N in the members' names checkpoint_N, go on by more than twice the least step.
 * fail()s XDATA naming a member without an epoch, or without a fold. */
bool subsets_make(struct subsets *s, unsigned kinds, const struct members *m);
void subsets_free(struct subsets *s);
#endif
