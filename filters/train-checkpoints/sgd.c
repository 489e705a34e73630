#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/train-checkpoints/lanes.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/sgd.h"

enum { PIECE = 16384 };

const struct sgd sgd_nnunet = { .momentum = 0.99, .weight_decay = 3e-5, .max_norm = 12 };

bool sgd_trains(const struct network *n, int parameter)
{
	for (int i = 0; i < n->n_heads; i++) {
		const struct node *head = network_head(n, i);
		if (loss_weight(n->n_heads, i) == 0 && (parameter == head->weight || parameter == head->bias))
			return false;
	}
	return true;
}

struct piece { size_t from, n; };

struct step {
	const struct sgd *s;
	const struct lanes *lanes;
	const struct piece *piece;
	float *weights, *momentum;
	const float *gradients;
	double *squares;
	float factor, rate;
};

/* What is trained, in pieces of at most PIECE; pieces may be NULL, to count them. */
static int cut(struct piece *pieces, const struct network *n)
{
	int at = 0;

	for (int p = 0; p < n->n_parameters; p++)
		for (size_t i = 0; sgd_trains(n, p) && i < n->parameter[p].count; i += PIECE, at++)
			if (pieces) {
				size_t left = n->parameter[p].count - i;
				pieces[at] = (struct piece){ n->parameter[p].offset + i, left < PIECE ? left : PIECE };
			}
	return at;
}

static void add_squares(void *arg, int i, int worker)
{
	const struct step *t = arg;

	(void)worker;
	t->squares[i] = t->lanes->squares(t->gradients + t->piece[i].from, t->piece[i].n);
}

static void step_piece(void *arg, int i, int worker)
{
	const struct step *t = arg;
	size_t from = t->piece[i].from;

	(void)worker;
	t->lanes->step(t->weights + from, t->momentum + from, t->gradients + from, t->piece[i].n, t->factor,
	               (float)t->s->weight_decay, (float)t->s->momentum, t->rate);
}

double sgd_step(const struct sgd *s, const struct network *n, float *weights, float *momentum, const float *gradients,
                double rate, int threads)
{
	int n_pieces = cut(NULL, n);
	struct piece *piece = xmalloc((size_t)n_pieces, sizeof *piece);
	double *squares = xmalloc((size_t)n_pieces, sizeof *squares), norm = 0;
	struct step t = { .s = s, .lanes = lanes_best(), .piece = piece, .weights = weights, .momentum = momentum,
	                  .gradients = gradients, .squares = squares, .rate = (float)rate };

	cut(piece, n);
	parallel_for(threads, n_pieces, add_squares, &t);
	for (int i = 0; i < n_pieces; i++)
		norm += squares[i];
	norm = sqrt(norm);
	t.factor = (float)fmin(1, s->max_norm / (norm + 1e-6));
	if (isfinite(norm))
		parallel_for(threads, n_pieces, step_piece, &t);
	free(piece);
	free(squares);
	return norm;
}
