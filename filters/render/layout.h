/* layout: the pictures of a case, overlay, panel and thumbnail, put together from a plane and what is said about it. */
#ifndef RENDER_LAYOUT_H
#define RENDER_LAYOUT_H
#include "common/labels.h"

struct scene {
	const char *name;        /* of the case */
	int64_t shape[3];        /* of its grid, voxels and millimetres: z, y, x */
	double spacing_mm[3];
	int64_t z;               /* the plane that is drawn */
	const float *image;      /* [channels][y][x], NULL: contours are drawn on grey */
	int channels;            /* 1, or 3 for a colour picture of 0..255 */
	const uint16_t *label;   /* [y][x] */
	const uint16_t *reference;   /* [y][x] or NULL */
	const float *map;        /* [y][x] or NULL */
	double map_max;          /* the largest value of the colour scale */
	const char *map_title;   /* "class_entropy, bits" */
	const char *figures;     /* "class_entropy 11.7, Dice 0.90"; "" for none */
	int n_classes;
	int *value;              /* [n_classes] in label */
	const char **class_name; /* [n_classes] */
};

/* One picture with the contours of the segmentation and, if there is one, the reference.  fail()s XIO. */
bool write_overlay(const char *path, const struct scene *s);
/* Image, contours and heat map side by side; what the scene lacks is left out.  fail()s XIO. */
bool write_panel(const char *path, const struct scene *s);
/* The same cells, small and without words, which are in the file's description.  fail()s XIO. */
bool write_thumbnail(const char *path, const struct scene *s);
#endif
