/* augment-loops: arithmetic of augmentation over rows of voxels, compiled for several instruction sets.
 *
 * Every set gives the same bytes: operations are elementwise, sums have sixteen fixed parts, and no product is fused with a sum.
 * x, out ... are arrays [n]. */
#ifndef COMMON_AUGMENT_LOOPS_H
#define COMMON_AUGMENT_LOOPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUGMENT_TAPS = 4 };      /* of half a blurring kernel, the middle one first */

/* Where the voxels of a row come from: voxel i from base + i step, in voxels of a volume of that size; z, y, x. */
struct augment_row { float base[3], step[3]; int64_t size[3]; };

struct augment_figures { double sum, squares; float least, most; };

struct augment_loops {
	const char *name;
	/* Voxels first..end-1 of a row between the voxels of a volume; all that they take part in lie within it.  With a size of
	 * 1 along z: between those of a plane. */
	void (*sample)(float *out, const float *volume, const struct augment_row *r, int first, int end);
	/* The same for labels: one of the neighbours, and in mixed whether they differ. */
	void (*look_up)(uint16_t *out, uint8_t *mixed, const uint16_t *volume, const struct augment_row *r, int first, int end);
	/* x += sd z, z standard normal, from the words of random_philox() whose counters are first, first + 1 ... of a stream. */
	void (*noise)(float *x, size_t n, float sd, uint64_t seed, uint64_t stream, uint64_t first);
	/* out = k[0] row[0] + sum over t of k[t] (before[t] + after[t]), t = 1..taps-1 */
	void (*blur)(float *out, const float *const before[AUGMENT_TAPS], const float *const after[AUGMENT_TAPS],
	             const float k[AUGMENT_TAPS], int taps, size_t n);
	void (*mix)(float *out, const float *a, const float *b, float w, size_t n);                  /* a + w (b - a) */
	/* out = row[a[i]] + w[i] (row[b[i]] - row[a[i]]) */
	void (*stretch)(float *out, const float *row, const int32_t *a, const int32_t *b, const float *w, size_t n);
	void (*scale)(float *x, float factor, size_t n);
	void (*figures)(struct augment_figures *f, const float *x, size_t n);
	void (*contrast)(float *x, float mean, float factor, float least, float most, size_t n);
	/* x = ((sign x - least) / range)^gamma range + least, and its figures */
	void (*power)(struct augment_figures *f, float *x, float sign, float least, float range, float gamma, size_t n);
	void (*shift)(float *x, float mean, float factor, float to, float sign, size_t n);      /* sign ((x - mean) factor + to) */
	void (*clear)(float *x, const uint16_t *label, uint16_t where, size_t n);                    /* 0 where label == where */
};

extern const struct augment_loops augment_base, augment_v3, augment_v4;
/* The sets that this processor has, the best first; NULL ends it. */
const struct augment_loops *const *augment_loops_all(void);
#endif
