#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/colour.h"
#include "common/die.h"
#include "filters/render/draw.h"

enum { SMALLEST = 420, LARGEST = 900, THINNEST = 24 };  /* pixels of a plane's longer and shorter side */

struct view view_within(const int64_t shape[3], const double spacing_mm[3], int longest)
{
	double tall = (double)shape[1] * spacing_mm[1], wide = (double)shape[2] * spacing_mm[2];
	double scale = longest / (tall > wide ? tall : wide);
	struct view v = { (int)shape[1], (int)shape[2], (int)(wide * scale + 0.5), (int)(tall * scale + 0.5) };

	v.w = v.w < THINNEST ? THINNEST : v.w;
	v.h = v.h < THINNEST ? THINNEST : v.h;
	return v;
}

struct view view_of(const int64_t shape[3], const double spacing_mm[3])
{
	int64_t most = shape[1] > shape[2] ? shape[1] : shape[2];

	return view_within(shape, spacing_mm, (int)(most < SMALLEST ? SMALLEST : most > LARGEST ? LARGEST : most));
}

/* The source voxels first..first+n-1 of an output pixel and their weights: a triangle as wide as a voxel or, where the
 * picture gets smaller, as a pixel. */
struct taps { int first, n; float *w; };

static struct taps *make_taps(int out, int in)
{
	double scale = (double)in / out, reach = scale > 1 ? scale : 1;
	int most = (int)(2 * reach) + 3;
	struct taps *t = xcalloc((size_t)out, sizeof *t);

	for (int i = 0; i < out; i++) {
		double centre = (i + 0.5) * scale - 0.5, sum = 0;
		int a = (int)floor(centre - reach) + 1, b = (int)ceil(centre + reach) - 1;
		a = a < 0 ? 0 : a;
		b = b > in - 1 ? in - 1 : b;
		t[i] = (struct taps){ a, b - a + 1, xcalloc((size_t)most, sizeof(float)) };
		for (int k = a; k <= b; k++)
			sum += t[i].w[k - a] = (float)(1 - fabs(k - centre) / reach);
		for (int k = 0; k <= b - a; k++)
			t[i].w[k] = (float)(t[i].w[k] / sum);
	}
	return t;
}

static void free_taps(struct taps *t, int n)
{
	for (int i = 0; i < n; i++)
		free(t[i].w);
	free(t);
}

/* plane [ny][nx] at the view's resolution: [h][w], malloc'ed. */
static float *resample(const struct view *v, const float *plane)
{
	struct taps *tx = make_taps(v->w, v->nx), *ty = make_taps(v->h, v->ny);
	float *rows = xmalloc((size_t)v->ny * (size_t)v->w, sizeof *rows);
	float *out = xcalloc((size_t)v->h * (size_t)v->w, sizeof *out);

	for (int y = 0; y < v->ny; y++)
		for (int x = 0; x < v->w; x++) {
			float sum = 0;
			for (int k = 0; k < tx[x].n; k++)
				sum += tx[x].w[k] * plane[(size_t)y * (size_t)v->nx + (size_t)(tx[x].first + k)];
			rows[(size_t)y * (size_t)v->w + (size_t)x] = sum;
		}
	for (int y = 0; y < v->h; y++)
		for (int k = 0; k < ty[y].n; k++) {
			const float *from = rows + (size_t)(ty[y].first + k) * (size_t)v->w;
			float *to = out + (size_t)y * (size_t)v->w;
			for (int x = 0; x < v->w; x++)
				to[x] += ty[y].w[k] * from[x];
		}
	free(rows);
	free_taps(tx, v->w);
	free_taps(ty, v->h);
	return out;
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Values that become black and white. */
static void window(double *black, double *white, const float *image, size_t n)
{
	float *sorted = xmalloc(n, sizeof *sorted);
	size_t finite = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(image[i]))
			sorted[finite++] = image[i];
	qsort(sorted, finite, sizeof *sorted, by_value);
	*black = finite ? sorted[(size_t)(0.005 * (double)(finite - 1))] : 0;
	*white = finite ? sorted[(size_t)(0.995 * (double)(finite - 1))] : 0;
	if (!(*white > *black) && finite)
		*white = sorted[finite - 1];
	if (!(*white > *black))
		*white = *black + 1;
	free(sorted);
}

void draw_image(struct canvas *c, int x, int y, const struct view *v, const float *image, int channels, double brightness)
{
	size_t n = (size_t)v->ny * (size_t)v->nx, pixels = (size_t)v->w * (size_t)v->h;
	double black = 0, white = 255;
	float *p[3];

	if (channels == 1)
		window(&black, &white, image, n);
	for (int i = 0; i < 3; i++)
		p[i] = i < channels ? resample(v, image + (size_t)i * n) : p[0];
	for (size_t k = 0; k < pixels; k++) {
		uint32_t colour = 0;
		for (int i = 0; i < 3; i++) {
			double t = (p[i][k] - black) / (white - black);
			colour = colour << 8 | (uint32_t)(255 * brightness * (t > 0 ? t < 1 ? t : 1 : 0) + 0.5);
		}
		canvas_put(c, x + (int)(k % (size_t)v->w), y + (int)(k / (size_t)v->w), colour);
	}
	for (int i = 0; i < channels; i++)
		free(p[i]);
}

void draw_map(struct canvas *c, int x, int y, const struct view *v, const float *map, double max, int colours)
{
	float *p = resample(v, map);

	for (int j = 0; j < v->h; j++)
		for (int i = 0; i < v->w; i++) {
			double t = p[(size_t)j * (size_t)v->w + (size_t)i] / max;
			canvas_put(c, x + i, y + j, heat_colour(round(t * (colours - 1)) / (colours - 1)));
		}
	free(p);
}

/* label [ny][nx] at the view's resolution: [h][w], the value of the voxel under each pixel's centre; malloc'ed. */
static uint16_t *enlarge(const struct view *v, const uint16_t *label)
{
	uint16_t *out = xmalloc((size_t)v->w * (size_t)v->h, sizeof *out);

	for (int j = 0; j < v->h; j++) {
		const uint16_t *row = label + (size_t)((j + 0.5) * v->ny / v->h) * (size_t)v->nx;
		for (int i = 0; i < v->w; i++)
			out[(size_t)j * (size_t)v->w + (size_t)i] = row[(size_t)((i + 0.5) * v->nx / v->w)];
	}
	return out;
}

/* Whether another value lies within a disc of that radius; the rim of the picture is no border. */
static bool near_border(const struct view *v, const uint16_t *label, int x, int y, double radius)
{
	int r = (int)radius;
	uint16_t own = label[(size_t)y * (size_t)v->w + (size_t)x];

	for (int j = y - r < 0 ? 0 : y - r; j <= y + r && j < v->h; j++)
		for (int i = x - r < 0 ? 0 : x - r; i <= x + r && i < v->w; i++)
			if (label[(size_t)j * (size_t)v->w + (size_t)i] != own &&
			    (i - x) * (i - x) + (j - y) * (j - y) <= radius * radius)
				return true;
	return false;
}

void draw_contours(struct canvas *c, int x, int y, const struct view *v, const uint16_t *label, const int *values,
                   int n_values, int width)
{
	uint16_t *big = enlarge(v, label);

	for (int j = 0; j < v->h; j++)
		for (int i = 0; i < v->w; i++) {
			uint16_t own = big[(size_t)j * (size_t)v->w + (size_t)i];
			if (!own || !near_border(v, big, i, j, width + 0.4))
				continue;
			for (int k = 0; k < n_values; k++)
				if (values[k] == own)
					canvas_put(c, x + i, y + j, class_colour(k));
		}
	free(big);
}

/* Whether the pixel at the right or below has another value. */
static bool at_border(const struct view *v, const uint16_t *label, int x, int y)
{
	const uint16_t *p = label + (size_t)y * (size_t)v->w + (size_t)x;

	return (x + 1 < v->w && p[1] != *p) || (y + 1 < v->h && p[v->w] != *p);
}

void draw_borders(struct canvas *c, int x, int y, const struct view *v, const uint16_t *label, uint32_t colour, bool thin)
{
	uint16_t *big = enlarge(v, label);

	for (int j = 0; j < v->h; j++)
		for (int i = 0; i < v->w; i++)
			if (thin ? at_border(v, big, i, j) : near_border(v, big, i, j, 1))
				canvas_put(c, x + i, y + j, colour);
	free(big);
}

int draw_scale(struct canvas *c, int x, int y, int h, double max)
{
	enum { BAR = 18, TICK = 5, TEXT = 2 };
	double least = max / (h < 80 ? 1 : h < 160 ? h / 40 : 4), ten = pow(10, floor(log10(least))), step = max;
	int widest = 0;

	if (h >= 80)                                    /* room for more than 0 and the largest */
		step = least <= 2 * ten ? 2 * ten : least <= 5 * ten ? 5 * ten : 10 * ten;
	for (int j = 0; j < h; j++)
		canvas_fill(c, x, y + j, BAR, 1, heat_colour((h - 1 - j) / (double)(h - 1)));
	for (int i = 0; i * step <= max * 1.0001; i++) {
		int at = y + (int)((h - 1) * (1 - i * step / max) + 0.5), w;
		int top = at - 7 < y ? y : at + 7 > y + h ? y + h - 14 : at - 7;   /* the figures stay beside the bar */
		char text[32];
		snprintf(text, sizeof text, "%.3g", i * step);
		canvas_fill(c, x + BAR, at, TICK, 1, 0x333333);
		w = canvas_text(c, x + BAR + TICK + 4, top, TEXT, 0x333333, 200, text);
		widest = w > widest ? w : widest;
	}
	return BAR + TICK + 4 + widest;
}
