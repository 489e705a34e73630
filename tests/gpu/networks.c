/* Random U-Nets, whole ones and bodies without head, on the imitated GPU give what the plain engine gives, in fp32 within 1e-4 of the
 * largest value; step by step, recorded and repeated with the same bytes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/backend.h"
#include "tests/network/engines.h"
#include "tests/network/random-unet.h"

#ifdef __SANITIZE_ADDRESS__
enum { NETWORKS = 2 };
#else
enum { NETWORKS = 9 };
#endif

static double check(const struct network *n, const float *weights, const float *in)
{
	struct backend_options o = { .threads = 1, .n_members = 2, .gaussian = true, .precision = PRECISION_FP32, .n_mirror = 1, .mirror_axis = { 2 } };
	size_t count = (size_t)n->n_outputs * (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	float *expected = reference(n, weights, in, count), *first = xmalloc(count, sizeof *first), *again = xmalloc(count, sizeof *again);
	const struct backend *b;
	void *h = backend_open(&b, "cuda", n, &o);
	double off;

	if (!h || !b->load(h, 0, split(n, weights)) || !b->load(h, 1, split(n, weights)) || !b->forward(h, 1, first, in))
		die_failed();
	off = difference(first, expected, count);
	for (int i = 0; i < 3; i++) {
		if (!b->forward(h, i & 1, again, in))
			die_failed();
		if (memcmp(first, again, count * sizeof *first)) {
			printf("other bytes when it is repeated\n");
			off = INFINITY;
		}
	}
	b->close(h);
	free(expected);
	free(first);
	free(again);
	return off;
}

int main(void)
{
	char *plugin = xasprintf("%s/imitated.so", getenv("BUILD"));
	double worst = 0;
	int wrong = 0;

	setenv("QUALM_CUDA_PLUGIN", plugin, 1);
	for (int i = 0; i < NETWORKS; i++) {
		struct architecture a;
		struct network n, body;
		int64_t patch[3];
		float *weights, *in;
		double off;
		state = (unsigned long long)i * 104729 + 11;
		random_architecture(&a, patch, i);
		if (!network_build(&n, &a, 1 + pick(9), 2 + pick(12), patch))
			die_failed();
		network_body(&body, &n);
		weights = random_weights(&n, 1);
		in = random_input(&n, 0, 1);
		off = check(i % 3 ? &n : &body, weights, in);
		if (!(off <= 1e-4)) {
			printf("network %d: off by %.3g of the largest value\n", i, off);
			wrong++;
		}
		worst = fmax(worst, off);
		free(weights);
		free(in);
		free(body.value);
		network_free(&n);
	}
	printf("note: %d networks, off by at most %.2g of the largest value\n", NETWORKS, worst);
	free(plugin);
	return wrong > 0;
}
