#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/render/canvas.h"

/* Characters 32 to 126 in 5 columns and 9 rows, 2 of them below the line: bit 44 is the upper left corner, rows follow. */
static const uint64_t glyphs[95] = {
	0x000000000000, 0x042108401000, 0x0a5280000000, 0x0a57d5f52800, 0x047d1c5f1000, 0x18c888898c00, 0x0c9511593400,
	0x042100000000, 0x022210820800, 0x082084222000, 0x00255d520000, 0x00213e420000, 0x000000021100, 0x00001c000000,
	0x000000063000, 0x010888884000, 0x0e8ceb98b800, 0x046108423800, 0x0e884c887c00, 0x1e085c10f800, 0x0232a5f10800,
	0x1f878218b800, 0x06443d18b800, 0x1f0884421000, 0x0e8c5d18b800, 0x0e8c5e113000, 0x006300c60000, 0x006300061100,
	0x022220820800, 0x0007c1f00000, 0x082082222000, 0x0e884c401000, 0x0e8deb783800, 0x0e8c7f18c400, 0x1e8c7d18f800,
	0x0e8c2108b800, 0x1c9463197000, 0x1f843d087c00, 0x1f843d084000, 0x0e8c2f18bc00, 0x118c7f18c400, 0x0e2108423800,
	0x071084293000, 0x119531494400, 0x108421087c00, 0x11dd6b18c400, 0x11ce6b39c400, 0x0e8c6318b800, 0x1e8c7d084000,
	0x0e8c63593400, 0x1e8c7d494400, 0x0f841c10f800, 0x1f2108421000, 0x118c6318b800, 0x118c62a51000, 0x118c6b5dc400,
	0x118a88a8c400, 0x118a88421000, 0x1f0888887c00, 0x0e4210843800, 0x108208208400, 0x0e1084213800, 0x045440000000,
	0x000000007c00, 0x082000000000, 0x000382f8bc00, 0x1085b318f800, 0x0003a108b800, 0x010b6718bc00, 0x0003a3f83800,
	0x064238842000, 0x0003e318bc2e, 0x1085b318c400, 0x040308423800, 0x020184210a4c, 0x1084a98a4800, 0x0c2108423800,
	0x0006ab5ad400, 0x0005b318c400, 0x0003a318b800, 0x0007a318fa10, 0x0003e318bc21, 0x0005b3084000, 0x0003e0e0f800,
	0x084710849800, 0x00046319b400, 0x000463151000, 0x00046b5aa800, 0x000454454400, 0x00046318bc2e, 0x0007c4447c00,
	0x022110420800, 0x042108421000, 0x082104422000, 0x00026b200000,
};

void canvas_make(struct canvas *c, int w, int h, uint32_t colour)
{
	*c = (struct canvas){ w, h, xmalloc((size_t)w * (size_t)h, 3) };
	canvas_fill(c, 0, 0, w, h, colour);
}

void canvas_free(struct canvas *c)
{
	free(c->px);
	*c = (struct canvas){0};
}

void canvas_put(struct canvas *c, int x, int y, uint32_t colour)
{
	unsigned char *p;

	if (x < 0 || y < 0 || x >= c->w || y >= c->h)
		return;
	p = c->px + ((size_t)y * (size_t)c->w + (size_t)x) * 3;
	p[0] = (unsigned char)(colour >> 16);
	p[1] = (unsigned char)(colour >> 8);
	p[2] = (unsigned char)colour;
}

void canvas_fill(struct canvas *c, int x, int y, int w, int h, uint32_t colour)
{
	for (int j = y; j < y + h; j++)
		for (int i = x; i < x + w; i++)
			canvas_put(c, i, j, colour);
}

/* The next character of UTF-8 text: its glyph's number; bytes that continue one are passed over. */
static int next_glyph(const char **text)
{
	unsigned char b = (unsigned char)*(*text)++;

	while (((unsigned char)**text & 0xc0) == 0x80)
		(*text)++;
	return b >= 32 && b < 127 ? b - 32 : '?' - 32;
}

static void put_glyph(struct canvas *c, int x, int y, int scale, uint32_t colour, int g)
{
	for (int bit = 0; bit < 45; bit++)
		if (glyphs[g] >> (44 - bit) & 1)
			canvas_fill(c, x + bit % 5 * scale, y + bit / 5 * scale, scale, scale, colour);
}

static int n_glyphs(const char *text)
{
	int n = 0;

	for (; *text; n++)
		next_glyph(&text);
	return n;
}

int text_width(const char *text, int scale) { return *text ? n_glyphs(text) * GLYPH_W * scale - scale : 0; }

int canvas_text(struct canvas *c, int x, int y, int scale, uint32_t colour, int max_w, const char *text)
{
	int n = n_glyphs(text), most = (max_w + scale) / (GLYPH_W * scale), from = x;
	bool cut = n > most;

	if (cut)
		n = most > 3 ? most - 3 : 0;
	for (int i = 0; i < n; i++, x += GLYPH_W * scale)
		put_glyph(c, x, y, scale, colour, next_glyph(&text));
	for (int i = 0; cut && i < 3 && i < most; i++, x += GLYPH_W * scale)
		put_glyph(c, x, y, scale, colour, '.' - 32);
	return x - from;
}
