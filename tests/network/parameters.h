/* Weights of tests, which stand in one block, as backends take them. */
#ifndef TESTS_PARAMETERS_H
#define TESTS_PARAMETERS_H
#include "common/die.h"
#include "common/network.h"

/* [n->n_parameters] places in block [n->n_weights], until the next call. */
static inline const float *const *split(const struct network *n, const float *block)
{
	static const float **of;

	of = xrealloc(of, (size_t)n->n_parameters, sizeof *of);
	for (int i = 0; i < n->n_parameters; i++)
		of[i] = block + n->parameter[i].offset;
	return of;
}
#endif
