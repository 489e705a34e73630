/* draw: a plane of voxels as a picture: grey or colour image, heat map, contours. */
#ifndef RENDER_DRAW_H
#define RENDER_DRAW_H
#include "common/labels.h"
#include "filters/render/canvas.h"

/* A plane of ny x nx voxels drawn in w x h pixels. */
struct view { int ny, nx, w, h; };

/* Keeps the proportions of the voxels; small planes are enlarged, large ones reduced. */
struct view view_of(const int64_t shape[3], const double spacing_mm[3]);
/* The same with a longer side of that many pixels. */
struct view view_within(const int64_t shape[3], const double spacing_mm[3], int longest);
/* image: [channels][ny][nx], 1 or 3 channels, from black at the 0.5th to white at the 99.5th percentile of a single channel
 * (three: 0 to 255); brightness 0..1 leaves room for contours above the image. */
void draw_image(struct canvas *c, int x, int y, const struct view *v, const float *image, int channels, double brightness);
/* map: [ny][nx]; so many colours of 0..max. */
void draw_map(struct canvas *c, int x, int y, const struct view *v, const float *map, double max, int colours);
/* A band inside the border of every value of label [ny][nx]; the i-th of values gets the i-th class's colour. */
void draw_contours(struct canvas *c, int x, int y, const struct view *v, const uint16_t *label, const int *values,
                   int n_values, int width);
/* A line on every border between values, two pixels wide or, if thin, one. */
void draw_borders(struct canvas *c, int x, int y, const struct view *v, const uint16_t *label, uint32_t colour, bool thin);
/* An upright bar of the colours, 0 at the bottom, with figures at its right; returns the width of all. */
int draw_scale(struct canvas *c, int x, int y, int h, double max);
#endif
