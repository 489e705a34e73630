/* labelmap: a segmentation file in memory, with what is needed to write another one of its geometry; and pairs of such files. */
#ifndef COMMON_LABELMAP_H
#define COMMON_LABELMAP_H
#include "common/image.h"

struct box { int64_t lo[3], hi[3]; };            /* half open, z, y, x; hi[0] is 0 when it is empty */

struct labelmap {
	struct frame f;          /* no layers: case, grid, spacing and geometry of the file */
	size_t voxels;
	uint16_t *value;         /* [z][y][x] */
	struct box *box;         /* [65536], around each value; still around it when voxels are set to 0 later */
};

void box_join(struct box *a, const struct box *b);
size_t box_voxels(const struct box *b);
/* The place in m->value of voxel i of the box. */
size_t box_index(const struct labelmap *m, const struct box *b, size_t i);
/* mask: [box_voxels()], has[value] of each voxel of the box. */
void box_mask(unsigned char *mask, const struct labelmap *m, const struct box *b, const unsigned char *has);

/* fail()s XDATA (no label map: colours, values that are not whole numbers of 0 to 65535) or XIO.  A zeroed or earlier read
 * map is reused. */
bool labelmap_read(struct labelmap *m, const char *path);
bool labelmap_write(const char *path, const struct labelmap *m);        /* as image_write_label() */
void labelmap_free(struct labelmap *m);

/* The label maps of a folder of predictions and their references: files of one name in two folders, sorted bytewise.  A
 * prediction without a reference fail()s XDATA; references without prediction are counted in n_missing, *missing (malloc'ed)
 * names the first. */
struct label_pair { char *name, *prediction, *reference; };
struct label_pairs { int n; struct label_pair *pair; int n_missing; char *missing; };
bool label_pairs_find(struct label_pairs *p, const char *predictions, const char *references);
void label_pairs_free(struct label_pairs *p);

/* Both maps of a pair, on one grid or fail() XDATA. */
bool label_pair_read(struct labelmap *prediction, struct labelmap *reference, const struct label_pair *p);
#endif
