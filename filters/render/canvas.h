/* canvas: an RGB picture in memory, and text in it.  Colours are 0xRRGGBB.  What lies outside is not drawn. */
#ifndef RENDER_CANVAS_H
#define RENDER_CANVAS_H
#include <stdint.h>

struct canvas {
	int w, h;
	unsigned char *px;       /* [h][w][3] */
};

enum { GLYPH_W = 6, GLYPH_H = 9 };       /* cell of a character at scale 1, the gap to the next included */

void canvas_make(struct canvas *c, int w, int h, uint32_t colour);
void canvas_free(struct canvas *c);
void canvas_put(struct canvas *c, int x, int y, uint32_t colour);
void canvas_fill(struct canvas *c, int x, int y, int w, int h, uint32_t colour);
/* Text with its upper left corner at x, y; what is wider than max_w pixels ends in "...".  Returns its width.
 * Only ASCII has glyphs; any other character of UTF-8 becomes a question mark. */
int canvas_text(struct canvas *c, int x, int y, int scale, uint32_t colour, int max_w, const char *text);
int text_width(const char *text, int scale);
#endif
