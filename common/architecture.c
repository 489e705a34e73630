#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "common/architecture.h"
#include "common/die.h"

enum { MAX_FEATURES = 1 << 15, MAX_KERNEL = 31, MAX_STRIDE = 64 };

static const char *last_component(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* One number a stage, or one number for all. */
static bool per_stage(int *out, const struct json *v, int n, int min, int max)
{
	if (json_is(v, json_type_array))
		return json_ints(out, v, n, n, min, max) >= 0;
	if (!json_int(&out[0], v, min, max))
		return false;
	for (int i = 1; i < n; i++)
		out[i] = out[0];
	return true;
}

/* A size per axis and stage; a stage may give one number for all axes, and the list one for all stages.
 * Networks of 2 dimensions get a leading 1. */
static bool per_axis(int (*out)[3], const struct json *v, int n, int dims, int max)
{
	bool listed = json_is(v, json_type_array);

	if (listed && json_length(v, n, n) < 0)
		return false;
	for (int i = 0; i < n; i++) {
		struct json e = *v;
		out[i][0] = 1;
		if ((listed && !json_at(&e, v, i)) || !per_stage(out[i] + 3 - dims, &e, dims, 1, max))
			return false;
	}
	return true;
}

static bool sizes(struct architecture *a, const struct json *kernels, const struct json *strides)
{
	if (!per_axis(a->kernel, kernels, a->n_stages, a->dims, MAX_KERNEL) ||
	    !per_axis(a->stride, strides, a->n_stages, a->dims, MAX_STRIDE))
		return false;
	for (int i = 0; i < a->n_stages; i++)
		for (int d = 0; d < 3; d++)
			if (a->kernel[i][d] % 2 == 0)
				return json_bad(kernels, "kernels of even size are not supported");
	for (int d = 0; d < 3; d++)
		if (a->stride[0][d] != 1)
			return json_bad(strides, "a first stage with a stride is not supported");
	return true;
}

static bool set_class(struct architecture *a, const struct json *v)
{
	const char *name = json_text(v);

	if (!name)
		return false;
	if (!strcmp(last_component(name), "PlainConvUNet"))
		a->class = UNET_PLAIN;
	else if (!strcmp(last_component(name), "ResidualEncoderUNet"))
		a->class = UNET_RESENC;
	else
		return json_bad(v, "the network class '%s' is not supported; PlainConvUNet and ResidualEncoderUNet are", name);
	return true;
}

/* A class such as torch.nn.modules.conv.Conv3d: name, dimensions d. */
static bool is_class(const struct json *v, const char *name, int *dims)
{
	const char *text = json_is(v, json_type_string) ? last_component(json_object_get_string(v->o)) : "";
	size_t n = strlen(name);

	if (strncmp(text, name, n) || (strcmp(text + n, "2d") && strcmp(text + n, "3d")))
		return false;
	*dims = text[n] - '0';
	return true;
}

/* Every key of an arguments' object is one of known (NULL-terminated), or has a value that changes nothing. */
static bool only_known(const struct json *j, const char *const *known)
{
	json_object_object_foreach(j->o, key, value) {
		enum json_type t = json_object_get_type(value);
		int i = 0;
		while (known[i] && strcmp(known[i], key))
			i++;
		bool number = t == json_type_boolean || t == json_type_int || t == json_type_double;
		if (!known[i] && t != json_type_null && !(number && json_object_get_double(value) == 0))
			return json_bad(j, "the argument '%s' of the network is not supported", key);
	}
	return true;
}

static bool norm(struct architecture *a, const struct json *args)
{
	static const char *const known[] = { "eps", "affine", "momentum", NULL };
	struct json v, kw, e;
	int dims;
	bool affine = false;

	if (!json_get(&v, args, "norm_op"))
		return false;
	if (is_class(&v, "InstanceNorm", &dims))
		a->norm = NORM_INSTANCE;
	else if (is_class(&v, "BatchNorm", &dims)) {
		a->norm = NORM_BATCH;
		affine = true;
	} else
		return json_bad(&v, "the norm %s is not supported; InstanceNorm and BatchNorm are",
		                json_object_to_json_string(v.o));
	if (dims != a->dims)
		return json_bad(&v, "a norm of %d dimensions in a network of %d", dims, a->dims);
	a->eps = 1e-5;
	if (json_has(args, "norm_op_kwargs")) {
		if (!json_get(&kw, args, "norm_op_kwargs") || !json_is_object(&kw) || !only_known(&kw, known) ||
		    (json_has(&kw, "eps") && !(json_get(&e, &kw, "eps") && json_real(&a->eps, &e))) ||
		    (json_has(&kw, "affine") && !(json_get(&e, &kw, "affine") && json_flag(&affine, &e))))
			return false;
		if (!(a->eps >= 0 && a->eps < 1))
			return json_bad(&kw, "eps is not from 0 to 1");
	}
	return affine || json_bad(args, "a norm without weights (affine false) is not supported");
}

static bool nonlinearity(struct architecture *a, const struct json *args)
{
	static const char *const leaky[] = { "inplace", "negative_slope", NULL }, *const relu[] = { "inplace", NULL };
	struct json v, kw, e;
	const char *name;

	if (!json_get(&v, args, "nonlin"))
		return false;
	name = json_is(&v, json_type_string) ? last_component(json_text(&v)) : "";
	if (strcmp(name, "LeakyReLU") && strcmp(name, "ReLU"))
		return json_bad(&v, "the activation %s is not supported; LeakyReLU and ReLU are",
		                json_object_to_json_string(v.o));
	a->slope = *name == 'L' ? 0.01 : 0;
	if (!json_has(args, "nonlin_kwargs"))
		return true;
	if (!json_get(&kw, args, "nonlin_kwargs") || !json_is_object(&kw) || !only_known(&kw, *name == 'L' ? leaky : relu))
		return false;
	return !json_has(&kw, "negative_slope") || (json_get(&e, &kw, "negative_slope") && json_real(&a->slope, &e));
}

/* Dropout has no weights, and at inference it is the identity: which one it is does not matter. */
static bool dropout(struct architecture *a, const struct json *args)
{
	static const char *const known[] = { "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout" };
	struct json v, kw;
	const char *name;
	size_t i = 0;

	if (!json_has(args, "dropout_op"))
		return true;
	if (!json_get(&v, args, "dropout_op") || !(name = json_text(&v)))
		return false;
	while (i < sizeof known / sizeof *known && strcmp(last_component(name), known[i]))
		i++;
	if (i == sizeof known / sizeof *known)
		return json_bad(&v, "the dropout %s is not known; torch's are", name);
	a->dropout = 0.5;                                       /* torch's default */
	if (!json_has(args, "dropout_op_kwargs"))
		return true;
	if (!json_get(&kw, args, "dropout_op_kwargs") || !json_is_object(&kw))
		return false;
	return !json_has(&kw, "p") || (json_get(&v, &kw, "p") && json_real(&a->dropout, &v));
}

/* What only residual encoders have. */
static bool residual(struct architecture *a, const struct json *args)
{
	struct json v;
	const char *block = "BasicBlockD";

	if (json_has(args, "stem_channels") &&
	    !(json_get(&v, args, "stem_channels") && json_int(&a->stem_channels, &v, 1, MAX_FEATURES)))
		return false;
	if (json_has(args, "block")) {
		if (!json_get(&v, args, "block") || !(block = json_text(&v)))
			return false;
		if (strcmp(last_component(block), "BasicBlockD") && strcmp(last_component(block), "BottleneckD"))
			return json_bad(&v, "the block '%s' is not supported; BasicBlockD and BottleneckD are", block);
	}
	a->bottleneck_blocks = !strcmp(last_component(block), "BottleneckD");
	return !a->bottleneck_blocks ||
	       (json_get(&v, args, "bottleneck_channels") && per_stage(a->bottleneck_channels, &v, a->n_stages, 1, MAX_FEATURES));
}

bool architecture_read(struct architecture *a, const struct json *j)
{
#define BOTH "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage_decoder", "conv_bias", \
	"norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin", "nonlin_kwargs", "deep_supervision"
	static const char *const plain[] = { BOTH, "n_conv_per_stage", "nonlin_first", NULL };
	static const char *const resenc[] = { BOTH, "n_blocks_per_stage", "stem_channels", "block", "bottleneck_channels", NULL };
#undef BOTH
	struct json args, v, w;

	*a = (struct architecture){0};
	if (!json_get(&v, j, "network_class_name") || !set_class(a, &v) || !json_get(&args, j, "arch_kwargs") ||
	    !json_is_object(&args) || !only_known(&args, a->class == UNET_PLAIN ? plain : resenc) ||
	    !json_get(&v, &args, "n_stages") || !json_int(&a->n_stages, &v, 2, MAX_STAGES) || !json_get(&v, &args, "conv_op"))
		return false;
	if (!is_class(&v, "Conv", &a->dims))
		return json_bad(&v, "the convolution %s is not supported; Conv2d and Conv3d are",
		                json_object_to_json_string(v.o));
	if (!dropout(a, &args) || !json_get(&v, &args, "features_per_stage") || !per_stage(a->features, &v, a->n_stages, 1, MAX_FEATURES) ||
	    !json_get(&v, &args, "kernel_sizes") || !json_get(&w, &args, "strides") || !sizes(a, &v, &w) ||
	    !json_get(&v, &args, a->class == UNET_PLAIN ? "n_conv_per_stage" : "n_blocks_per_stage") ||
	    !per_stage(a->n_conv_encoder, &v, a->n_stages, 1, MAX_BLOCKS) || !json_get(&v, &args, "n_conv_per_stage_decoder") ||
	    !per_stage(a->n_conv_decoder, &v, a->n_stages - 1, 1, MAX_BLOCKS))
		return false;
	if (json_has(&args, "conv_bias") && !(json_get(&v, &args, "conv_bias") && json_flag(&a->conv_bias, &v)))
		return false;
	if (json_has(&args, "nonlin_first") && !(json_get(&v, &args, "nonlin_first") && json_flag(&a->nonlin_first, &v)))
		return false;
	return norm(a, &args) && nonlinearity(a, &args) && (a->class == UNET_PLAIN || residual(a, &args));
}

bool architecture_read_flat(struct architecture *a, int dims,
                            bool (*get)(struct json *v, const void *configuration, const char *key), const void *configuration)
{
	struct json v, w;
	int base, max;

	*a = (struct architecture){ .dims = dims, .conv_bias = true, .norm = NORM_INSTANCE, .eps = 1e-5, .slope = 0.01 };
	if (!get(&v, configuration, "UNet_class_name") || !set_class(a, &v) ||
	    !get(&v, configuration, "n_conv_per_stage_encoder") || (a->n_stages = json_length(&v, 2, MAX_STAGES)) < 0 ||
	    json_ints(a->n_conv_encoder, &v, a->n_stages, a->n_stages, 1, MAX_BLOCKS) < 0 ||
	    !get(&v, configuration, "n_conv_per_stage_decoder") ||
	    json_ints(a->n_conv_decoder, &v, a->n_stages - 1, a->n_stages - 1, 1, MAX_BLOCKS) < 0 ||
	    !get(&v, configuration, "UNet_base_num_features") || !json_int(&base, &v, 1, MAX_FEATURES) ||
	    !get(&v, configuration, "unet_max_num_features") || !json_int(&max, &v, 1, MAX_FEATURES) ||
	    !get(&v, configuration, "conv_kernel_sizes") || !get(&w, configuration, "pool_op_kernel_sizes"))
		return false;
	for (int i = 0; i < a->n_stages; i++)
		a->features[i] = (int64_t)base << i < max ? base << i : max;
	return sizes(a, &v, &w);
}
