#include <stdio.h>
#include <stdlib.h>
#include "common/colour.h"
#include "common/die.h"
#include "common/image.h"
#include "filters/render/draw.h"
#include "filters/render/layout.h"

enum { MARGIN = 14, GAP = 18, NARROWEST = 420, TITLE = 3, TEXT = 2, LINE = TEXT * (GLYPH_H + 2), BAND = 3, SWATCH = 14 };
static const uint32_t paper = 0xffffff, ink = 0x1a1a1a, faint = 0x5a5a5a, empty = 0x303030;
static const uint32_t reference_colour = 0xffffff, frame_colour = 0xb0b0b0;

/* Image and, over a darker one, the contours; without an image on plain grey. */
static void put_segmentation(struct canvas *c, int x, int y, const struct view *v, const struct scene *s)
{
	if (s->image)
		draw_image(c, x, y, v, s->image, s->channels, s->reference ? 0.75 : 0.9);
	else
		canvas_fill(c, x, y, v->w, v->h, empty);
	draw_contours(c, x, y, v, s->label, s->value, s->n_classes, BAND);
	if (s->reference)
		draw_borders(c, x, y, v, s->reference, reference_colour, false);
}

/* The map, and where the segmentation is. */
static void put_map(struct canvas *c, int x, int y, const struct view *v, const struct scene *s, int colours, bool thin)
{
	draw_map(c, x, y, v, s->map, s->map_max, colours);
	draw_borders(c, x, y, v, s->label, frame_colour, thin);
}

/* A square of a colour and a word, from *x on; a new line where the width is used up. */
static void put_key(struct canvas *c, int *x, int *y, int left, int right, uint32_t colour, const char *word)
{
	int w = SWATCH + 6 + text_width(word, TEXT) + 16;

	if (*x > left && *x + w - 16 > right) {
		*x = left;
		*y += LINE;
	}
	canvas_fill(c, *x, *y, SWATCH, SWATCH, faint);
	canvas_fill(c, *x + 1, *y + 1, SWATCH - 2, SWATCH - 2, colour);
	canvas_text(c, *x + SWATCH + 6, *y, TEXT, ink, right - *x - SWATCH - 6, word);
	*x += w;
}

/* Names and colours of the classes within a width; returns the height they take.  Measures only when c is NULL. */
static int put_legend(struct canvas *c, int x, int y, int w, const struct scene *s)
{
	struct canvas nothing = {0};
	int at_x = x, at_y = y;

	for (int i = 0; i < s->n_classes; i++)
		put_key(c ? c : &nothing, &at_x, &at_y, x, x + w, class_colour(i), s->class_name[i]);
	if (s->reference)
		put_key(c ? c : &nothing, &at_x, &at_y, x, x + w, reference_colour, "reference");
	return at_y - y + LINE;
}

/* Name, smaller where it is long, and figures above everything, beside each other where there is room; returns the y below them. */
static int put_title(struct canvas *c, int w, const struct scene *s)
{
	struct canvas nothing = {0};
	char plane[64] = "";
	int scale = text_width(s->name, TITLE) > w ? TEXT : TITLE, name_w = text_width(s->name, scale), y = MARGIN, right, rest;

	if (s->shape[0] > 1)
		snprintf(plane, sizeof plane, "slice %lld of %lld%s", (long long)s->z + 1, (long long)s->shape[0],
		    *s->figures ? ", " : "");
	rest = text_width(plane, TEXT) + (*plane ? TEXT : 0) + text_width(s->figures, TEXT);
	c = c ? c : &nothing;
	canvas_text(c, MARGIN, y, scale, ink, w, s->name);
	right = MARGIN + w - rest;
	if (rest && name_w + GAP + rest > w) {
		y += TITLE * GLYPH_H + 4;
		right = MARGIN;
	}
	right += canvas_text(c, right, y + 5, TEXT, faint, w, plane);
	canvas_text(c, right, y + 5, TEXT, faint, MARGIN + w - right, s->figures);
	return y + TITLE * GLYPH_H + 8;
}

static bool finish(struct canvas *c, const char *path)
{
	bool ok = png_write(path, c->px, c->w, c->h, 3, 8);

	canvas_free(c);
	return ok;
}

bool write_overlay(const char *path, const struct scene *s)
{
	struct view v = view_of(s->shape, s->spacing_mm);
	int w = v.w < NARROWEST ? NARROWEST : v.w, top = put_title(NULL, w, s), legend = put_legend(NULL, MARGIN, 0, w, s);
	struct canvas c;

	canvas_make(&c, w + 2 * MARGIN, top + v.h + GAP / 2 + legend + MARGIN / 2, paper);
	put_title(&c, w, s);
	put_segmentation(&c, MARGIN + (w - v.w) / 2, top, &v, s);
	put_legend(&c, MARGIN, top + v.h + GAP / 2, w, s);
	return finish(&c, path);
}

bool write_panel(const char *path, const struct scene *s)
{
	enum { SCALE = 110 };
	struct view v = view_of(s->shape, s->spacing_mm);
	int cell = v.w < NARROWEST / 2 ? NARROWEST / 2 : v.w, columns = 1 + (s->image != NULL) + (s->map != NULL);
	int w = columns * cell + (columns - 1) * GAP + (s->map ? SCALE : 0), caption = put_title(NULL, w, s),
	    top = caption + LINE;
	int x = MARGIN, legend = put_legend(NULL, MARGIN, 0, s->map ? w - SCALE : w, s);
	struct canvas c;

	canvas_make(&c, w + 2 * MARGIN, top + v.h + GAP / 2 + legend + MARGIN / 2, paper);
	put_title(&c, w, s);
	if (s->image) {
		canvas_text(&c, x, caption, TEXT, ink, cell, "image");
		draw_image(&c, x, top, &v, s->image, s->channels, 1);
		x += cell + GAP;
	}
	canvas_text(&c, x, caption, TEXT, ink, cell, "segmentation");
	put_segmentation(&c, x, top, &v, s);
	put_legend(&c, x, top + v.h + GAP / 2, s->map ? w - SCALE + MARGIN - x : w + MARGIN - x, s);
	x += cell + GAP;
	if (s->map) {
		canvas_text(&c, x, caption, TEXT, ink, cell + SCALE, s->map_title);
		put_map(&c, x, top, &v, s, HEAT_COLOURS, false);
		draw_scale(&c, x + v.w + 10, top, v.h, s->map_max);
	}
	return finish(&c, path);
}

/* So few greys that a thumbnail's colours fit into a palette. */
static void coarsen_grey(struct canvas *c, int greys)
{
	for (unsigned char *p = c->px, *end = p + (size_t)c->w * (size_t)c->h * 3; p < end; p += 3)
		if (p[0] == p[1] && p[1] == p[2])
			p[0] = p[1] = p[2] = (unsigned char)((p[0] * (greys - 1) + 127) / 255 * 255 / (greys - 1));
}

/* What a reader of thumbnails needs to explain them: see render(1). */
static char *describe(const struct scene *s)
{
	char *text, *longer;

	text = xasprintf("cells%s contours%s\n", s->image ? " image" : "", s->map ? " map" : "");
	for (int i = 0; i < s->n_classes; i++) {
		longer = xasprintf("%sclass %06x %s\n", text, class_colour(i), s->class_name[i]);
		free(text);
		text = longer;
	}
	longer = xasprintf("%s%s", text, s->reference ? "reference\n" : "");
	free(text);
	if (!s->map)
		return longer;
	text = xasprintf("%smap 0 %.9g %s\n", longer, s->map_max, s->map_title);
	free(longer);
	return text;
}

/* As bright as the image, so that the file holds its rows once; the reference is a thin line under the contours. */
static void put_small_segmentation(struct canvas *c, int x, const struct view *v, const struct scene *s)
{
	if (s->image)
		draw_image(c, x, 0, v, s->image, s->channels, 1);
	else
		canvas_fill(c, x, 0, v->w, v->h, empty);
	if (s->reference)
		draw_borders(c, x, 0, v, s->reference, reference_colour, true);
	draw_contours(c, x, 0, v, s->label, s->value, s->n_classes, 1);
}

bool write_thumbnail(const char *path, const struct scene *s)
{
	enum { LONGEST = 112, GREYS = 48, HEATS = 128, BETWEEN = 2 };
	struct view v = view_within(s->shape, s->spacing_mm, LONGEST);
	int cells = 1 + (s->image != NULL) + (s->map != NULL), x = 0;
	char *text = describe(s);
	struct canvas c;
	bool ok;

	canvas_make(&c, cells * v.w + (cells - 1) * BETWEEN, v.h, frame_colour);
	if (s->image) {
		draw_image(&c, x, 0, &v, s->image, s->channels, 1);
		x += v.w + BETWEEN;
	}
	put_small_segmentation(&c, x, &v, s);
	x += v.w + BETWEEN;
	if (s->map)
		put_map(&c, x, 0, &v, s, HEATS, true);
	coarsen_grey(&c, GREYS);
	ok = png_write_described(path, c.px, c.w, c.h, text);
	canvas_free(&c);
	free(text);
	return ok;
}
