/* ref: the plain engine: obvious C, everything in double.  What the others are compared with. */
#ifndef TRAIN_REF_H
#define TRAIN_REF_H
#include "filters/train-checkpoints/engine.h"

struct ref {
	const struct network *n;
	int batch, threads;
	const float *weights;
	double **value;          /* [n_values]: [batch][channels][size] */
	double **d_value;        /* [n_values]: the loss's derivative by each */
	double **standard;       /* [n_nodes]: [batch][c_out][size] before gamma and beta: mean 0, variance 1 */
	double **scale;          /* [n_nodes]: [batch][c_out], 1 / sqrt(variance + eps) */
	double **part;           /* [n_nodes][3]: [batch][c_out] sums of the derivatives by bias, gamma, beta */
};

/* Parameter p of the network's (>= 0): its first weight. */
const float *ref_weight(const struct ref *e, int p);
size_t ref_voxels(const struct value *v);
/* Channel c of what node o reads in sample b, both inputs counted through; of: value or d_value. */
double *ref_input(const struct ref *e, double *const *of, const struct node *o, int b, int c);

void ref_node_forward(struct ref *e, const struct node *o);
/* d_value of what o reads is added to, d_value of its output becomes that before norm and nonlinearity; gradients of o's
 * parameters are written. */
void ref_node_backward(struct ref *e, const struct node *o, float *gradients);
#endif
