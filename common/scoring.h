/* scoring: what programs that make scores of uncertainty maps share (contour-norm, aggregate): the maps of a frame and its
 * segmentation, the parts of that with their contours, the rule for what is empty, and where scores go.
 *
 *	if (!scoring_find(&s, f, false)) ... case_failed
 *	if (!scoring_any(&s)) ... sink_pass
 *	if (!scoring_begin(&s, f, false, lengths)) ... case_failed
 *	while (source_slab(in, f)) {
 *		scoring_slab(&s, f);                    // s.seg, s.map[m].value
 *		for each row: scoring_row(&s, seg of the row); after the last of a plane: scoring_slice_end(&s);
 *	}
 *	scoring_put(&s, -1, kind, part, value);
 *	if (!scoring_done(&s, f, per_slice)) ... case_failed
 *
 * A part is the foreground, part 0, or a class or region.  Of a map with a channel for each region (its layer says
 * per_region), part 0 has the largest of the channels, part i channel i - 1; of any other every part has the only channel. */
#ifndef COMMON_SCORING_H
#define COMMON_SCORING_H
#include "common/contour.h"
#include "common/segmentation.h"
#include "common/slices.h"

enum { SCORING_MAPS = 32 };

struct part {
	const char *name;        /* NULL for the foreground */
	const struct label *label;   /* its values; NULL for the foreground: all but 0 */
	unsigned char *has;      /* [n_slots]: 1 for those that belong to it */
	struct contour contour;
};

/* The values of a map that some parts go by: a channel, or the largest of all. */
struct view { int map; int64_t channel; };        /* channel -1: the largest */

struct scoring {                 /* zeroed before its first use */
	struct segmentation segmentation;
	int n_maps, n_views, n_parts;
	const struct layer *map[SCORING_MAPS];
	bool per_region[SCORING_MAPS];
	int first_view[SCORING_MAPS];   /* view of part 0; that of part i is i further on if the map is per_region */
	struct view *view;       /* [n_views] */
	struct part *part;       /* [n_parts] */
	int n_slots;             /* 0, each label value, and one for all other values */
	uint16_t *seg;           /* [dz][dy][x] of the slab: slots */
	const float **value;     /* [n_views] of [dz][dy][x] of the slab */
	float **largest;         /* private from here on */
	unsigned char *row, *seen;
	int parts_made, views_made;
	struct slices of_case, slices;   /* what was put: as of one plane; by plane */
};

/* --empty: the score of a part without voxels or contour. */
extern const char *empty_rule;
#define OPT_EMPTY OPT_CHOICE(0, "empty", &empty_rule, "RULE", "worst|image|skip", \
	"score where nothing is segmented: inf, the map's mean over the image, or nan")
double empty_score(double image_mean);

/* A frame's header has come.  fail()s XDATA. */
bool scoring_find(struct scoring *s, const struct frame *f, bool as_coded);
bool scoring_any(const struct scoring *s);               /* whether there is a segmentation, without which it passes */
/* lengths: contours in mm are wanted.  fail()s XDATA. */
bool scoring_begin(struct scoring *s, const struct frame *f, bool as_coded, bool lengths);
bool scoring_slab(struct scoring *s, const struct frame *f);          /* fail()s XDATA on a value that is not finite */
int scoring_view(const struct scoring *s, int map, int part);
void scoring_row(struct scoring *s, const uint16_t *seg, int64_t width);      /* seg: [width] slots */
void scoring_slice_end(struct scoring *s);

/* A score KIND or KIND:PART of the case, or of its slice z if z is not negative. */
void scoring_put(struct scoring *s, int64_t z, const char *kind, int part, double value);
/* A flag of the case, or of its slice z; of slices also that it is not set. */
void scoring_flag(struct scoring *s, struct frame *f, int64_t z, const char *flag, bool set);
/* The rule for what is empty was applied to a score of a part: the flag empty_worst, empty_image or empty_skip for the
 * foreground, empty_image:NAME for another (with the other rules its number, inf or nan, says so). */
void scoring_empty(struct scoring *s, struct frame *f, int64_t z, int part, bool applied);
/* All scores are put: they go into the closing map.  fail()s XDATA when that gets too long. */
bool scoring_done(struct scoring *s, struct frame *f, bool per_slice);
void scoring_end(struct scoring *s);                     /* after a case, also one that failed */
void scoring_free(struct scoring *s);
#endif
