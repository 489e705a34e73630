/* cpu_plan: how the CPU engine runs a network: a layout for every value, an algorithm for every node, places in a worker's
 * memory and in a member's packed weights.  Decided from shapes and instruction set alone. */
#ifndef CPU_PLAN_H
#define CPU_PLAN_H
#include "common/network.h"
#include "filters/infer-checkpoint/cpu_kernels.h"

enum method {
	METHOD_DIRECT,           /* convolution as it is defined, on inputs staged without gaps by rows */
	METHOD_WINOGRAD,         /* 3x3 in (y, x), stride 1; taps in z are summed in the transform domain */
	METHOD_UPSAMPLE,         /* transposed convolution: one pointwise product per tap */
	METHOD_POOL,
};

/* Where a value is: its first block, and from block to block and from plane to plane; plane 0: the images take turns in one. */
struct place { size_t offset, block, plane; };

/* All offsets are in floats: `memory` of a worker, `packed` of a member, `norms` of a worker. */
struct step {
	const struct node *node;
	const struct kernels *k;                /* of the output's lanes */
	enum method method;
	struct gather input;
	int blocks;                             /* of the output */
	int pixels;                             /* of the output */
	struct place out, residual;             /* memory */
	size_t weights, bias, scale, shift;     /* packed; vectors are [blocks * lanes], scale and shift belong to the norm */
	size_t norm;                            /* norms: [images][scale, shift][blocks * lanes] */
	int images;                             /* as the schedule's */
	bool has_bias;
	bool measured;                          /* instance norm whose moments are taken on the way out */
	bool lazy;                              /* norm and leaky ReLU are applied by what reads the output */

	int n_segments, *run, depth;            /* of gemm: channels, or pairs of them, of each segment, and their sum */
	bool far;                               /* weights do not fit the cache */

	/* METHOD_DIRECT: a task stages what `rows` rows of `planes` planes of the output read; planes > 1 have all rows.
	 * Staged is [segment of a tap][plane][y % stride][x % stride][lines][width][lanes / pair].  flat: the rows, with the
	 * gaps between them, are one product, else each is one.
	 * METHOD_UPSAMPLE: a task takes `rows` rows of the input, planes one after another. */
	int rows, planes, lines, width;
	bool flat;
	size_t temporary;                       /* in scratch: the products of flat rows */

	/* METHOD_WINOGRAD, F(edge x edge, 3x3), by chunks of `tiles` tiles of `planes` z-planes.  Transformed planes are kept in
	 * `slots`: with planes = 1 a ring of kernel[0], else as many as a chunk needs, planes + kernel[0] - 1.
	 * A task goes through `run_planes` planes of one chunk of tiles.
	 * point_in, point_out: floats from one point of the transform domain to the next. */
	int edge, tiles, slots, run_planes;
	size_t point_in, point_out;

	int pieces;                             /* into which the arithmetic divides a plane: each has moments of its own */
};

struct schedule {
	const struct network *network;
	int images;                             /* more than 1: a plane of a value is one image's, none mixes them */
	int deep_first, deep_end;               /* steps that take all images at once */
	int n_steps;
	struct step *step;
	size_t input, output;                   /* in memory, as planes: value 0, and the last step's */
	size_t memory, scratch, packed, norms;  /* floats of a worker, of each of its hands, of a member, of a worker */
	size_t statistics, counts;              /* doubles of a worker */
	int max_segments;
};

void schedule_make(struct schedule *s, const struct network *n, enum isa level);
void schedule_free(struct schedule *s);

/* All weights of a member as the steps read them: packed [s->packed]. */
void schedule_pack(float *packed, const struct schedule *s, const float *const *parameter, int threads);

/* Part i of n that are all nearly equal: where it begins and its size. */
static inline int part(int *size, int total, int n, int i)
{
	int q = total / n, r = total % n;

	*size = q + (i < r);
	return i * q + (i < r ? i : r);
}

static inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
/* Winograd's tiles of a plane of the output, and points of its transform domain. */
static inline int plane_tiles(const struct step *s, int edge)
{
	return ceil_div(s->input.out[2], edge) * ceil_div(s->input.out[1], edge);
}
static inline int points(const struct step *s) { return (s->edge + 2) * (s->edge + 2); }
/* The places of (block, plane z, piece) among the statistics [2][lanes] and of (z, piece) among the counts. */
static inline size_t count_at(const struct step *s, int z, int piece) { return (size_t)(z * s->pieces + piece); }
static inline size_t moments_at(const struct step *s, int block, int z, int piece)
{
	size_t i = (size_t)block * (size_t)(s->input.out[0] * s->pieces) + count_at(s, z, piece);

	return i * 2 * (size_t)s->k->lanes;
}

static inline bool reads_planes(const struct step *s) { return s->input.block[0].lanes == 1; }
/* Floats of a pixel of one segment, or of a tile of one block, as gemm reads it. */
static inline size_t staged_pixel(const struct step *s) { return reads_planes(s) ? 1 : (size_t)(s->k->lanes / s->k->pair); }

/* Panels: pairs of output blocks (the last may be single) that gemm computes at once. */
static inline int panels(const struct step *s) { return (s->blocks + 1) / 2; }
static inline int panel_blocks(const struct step *s, int panel) { return s->blocks - 2 * panel < 2 ? 1 : 2; }
static inline int taps(const int kernel[3]) { return kernel[0] * kernel[1] * kernel[2]; }
#endif
