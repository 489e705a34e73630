#include <math.h>
#include <stdbool.h>
#include "common/colour.h"

/* OKLab (Bjoern Ottosson, "A perceptual color space for image processing", 2020) to linear sRGB; false outside the gamut. */
static bool from_oklab(double rgb[3], double L, double a, double b)
{
	double l = pow(L + 0.3963377774 * a + 0.2158037573 * b, 3);
	double m = pow(L - 0.1055613458 * a - 0.0638541728 * b, 3);
	double s = pow(L - 0.0894841775 * a - 1.2914855480 * b, 3);

	rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
	rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
	rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
	for (int i = 0; i < 3; i++)
		if (rgb[i] < 0 || rgb[i] > 1)
			return false;
	return true;
}

static uint32_t encode(double linear)           /* the transfer function of sRGB (IEC 61966-2-1), 8 bits */
{
	double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;

	return (uint32_t)(255 * (v < 0 ? 0 : v > 1 ? 1 : v) + 0.5);
}

static uint32_t compute(double t)
{
	double L = 0.14 + 0.83 * t, rgb[3], low = 0, high = 0.19;
	double hue = (285 + 180 * t) * acos(-1) / 180;  /* violet, magenta, red, orange, yellow */

	for (int i = 0; i < 30; i++) {                  /* as much chroma as the gamut has there */
		double chroma = (low + high) / 2;
		if (from_oklab(rgb, L, chroma * cos(hue), chroma * sin(hue)))
			low = chroma;
		else
			high = chroma;
	}
	from_oklab(rgb, L, low * cos(hue), low * sin(hue));
	return encode(rgb[0]) << 16 | encode(rgb[1]) << 8 | encode(rgb[2]);
}

uint32_t heat_colour(double t)
{
	enum { STEPS = HEAT_COLOURS };
	static uint32_t table[STEPS];

	if (isnan(t))
		return 0x2e8b57;
	for (int i = 0; !table[STEPS - 1] && i < STEPS; i++)
		table[i] = compute(i / (STEPS - 1.0));
	return table[(int)((STEPS - 1) * (t < 0 ? 0 : t > 1 ? 1 : t) + 0.5)];
}

/* Hues that stay apart for the common kinds of colour blindness (after Okabe and Ito, "Color universal design", 2008). */
uint32_t class_colour(int i)
{
	static const uint32_t colours[] = { 0xe69f00, 0x56b4e9, 0x009e73, 0xf0e442, 0xd55e00, 0xcc79a7, 0x0072b2 };

	return colours[i % 7];
}
