/* fast: how the fast engine of training runs a network; private to fast*.c.
 *
 * Convolutions and transposed convolutions are one kind of map between a fine and a coarse grid: the convolution gathers, coarse
 * voxel q reads the fine voxels q * stride + k - pad; its adjoint scatters.  So a layer's forward pass, its derivative by the input
 * and (fast_wgrad.c) by the weights are the same three loops for both.
 *
 * A value whose layer ends in a norm is kept as the convolution made it; readers apply the norm and leaky ReLU on the way in. */
#ifndef FAST_H
#define FAST_H
#include "common/network.h"
#include "filters/train-checkpoints/fast_kernels.h"

enum { MAX_GROUP = 192 };               /* outputs that are gathered for at once, at most */

struct layout {
	int lanes, blocks, channels, size[3], pixels;   /* of one sample */
	size_t data, gradient;                          /* floats from the start of either memory; [blocks][samples][pixels][lanes] */
	int normed_by;                                  /* node whose norm is left to readers, -1: none */
};

/* A value as it is read: as it lies, or scale and shift [sample][blocks * lanes] and leaky ReLU applied. */
struct source {
	const float *x;                                 /* [blocks][..][pixels][lanes], at the first sample read */
	size_t block;                                   /* floats from a block to the next */
	int lanes, blocks, channels;
	const float *scale, *shift;                     /* NULL: as it lies */
	float slope;
};

struct target {
	float *x;
	size_t block;
	int lanes, blocks, channels;
	bool add;
};

struct tap { int shift[3], index; };                    /* input voxel - stride * output voxel; place in the weight tensor */

/* The outputs q * out_stride + offset, which all read the same taps, at q * in_stride + shift. */
struct phase {
	int size[3], offset[3], n_taps;
	struct tap *tap;
	size_t weights;                                 /* from the map's packed weights */
};

/* One or two neighbouring blocks of a target. */
struct panel { int target, block, blocks, first, channels, column; };  /* first, channels: of all targets; column: of packed weights */

struct map {
	const struct fast_kernels *k;                   /* of the target's lanes */
	int in[3], out[3], in_stride[3], out_stride[3];
	int c_in, c_out, n_taps;                        /* of all sources and targets; of the weight tensor */
	int n_sources, n_targets;
	size_t in_step, out_step;                       /* from channel to channel in the weight tensor */
	bool planes;                                    /* the source is the network's input: blocks of one lane */
	int n_panels, width;                            /* width: lanes of all panels */
	struct panel *panel;
	size_t packed, bias;                            /* floats of packed weights, and where after them the bias is */
	size_t scratch;                                 /* floats that a thread needs */
	int segments;                                   /* most that one product reads */

	int n_phases, group, tap_group;                 /* pixels and taps gathered at once */
	struct phase *phase;

	bool winograd, flipped;
	int tiles, planes_at_once, slots, run_planes;   /* as in infer-checkpoint/cpu_plan.h */
	size_t point_in, point_out;
};

/* Gradient by the weights: sums over voxels of fine (at each tap) times coarse. */
struct wgrad {
	const struct fast_kernels *k;                   /* of the coarse lanes */
	struct map taps;                                /* the gathering map fine to coarse, for its taps and panels */
	int parts;                                      /* sums of as many parts of the voxels are kept side by side */
	size_t sums;                                    /* floats of one part */
	bool winograd, shared;                          /* shared: transforms are made for all threads, products go by points */
	int tiles, planes_at_once, slots;
	size_t point_fine, point_coarse, scratch, transformed;
	int segments;
};

struct step {
	const struct node *node;
	struct map forward, backward;
	struct wgrad wgrad;
	size_t raw;                                     /* data: what the convolution made, if not the value itself */
	size_t scale, shift, mean, rstd;                /* data: [batch][blocks * lanes] each, where there is a norm */
};

/* What a thread needs of its own. */
struct row { int sample, z, y, x, n, at; };             /* outputs x .. x + n - 1 of a row, `at` in the group */
struct hand {
	float *scratch;
	const float **x;                                /* segments of a product, */
	int *n;                                         /* their channels */
	struct row row[MAX_GROUP];
	int n_rows;
};

struct fast {
	const struct network *network;
	int batch, group, threads;                      /* group: samples that go backward at a time */
	struct layout *value;
	struct step *layer;
	bool *reached;                                  /* values that have a gradient already */
	float *data, *gradient, *packed, *sums, *transformed;
	double *statistics;
	size_t n_data, n_gradient, n_packed, n_sums, n_transformed, n_statistics, n_scratch;
	int n_segments;
	const float *weights;
	struct hand *hand;
};

/* One use of a map: `samples` of a batch. */
struct job {
	const struct map *m;
	struct source source[2];
	struct target target[2];
	int samples, threads;
	const float *packed;
	const float *bias;                              /* [width] or NULL */
	struct hand *hand;
};

/* train_fast's open, for tests: with an instruction set not above `level`, and as many samples going backward at a time as have
 * gradients of `gradient_floats` at most, but one at least. */
void *fast_open(const struct network *n, int batch, int threads, enum isa level, size_t gradient_floats);

/* fast_plan.c: shapes, methods and places, decided from the network, the batch and the instruction set alone. */
void fast_plan(struct fast *e, enum isa level, size_t gradient_floats);
void fast_plan_free(struct fast *e);

/* fast_matrix.c: products with gathered inputs. */
int part_of(int *size, int total, int n, int i);
void rows_of(struct hand *h, const int size[3], int first, int n);
int gather(struct hand *h, float *to, const struct job *j, const struct phase *p, int n, int tap, int n_taps);
void run_matrix(const struct job *j);

/* fast_winograd.c */
void run_winograd(const struct job *j);
void winograd_plane(const struct map *m, float *v, size_t point, int slots, int slot, const struct source *s, int n_sources,
                    int sample, int z, int first, int tiles, int row);

/* fast_weights.c: the weight tensor as products read it, and sums as the gradient tensor wants them. */
void pack_weights(float *packed, const struct map *m, const float *weights, const float *bias, int threads);
void unpack_gradient(float *gradient, const struct wgrad *w, const float *sums, bool add, int threads);

/* fast_wgrad.c: gradient [weight tensor] = (add: +=) sums over the samples of the job. */
struct wgrad_job {
	const struct wgrad *w;
	struct source fine[2], coarse;
	int samples, threads;
	float *sums, *transformed;
	struct hand *hand;
};
void run_wgrad(float *gradient, const struct wgrad_job *j, bool add);

/* fast_norm.c */
void norm_measure(struct fast *e, const struct step *l);
void norm_back(struct fast *e, const struct step *l, int first, int samples, float *gradients);
void bias_back(struct fast *e, const struct step *l, int samples, float *gradient);

/* Pixels of a block and sample go through the norm in runs. */
enum { NORM_PIXELS = 1 << 12 };
static inline int norm_runs(int pixels) { return (pixels + NORM_PIXELS - 1) / NORM_PIXELS; }
static inline int product3(const int n[3]) { return n[0] * n[1] * n[2]; }
#endif
