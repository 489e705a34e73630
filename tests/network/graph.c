/* The graph of a plan: names and shapes of its weights, sizes of its feature maps, and the plans that it refuses. */
#include <stdio.h>
#include <string.h>
#include "common/die.h"
#include "common/network.h"

static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s (last failure: %s)\n", what, failed_text());
	failures++;
}

static bool has(const struct network *n, const char *name, int n_dims, int64_t d0, int64_t d1, int64_t d2)
{
	for (int i = 0; i < n->n_parameters; i++) {
		const struct parameter *p = &n->parameter[i];
		if (!strcmp(p->name, name))
			return p->n_dims == n_dims && p->dim[0] == d0 && (n_dims < 2 || p->dim[1] == d1) && (n_dims < 3 || p->dim[2] == d2);
	}
	return false;
}

/* Three stages, two convolutions or blocks each. */
static struct architecture three(enum unet_class class)
{
	struct architecture a = { .class = class, .dims = 3, .n_stages = 3, .conv_bias = true, .eps = 1e-5, .slope = 0.01 };

	for (int s = 0; s < 3; s++) {
		a.features[s] = 4 << s;
		a.n_conv_encoder[s] = a.n_conv_decoder[s] = 2;
		a.bottleneck_channels[s] = 2 << s;
		for (int i = 0; i < 3; i++) {
			a.kernel[s][i] = 3;
			a.stride[s][i] = s ? 2 : 1;
		}
	}
	return a;
}

static bool refused(struct architecture a, int64_t z, int64_t y, int64_t x, const char *why)
{
	struct network n;

	return !network_build(&n, &a, 1, 2, (int64_t[3]){ z, y, x }) && failed_code() == XDATA && strstr(failed_text(), why);
}

static bool cannot_train(struct architecture *a, enum norm_op norm, double dropout, bool nonlin_first, const char *why)
{
	struct network n;
	bool built;

	a->norm = norm;
	a->dropout = dropout;
	a->nonlin_first = nonlin_first;
	built = network_build_training(&n, a, 1, 2, (int64_t[3]){ 8, 8, 8 });
	network_free(&n);
	return !built && failed_code() == XDATA && strstr(failed_text(), why);
}

int main(void)
{
	const int64_t patch[3] = { 8, 8, 8 };
	struct architecture a = three(UNET_PLAIN);
	struct network n;

	/* Contract 3.3: 48 parameters, of which an inference needs all but the other head's two. */
	check(network_build(&n, &a, 1, 2, patch) && n.n_parameters == 46, "a plain network of 3 stages has 46 parameters");
	check(has(&n, "encoder.stages.2.0.convs.0.conv.weight", 5, 16, 8, 3), "the first convolution of stage 2");
	check(has(&n, "decoder.transpconvs.0.weight", 5, 16, 8, 2), "a transposed convolution is (in, out, k)");
	check(has(&n, "decoder.stages.1.convs.0.conv.weight", 5, 4, 8, 3), "the decoder reads two inputs");
	check(has(&n, "decoder.seg_layers.1.weight", 5, 2, 4, 1) && !has(&n, "decoder.seg_layers.0.weight", 5, 2, 8, 1), "one head");
	check(n.value[n.n_values - 1].size[0] == 8 && n.value[n.n_values - 1].channels == 2, "the output has the patch's size");
	for (int i = 1; i < n.n_values; i++)
		check(n.value[i].last_use > 0, "every value is used");
	network_free(&n);

	/* 2D weights have four dimensions. */
	a.dims = 2;
	for (int s = 0; s < 3; s++)
		a.kernel[s][0] = a.stride[s][0] = 1;
	check(network_build(&n, &a, 1, 2, (int64_t[3]){ 1, 8, 8 }), "a 2D network");
	check(has(&n, "encoder.stages.2.0.convs.0.conv.weight", 4, 16, 8, 3), "a 2D weight");
	network_free(&n);

	/* Blocks: a projection where channels grow, skip.1 behind the pool of a stride and skip.0 without. */
	a = three(UNET_RESENC);
	a.stem_channels = 3;
	check(network_build(&n, &a, 1, 2, patch), "a residual encoder");
	check(has(&n, "encoder.stem.convs.0.conv.weight", 5, 3, 1, 3), "stem");
	check(has(&n, "encoder.stages.0.blocks.0.skip.0.conv.weight", 5, 4, 3, 1), "a projection without a stride is skip.0");
	check(has(&n, "encoder.stages.1.blocks.0.skip.1.conv.weight", 5, 8, 4, 1), "a projection behind a pool is skip.1");
	check(!has(&n, "encoder.stages.1.blocks.0.skip.1.conv.bias", 1, 8, 0, 0), "a projection has no bias");
	check(!has(&n, "encoder.stages.1.blocks.1.skip.0.conv.weight", 5, 8, 8, 1), "equal channels need no projection");
	network_free(&n);
	a.bottleneck_blocks = true;
	a.norm = NORM_BATCH;
	check(network_build(&n, &a, 1, 2, patch), "bottleneck blocks");
	check(has(&n, "encoder.stages.1.blocks.0.conv1.conv.weight", 5, 4, 4, 1) &&
	      has(&n, "encoder.stages.1.blocks.0.conv2.conv.weight", 5, 4, 4, 3) &&
	      has(&n, "encoder.stages.1.blocks.0.conv3.conv.weight", 5, 8, 4, 1), "bottleneck: 1, k, 1");
	check(has(&n, "encoder.stages.1.blocks.0.conv3.norm.running_var", 1, 8, 0, 0), "statistics of a batch norm");
	network_free(&n);

	/* Training: all heads, the finest last. */
	a = three(UNET_PLAIN);
	check(network_build_training(&n, &a, 1, 2, patch) && n.n_parameters == 48, "a plain network of 3 stages has 48 parameters");
	check(n.n_heads == 2 && network_head_value(&n, 0)->size[0] == 8 && network_head_value(&n, 1)->size[0] == 4, "two heads");
	check(has(&n, "decoder.seg_layers.0.weight", 5, 2, 8, 1), "the deeper head");
	network_free(&n);
	check(cannot_train(&a, NORM_BATCH, 0, false, "batch norm") && cannot_train(&a, NORM_INSTANCE, 0.5, false, "dropout") &&
	      cannot_train(&a, NORM_INSTANCE, 0, true, "before its norm"), "what training refuses");
	check(!cannot_train(&a, NORM_INSTANCE, 0, false, ""), "what training takes");

	a = three(UNET_PLAIN);
	check(refused(a, 8, 8, 10, "strides"), "a patch that the strides do not divide");
	check(refused(a, 8, 8, 0, "length 0"), "a patch without voxels");
	check(refused(a, 1 << 30, 1 << 30, 1 << 30, "--memory"), "a patch larger than memory");
	a.kernel[1][2] = 2;
	check(refused(a, 8, 8, 8, "odd"), "an even kernel");
	a = three(UNET_PLAIN);
	a.stride[0][1] = 2;
	check(refused(a, 8, 8, 8, "smaller than its patch"), "a stride in the first stage");
	a = three(UNET_PLAIN);
	a.n_stages = 1;
	check(refused(a, 8, 8, 8, "1 stages"), "a single stage");
	a = three(UNET_RESENC);
	check(refused(a, 8, 8, 10, "strides"), "a residual encoder's patch that the strides do not divide");
	return failures > 0;
}
