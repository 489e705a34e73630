/* network: the static graph of a PlainConvUNet or ResidualEncoderUNet (contract 3), dimension-general: a 2D network is
 * a 3D one with kernel and stride 1 in z.  No arithmetic here; backends run the graph.
 *
 * For inference the graph ends in one head.  For training every stage of the decoder has one (deep supervision); heads are the
 * last nodes, the finest the very last. */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H
#include "common/checkpoint.h"
#include "common/plans.h"

enum node_kind {
	NODE_CONV,      /* convolution, padding (k-1)/2, then norm, residual add and leaky ReLU where set, in that order
	                   (nonlin_first: leaky ReLU before norm) */
	NODE_TCONV,     /* transposed convolution, kernel = stride, bias, no norm */
	NODE_POOL,      /* average pooling, kernel = stride */
};

struct node {
	enum node_kind kind;
	int in;                  /* value read; the network's input is value 0 */
	int in2;                 /* -1, or the value whose channels follow those of `in` (concatenation: upsampled, skip) */
	int out;                 /* value written */
	int residual;            /* -1, or the value added after the norm, before the activation */
	int c_in, c_out;         /* c_in counts both inputs */
	int kernel[3], stride[3];
	bool norm, leaky, nonlin_first;
	enum norm_op norm_op;
	float eps, slope;
	int weight, bias;        /* parameters, -1 if none.  conv (out,in,kz,ky,kx); transposed conv (in,out,kz,ky,kx) */
	int gamma, beta;         /* of the norm, (c_out) */
	int mean, var;           /* running statistics of a batch norm, (c_out) */
};

struct value { int channels; int64_t size[3]; int last_use; };   /* size for the network's patch; last_use: node index */
struct parameter { char *name; int n_dims; int64_t dim[5]; size_t offset, count; };   /* offset into the weights, in floats */

struct network {
	int n_nodes, n_values, n_parameters;
	struct node *node;       /* in order of execution; the last n_heads are the 1x1 heads (kernel 1, bias, no norm) */
	struct value *value;
	struct parameter *parameter;
	size_t n_weights;        /* floats of all parameters */
	int64_t patch[3];
	int n_inputs, n_outputs, n_heads;
	double flops;            /* 2 * multiply-adds of one patch (taps on padding counted) */
};

/* Builds the graph for a patch.  fail()s XDATA (a patch that strides do not divide, sizes that overflow). */
bool network_build(struct network *n, const struct architecture *a, int n_inputs, int n_outputs, const int64_t patch[3]);
/* The same with all heads.  fail()s XDATA on what cannot be trained here: batch norm, dropout, a nonlinearity before the norm. */
bool network_build_training(struct network *n, const struct architecture *a, int n_inputs, int n_outputs, const int64_t patch[3]);
void network_free(struct network *n);

/* Head i, the finest is 0: its node, and the value that it writes. */
const struct node *network_head(const struct network *n, int i);
const struct value *network_head_value(const struct network *n, int i);
/* order: [n_parameters] the parameters in the order of nnU-Net's optimiser and state_dict (contract 3.3): encoder, decoder
 * stages, transposed convolutions, heads. */
void network_order(int *order, const struct network *n);

/* The network up to what its head reads, which becomes its output.  It refers to n but for `value`, which is malloc'ed; it is
 * not for network_free(). */
void network_body(struct network *body, const struct network *n);
#endif
