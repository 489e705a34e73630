/* steps: what the device does for a batch of images (windows in one mirrored position each), one thing after the other, on
 * buffers that have fixed places in one arena, with parameters that have fixed places in one block.  No arithmetic here.
 *
 * Feature maps are channels-last with channels rounded up to a multiple of 8; what is over holds 0.  Convolutions know no bias: it
 * cancels in an instance norm, elsewhere it is a part of the scaling (x * a + b a channel) that the next step does. */
#ifndef CUDA_STEPS_H
#define CUDA_STEPS_H
#include "common/network.h"
#include "filters/infer-checkpoint/cuda/convolve.h"

enum step_kind {
	STEP_GATHER,             /* the images of the batch to `out` */
	STEP_CONVOLVE,           /* in to out */
	STEP_STATS,              /* the scaling of instance norm of `in` to `out` */
	STEP_APPLY,              /* in, residual to `to` */
	STEP_TAIL                /* in to the sums of cases; the last step */
};

/* x * a + b with [c][2]: of each image its own, in a buffer, or of all the same, in the block; NULL of kernels.h for none. */
enum scaling_kind { SCALING_NONE, SCALING_OWN, SCALING_SHARED };
struct scaling { enum scaling_kind kind; int buffer; size_t offset; };

struct step {
	enum step_kind kind;
	int in, out, residual;   /* buffers; -1: none */
	int64_t voxels;          /* of an image of `in`; of a convolution those of `out` */
	int c;                   /* channels likewise, rounded up */
	struct scaling scaling, residual_scaling;       /* of in, residual */
	float slope;             /* of leaky ReLU; 1: none */
	struct { int buffer, pitch, offset; } to[2];    /* of apply; buffer -1: none */
	size_t offset;           /* in the block: the kernel of a convolution; gamma [c] and beta [c] of stats; the tail's head */
	float eps;
	struct convolution convolution;
	bool head;               /* tail: there is one, [n_outputs][c] and bias [n_outputs] */
};

struct buffer {
	size_t offset, bytes;    /* in the arena */
	int first, last;         /* steps from and to which it is in use */
};

/* What the block holds at an offset. */
enum part_kind {
	PART_KERNEL,             /* of a convolution, in the type of the precision */
	PART_NORM,               /* gamma [c_out], beta [c_out] */
	PART_BIAS,               /* scaling [c_out][2] by 1 and the bias */
	PART_BATCH,              /* scaling of a batch norm and, with bias, of the convolution before */
	PART_HEAD                /* [n_outputs][c_in], bias [n_outputs] */
};
struct part {
	enum part_kind kind;
	size_t offset, bytes;
	int node;                /* whose parameters; -1: none, a pool alone */
	int pool;                /* kernel: the pool that goes before the node; -1: none */
	int c_in, c_out;         /* rounded up */
	int c_first, c_first_padded;    /* kernel of joined inputs: channels of the first one; as many as c_in where there is one input */
	bool bias;
};

struct steps {
	const struct network *n;
	enum precision precision;
	int images;
	int n_steps, n_buffers, n_parts;
	struct step *step;
	struct buffer *buffer;
	struct part *part;
	size_t arena, block;     /* bytes */
};

/* How many images a batch has: about as many voxels as eight patches of 128^3, a multiple of the mirrored positions, at most
 * 64.  From the shape alone, so that no result depends on the machine. */
int steps_images(const struct network *n, int mirrors);
/* The network stays valid.  fail()s XDATA on sizes that overflow. */
bool steps_make(struct steps *s, const struct network *n, enum precision precision, int images);
void steps_free(struct steps *s);
/* Bytes of an element of a feature map. */
size_t precision_size(enum precision p);
#endif
