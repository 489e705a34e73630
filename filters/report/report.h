/* report: what the page is made of: the table, its order, pictures and the tables beside it. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "common/tsv.h"

/* One of the flags of a case, which stand in a cell between commas. */
struct flag { const char *name; int length; };

/* The thumbnail of a case as render writes it. */
struct picture {
	char *data;              /* the whole file; NULL: there is none */
	size_t n;
	unsigned width, height;
	char *text;              /* its description, NULL if it has none */
};

/* Files of plot(1), without ".svg". */
extern const char *const plot_names[4];

struct report {
	struct tsv table;
	const char *file;        /* its name, for messages */
	int name, score, dice, flags, reason;   /* columns, -1 where missing; score is missing only where all cases failed */
	bool confident;          /* large scores are sure, not doubtful */
	double largest;          /* finite score */
	size_t *order;           /* [table.n_rows]: rows, the most doubtful first */
	struct picture *picture; /* [table.n_rows] */
	size_t n_pictures;
	const char *title;
	struct plot { char *svg; size_t n; } plot[4];   /* those of plot_names that there are */
	char *commands, *history;       /* text, or NULL */
	struct flag_count { struct flag flag; size_t cases; } *count;   /* [n_counts], as they first occur */
	int n_counts;
	struct tsv correlation, triage;         /* no columns where they are not given */
};

/* Finds the columns and the order.  fail()s XDATA when the table has no cases, or lacks column `score`. */
bool report_order(struct report *r, const char *score);
void report_free(struct report *r);

/* The flags of a row: for (s = flags_of(r, row); next_flag(&f, &s);) */
const char *flags_of(const struct report *r, size_t row);
bool next_flag(struct flag *f, const char **s);
bool has_flag(const struct report *r, size_t row, const char *name);
bool has_warning(const struct report *r, size_t row);     /* a flag that is more than a note */
void flags_count(struct report *r);                       /* fills r->count */
bool flag_is_common(const struct report *r, const struct flag *f);       /* all cases have it, but those that failed */
void put_flag(FILE *out, const struct flag *f);           /* in words */

/* Reads CASE_thumbnail.png of each case in the folder, where it is.  fail()s XIO, XDATA: a file that is no PNG. */
bool pictures_read(struct report *r, const char *folder);
void pictures_free(struct report *r);
/* Reads what there is of plot_names in a folder.  fail()s XIO; warns when there is none. */
bool plots_read(struct report *r, const char *folder);
void plots_free(struct report *r);
#endif
