/* slices: scores and flags of each slice of a case, in its closing map.
 *
 * The map's key `slices` is a map of `scores` and `flags`: from each name to a bin of a value a plane, in the order of z:
 * <f8 for a score, |u1 (0 or 1) for a flag. */
#ifndef COMMON_SLICES_H
#define COMMON_SLICES_H
#include "common/frame.h"

struct slices_column { char *name; double *value; };
struct slices {                  /* zeroed before its first use */
	int64_t planes;
	int n_scores, n_flags;
	struct slices_column *score, *flag;   /* value: [planes] */
	int next;                /* private: where the next score probably is */
};

void slices_begin(struct slices *s, int64_t planes);                          /* of a new case */
void slices_put(struct slices *s, int64_t z, const char *name, double value);
/* Every flag that a program may set is put for each slice, so that one that is not set is known not to be. */
void slices_flag(struct slices *s, int64_t z, const char *name, bool set);
/* Adds what was put to the closing map, beside what another program left there.  fail()s XDATA when it would get too long. */
bool slices_to_frame(struct frame *f, const struct slices *s);
/* The same of scores that were put as those of the only plane: they are the case's own. */
bool slices_case_to_frame(struct frame *f, const struct slices *s);
void slices_free(struct slices *s);

/* What is there of a frame: the map `scores` or `flags` (which); NULL without any. */
const msgpack_object *slices_of(const struct frame *f, const char *which);
/* The value in plane z of an entry of these maps; false if it is none of so many planes. */
bool slices_value(double *value, const msgpack_object *bin, int64_t planes, int64_t z);
#endif
