/* cpu_plan: how the CPU engine runs a network: a layout for every value, an algorithm for every node, places in a worker's
 * memory and in a member's packed weights.  Decided from shapes and instruction set alone. */
#ifndef CPU_PLAN_H
#define CPU_PLAN_H
#include "common/network.h"
#include "filters/infer-checkpoint/cpu_kernels.h"

enum method {
	METHOD_MATRIX,           /* convolution as matrix product with inputs gathered group by group */
	METHOD_WINOGRAD,         /* 3x3 in (y, x), stride 1; taps in z are summed in the transform domain */
	METHOD_UPSAMPLE,         /* transposed convolution: one pointwise product per tap */
	METHOD_POOL,
};

/* All offsets are in floats: `memory` of a worker, `packed` of a member. */
struct step {
	const struct node *node;
	const struct kernels *k;                /* of the output's lanes */
	enum method method;
	struct gather input;
	int blocks;                             /* of the output */
	int pixels;                             /* of the output */
	size_t out, residual;                   /* memory */
	size_t weights, bias, scale, shift;     /* packed; vectors are [blocks * lanes], scale and shift belong to the norm */
	bool has_bias;

	int n_segments, *run, depth;            /* of gemm: channels of each segment, and their sum */
	bool far;                               /* weights do not fit the cache */

	/* METHOD_MATRIX, METHOD_UPSAMPLE */
	bool in_place;                          /* inputs are read where they are */
	int group, tap_group;                   /* pixels and taps gathered at once */

	/* METHOD_WINOGRAD, by chunks of `tiles` tiles of `planes` z-planes.  Transformed planes are kept in `slots`:
	 * with planes = 1 a ring of kernel[0], else as many as a chunk needs, planes + kernel[0] - 1.
	 * A task goes through `run_planes` planes of one chunk of tiles.
	 * point_in, point_out: floats from one point of the transform domain to the next. */
	int tiles, planes, slots, run_planes;
	size_t point_in, point_out;
};

struct schedule {
	const struct network *network;
	int n_steps;
	struct step *step;
	size_t input, output;                   /* in memory, as planes: value 0, and the last step's */
	size_t memory, scratch, packed;         /* floats of a worker, of each of its hands, of a member */
	size_t statistics;                      /* doubles of a worker */
	int max_segments;
};

void schedule_make(struct schedule *s, const struct network *n, enum isa level);
void schedule_free(struct schedule *s);

/* All weights of a member as the steps read them: packed [s->packed]. */
void schedule_pack(float *packed, const struct schedule *s, const float *weights, int threads);

/* Parts of a step that can be done at the same time, in any order: `tasks` of its arithmetic; of its norm, pixels in runs. */
enum { NORM_RUN = 1 << 11 };
int step_tasks(const struct step *s);
static inline int norm_runs(const struct step *s) { return (s->pixels + NORM_RUN - 1) / NORM_RUN; }

/* Panels: pairs of output blocks (the last may be single) that gemm computes at once. */
static inline int panels(const struct step *s) { return (s->blocks + 1) / 2; }
static inline int panel_blocks(const struct step *s, int panel) { return s->blocks - 2 * panel < 2 ? 1 : 2; }
static inline int taps(const int kernel[3]) { return kernel[0] * kernel[1] * kernel[2]; }
#endif
