/* counts: what calibrate counts, of one case and of all, and the file in which it waits to be added to others. */
#ifndef CALIBRATE_COUNTS_H
#define CALIBRATE_COUNTS_H
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

struct counts {
	int n_bins;                              /* what sums must have in common to be added */
	bool foreground, with_fit, regions;
	int n_targets;                           /* 0 before the first good case */
	struct target *target;                   /* [n_targets]: classes: top_label, then each class by its value; regions: each */
	struct part all;
	int n_cases;
	struct case_row *row;                    /* [n_cases] */
};

void part_make(struct part *p, const struct counts *s);
void part_clear(struct part *p, const struct counts *s);
void part_free(struct part *p, const struct counts *s);
void part_join(struct part *p, const struct part *other, const struct counts *s);

/* Takes its targets from the labels of the first case and compares the later ones.  fail()s XDATA when they differ or the counts
 * need more than memory_limit. */
bool counts_labels(struct counts *s, const struct labels *l);
/* The same with targets [n], malloc'ed, which are the sums' from here on, or freed. */
bool counts_targets(struct counts *s, struct target *target, int n);
void targets_free(struct target *target, int n);
const char *target_word(const char *of);         /* one of the three, or NULL */
/* A new row; its measures, if it has no reason, are the caller's to make. */
struct case_row *counts_row(struct counts *s, const char *name, const char *reason);
/* A row of a good case, and its counts into s->all. */
void counts_add(struct counts *s, const char *name, const struct part *p);
/* Rows by name.  fail()s XDATA when two have the same. */
bool counts_sort(struct counts *s);
void counts_free(struct counts *s);

/* Text of the whole (sorted), malloc'ed; and s plus what such a file holds: fail()s XDATA ("FILE, line N: ...") or XIO. */
char *counts_text(const struct counts *s, size_t *length);
bool counts_read(struct counts *s, const char *path);
#endif
