/* colour: a colour map for uncertainty and colours for classes. */
#ifndef COMMON_COLOUR_H
#define COMMON_COLOUR_H
#include <stdint.h>

enum { HEAT_COLOURS = 1024 };     /* so many are told apart */

/* Colour of t in 0..1, dark violet over red to light yellow, by a lightness that rises evenly: it keeps its order in grey
 * print and for every kind of colour blindness.  NaN is a middle green that the map does not hold. */
uint32_t heat_colour(double t);
/* Colour of the i-th class, i >= 0; they begin anew after the seventh. */
uint32_t class_colour(int i);
#endif
