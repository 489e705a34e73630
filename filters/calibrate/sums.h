/* sums: what calibrate counts, of one case and of all, and the file in which it waits to be added to others. */
#ifndef CALIBRATE_SUMS_H
#define CALIBRATE_SUMS_H
#include "common/labels.h"
#include "filters/calibrate/fit.h"
#include "filters/calibrate/tally.h"

/* A binary problem: the most probable class is right ("top_label"), or a voxel is of a "class" or in a "region". */
struct target { const char *of; char *name; };

struct part { struct tally *tally; struct fit fit; };    /* tally: [n_targets] */

struct case_row {
	char *name, *reason;                     /* reason: why it failed, NULL for a good one */
	struct measures *m;                      /* [n_targets], of a good one */
};

struct sums {
	int n_bins;                              /* what sums must have in common to be added */
	bool foreground, with_fit, regions;
	int n_targets;                           /* 0 before the first good case */
	struct target *target;                   /* [n_targets]: classes: top_label, then each class by its value; regions: each */
	struct part all;
	int n_cases;
	struct case_row *row;                    /* [n_cases] */
};

void part_make(struct part *p, const struct sums *s);
void part_clear(struct part *p, const struct sums *s);
void part_free(struct part *p, const struct sums *s);
void part_join(struct part *p, const struct part *other, const struct sums *s);

/* Takes its targets from the labels of the first case and compares the later ones.  fail()s XDATA when they differ or the counts
 * need more than memory_limit. */
bool sums_labels(struct sums *s, const struct labels *l);
/* The same with targets [n], malloc'ed, which are the sums' from here on, or freed. */
bool sums_targets(struct sums *s, struct target *target, int n);
void targets_free(struct target *target, int n);
const char *target_word(const char *of);         /* one of the three, or NULL */
/* A new row; its measures, if it has no reason, are the caller's to make. */
struct case_row *sums_row(struct sums *s, const char *name, const char *reason);
/* A row of a good case, and its counts into s->all. */
void sums_add(struct sums *s, const char *name, const struct part *p);
/* Rows by name.  fail()s XDATA when two have the same. */
bool sums_sort(struct sums *s);
void sums_free(struct sums *s);

/* Text of the whole (sorted), malloc'ed; and s plus what such a file holds: fail()s XDATA ("FILE, line N: ...") or XIO. */
char *sums_text(const struct sums *s, size_t *length);
bool sums_read(struct sums *s, const char *path);
#endif
