/* Every golden network gives PyTorch's logits on every backend, within 1e-4 of the largest (fp32 sums in another order). */
#include <math.h>
#include "filters/infer-checkpoint/backend.h"
#include "tests/network/golden.h"

static const double tolerance = 1e-4;
static int compared, failures;
static double worst[8];

/* One patch through a backend. */
static void compare(int which, const char *name, const struct network *n, const float *weights, const struct npy *input,
                    const struct npy *logits)
{
	struct backend_options o = { .threads = 2, .n_members = 1, .gaussian = true };
	const struct backend *b = backends[which];
	size_t count = (size_t)(n->n_outputs * n->patch[0] * n->patch[1] * n->patch[2]);
	float *out = xmalloc(count, sizeof *out);
	const float *want = logits->data;
	double largest = 0, off = 0;
	void *h = b->open(n, &o);

	if (!h || !b->load(h, 0, split(n, weights)) || !b->forward(h, 0, out, input->data))
		die_failed();
	for (size_t i = 0; i < count; i++) {
		double d = fabs((double)out[i] - (double)want[i]);
		largest = fmax(largest, fabs((double)want[i]));
		off = d <= off ? off : d;       /* a NaN stays */
	}
	off /= largest;
	if (!(off <= tolerance)) {
		printf("%s on %s: off by %.3g of the largest logit\n", name, b->name, off);
		failures++;
	}
	worst[which] = fmax(worst[which], off);
	compared++;
	b->close(h);
	free(out);
}

static void compare_all(const char *name, const struct network *n, const float *weights, const struct npy *input,
                        const struct npy *logits)
{
	for (int i = 0; backends[i]; i++)
		if (!backends[i]->probe(&(struct backend_options){0}))
			compare(i, name, n, weights, input, logits);
}

int main(void)
{
	if (!golden_here())
		return 77;
	golden_each(compare_all, !strcmp(getenv("FLAVOR"), "release"));          /* the sanitizers see enough in small networks */
	for (int i = 0; backends[i]; i++)
		if (!backends[i]->probe(&(struct backend_options){0}))
			printf("note: %s: off by at most %.2g of the largest logit\n", backends[i]->name, worst[i]);
	printf("note: %d forward passes compared\n", compared);
	return failures > 0;
}
