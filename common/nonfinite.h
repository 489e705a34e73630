/* nonfinite: NaN and infinity that decode reads as 0, as SimpleITKIO does; NibabelIO keeps them, and so normalize needs
 * to know where they were.
 *
 * They travel in the frame's header as geometry.nonfinite: a bin of records of 16 bytes, little-endian: u8 index of the
 * first value in the layer [channels][z][y][x], u4 how many equal ones follow each other, f4 the value. */
#ifndef COMMON_NONFINITE_H
#define COMMON_NONFINITE_H
#include "common/mpk.h"

enum { NONFINITE_RUNS = 1 << 18 };       /* so many are kept; a file with more of them has an empty bin */

struct nonfinite_run { uint64_t at; uint32_t n; float value; };
struct nonfinite {                       /* zeroed: none; free(run) */
	struct nonfinite_run *run;
	size_t n, capacity;
	bool too_many;
};

void nonfinite_add(struct nonfinite *l, uint64_t at, float value);
/* Into a geometry map; no key where there are none. */
void nonfinite_put(msgpack_zone *zone, msgpack_object *geometry, const struct nonfinite *l);
/* Adds those of a geometry map, `offset` further on. */
void nonfinite_join(struct nonfinite *l, const msgpack_object *geometry, uint64_t offset);
/* Puts them back into data of n values.  fail()s XDATA when they are not all there or lie outside. */
bool nonfinite_restore(float *data, size_t n, const msgpack_object *geometry);
#endif
