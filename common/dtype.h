/* dtype: element types of layers and arrays, and sizes that cannot overflow unnoticed. */
#ifndef COMMON_DTYPE_H
#define COMMON_DTYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All little-endian; DT_F8, DT_I8 and the others not listed in frame(5) occur in files only, never in a stream. */
enum dtype { DT_NONE, DT_F4, DT_F2, DT_U1, DT_U2, DT_I2, DT_I4, DT_F8, DT_I8, DT_I1, DT_U4, DT_U8, DT_BOOL, DT_BF2 };

size_t dtype_size(enum dtype t);                  /* bytes an element; 0 for DT_NONE */
const char *dtype_name(enum dtype t);             /* numpy's spelling, "<f4"; "" for DT_NONE */
enum dtype dtype_parse(const char *numpy_name);   /* DT_NONE for one that is not known */
bool dtype_streams(enum dtype t);                 /* one of the six that frames may hold */

/* *out = a * b; false when that overflows or either is negative. */
bool size_mul(size_t *out, int64_t a, int64_t b);
/* *out = channels * z * y * x * element size; false when negative or overflowing. */
bool size_of_block(size_t *out, enum dtype t, int64_t channels, int64_t z, int64_t y, int64_t x);

/* IEEE half precision, rounded to nearest even as numpy and torch do. */
uint16_t half_from_float(float x);
float half_to_float(uint16_t h);
float half_round(float x);                        /* half_to_float(half_from_float(x)) */

/* Reverses the bytes of each of n elements in place. */
void bytes_swap(void *data, size_t size, size_t n);

/* Widen n elements of type t at src to fp32 (integers over 2^24 round). dst and src do not overlap. */
void dtype_to_float(float *dst, const void *src, enum dtype t, size_t n);
#endif
