#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/die.h"
#include "filters/plan/plan.h"

const char *const plan_names[N_PLANS] = { "2d", "3d_lowres", "3d_fullres" };

static json_object *text(const char *s) { return json_object_new_string(s); }
static json_object *whole(int64_t v) { return json_object_new_int64(v); }
static void put(json_object *o, const char *key, json_object *v) { json_object_object_add(o, key, v); }

static json_object *texts(const char *const *s, int n)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, text(s[i]));
	return a;
}

static json_object *ints(const int *v, int n)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, whole(v[i]));
	return a;
}

static json_object *wholes(const int64_t *v, int n)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, whole(v[i]));
	return a;
}

static json_object *reals(const double *v, int n)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, json_object_new_double(v[i]));
	return a;
}

static json_object *rows(const int (*v)[3], int n, int dims)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, ints(v[i], dims));
	return a;
}

/* Contract 1.2: the channel's name says how it is normalised. */
static const char *scheme_of(const char *channel)
{
	static const char *const known[][2] = {
		{ "ct", "CTNormalization" }, { "nonorm", "NoNormalization" }, { "zscore", "ZScoreNormalization" },
		{ "rescale_to_0_1", "RescaleTo01Normalization" }, { "rgb_to_0_1", "RGBTo01Normalization" },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcasecmp(channel, known[i][0]))
			return known[i][1];
	return "ZScoreNormalization";
}

/* z-scores are of the voxels inside the mask where cropping leaves less than three quarters of the median image. */
static void put_normalization(json_object *o, const struct experiment *e)
{
	json_object *schemes = json_object_new_array(), *masks = json_object_new_array();

	for (int c = 0; c < e->set->dataset.n_channels; c++) {
		const char *scheme = scheme_of(e->set->dataset.channel_name[c]);
		json_object_array_add(schemes, text(scheme));
		json_object_array_add(masks, json_object_new_boolean(e->kept < 0.75 && !strcmp(scheme, "ZScoreNormalization")));
	}
	put(o, "normalization_schemes", schemes);
	put(o, "use_mask_for_norm", masks);
}

static json_object *resampling(bool is_seg, int order)
{
	json_object *o = json_object_new_object();

	put(o, "is_seg", json_object_new_boolean(is_seg));
	put(o, "order", whole(order));
	put(o, "order_z", whole(0));
	put(o, "force_separate_z", NULL);
	return o;
}

static void put_resampling(json_object *o)
{
	static const char function[] = "resample_data_or_seg_to_shape";

	put(o, "resampling_fn_data", text(function));
	put(o, "resampling_fn_seg", text(function));
	put(o, "resampling_fn_data_kwargs", resampling(false, 3));
	put(o, "resampling_fn_seg_kwargs", resampling(true, 1));
	put(o, "resampling_fn_probabilities", text(function));
	put(o, "resampling_fn_probabilities_kwargs", resampling(false, 1));
}

static void put_operator(json_object *o, const char *key, const char *python, int dims)
{
	char name[80];

	snprintf(name, sizeof name, "%s%dd", python, dims);
	put(o, key, text(name));
}

static json_object *arguments(const struct configuration *c, enum unet_class net)
{
	json_object *o = json_object_new_object(), *norm = json_object_new_object(), *nonlin = json_object_new_object();
	int n = c->net.n_stages, features[STAGES_LIMIT], blocks[STAGES_LIMIT], decoder[STAGES_LIMIT];

	for (int s = 0; s < n; s++) {
		features[s] = topology_features(s, c->dims);
		blocks[s] = topology_blocks(s, net);
		decoder[s] = net == UNET_PLAIN ? 2 : 1;
	}
	put(o, "n_stages", whole(n));
	put(o, "features_per_stage", ints(features, n));
	put_operator(o, "conv_op", "torch.nn.modules.conv.Conv", c->dims);
	put(o, "kernel_sizes", rows(c->net.kernel, n, c->dims));
	put(o, "strides", rows(c->net.stride, n, c->dims));
	put(o, net == UNET_PLAIN ? "n_conv_per_stage" : "n_blocks_per_stage", ints(blocks, n));
	put(o, "n_conv_per_stage_decoder", ints(decoder, n - 1));
	put(o, "conv_bias", json_object_new_boolean(true));
	put_operator(o, "norm_op", "torch.nn.modules.instancenorm.InstanceNorm", c->dims);
	put(norm, "eps", json_object_new_double(1e-5));
	put(norm, "affine", json_object_new_boolean(true));
	put(o, "norm_op_kwargs", norm);
	put(o, "dropout_op", NULL);
	put(o, "dropout_op_kwargs", NULL);
	put(o, "nonlin", text("torch.nn.LeakyReLU"));
	put(nonlin, "inplace", json_object_new_boolean(true));
	put(o, "nonlin_kwargs", nonlin);
	return o;
}

static json_object *architecture(const struct configuration *c, enum unet_class net)
{
	static const char *const imported[] = { "conv_op", "norm_op", "dropout_op", "nonlin" };
	json_object *o = json_object_new_object();

	put(o, "network_class_name", text(net == UNET_PLAIN ? "dynamic_network_architectures.architectures.unet.PlainConvUNet"
	                                                    : "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"));
	put(o, "arch_kwargs", arguments(c, net));
	put(o, "_kw_requires_import", texts(imported, 4));
	return o;
}

static json_object *configuration(const struct configuration *c, const struct experiment *e, const char *name)
{
	/* the residual planners differ from the default one in nothing that changes these two preprocessed data sets */
	const char *plans = e->planner->net == UNET_PLAIN || !strcmp(name, "3d_lowres") ? e->plans_name : "nnUNetPlans";
	json_object *o = json_object_new_object();
	char *identifier = xasprintf("%s_%s", plans, name);
	int64_t shape[3] = { (int64_t)c->median_shape[0], (int64_t)c->median_shape[1], (int64_t)c->median_shape[2] };

	put(o, "data_identifier", text(identifier));
	put(o, "preprocessor_name", text("DefaultPreprocessor"));
	put(o, "batch_size", whole(c->batch_size));
	put(o, "patch_size", wholes(c->net.patch, c->dims));
	put(o, "median_image_size_in_voxels", c->whole_shape ? wholes(shape, c->dims) : reals(c->median_shape, c->dims));
	put(o, "spacing", reals(c->spacing, c->dims));
	put_normalization(o, e);
	put_resampling(o);
	put(o, "architecture", architecture(c, e->planner->net));
	put(o, "batch_dice", json_object_new_boolean(c->batch_dice));
	free(identifier);
	return o;
}

static json_object *configurations(const struct experiment *e, const struct configuration c[N_PLANS])
{
	json_object *all = json_object_new_object(), *o;

	for (int i = 0; i < N_PLANS; i++) {
		if (!c[i].made)
			continue;
		put(all, plan_names[i], o = configuration(&c[i], e, plan_names[i]));
		if (i == PLAN_3D_LOWRES)
			put(o, "next_stage", text("3d_cascade_fullres"));
	}
	if (c[PLAN_3D_LOWRES].made) {
		put(all, "3d_cascade_fullres", o = json_object_new_object());
		put(o, "inherits_from", text("3d_fullres"));
		put(o, "previous_stage", text("3d_lowres"));
	}
	return all;
}

json_object *plans_json(const struct experiment *e, const struct configuration c[N_PLANS], json_object *properties,
                        const char *reader)
{
	json_object *o = json_object_new_object();

	put(o, "dataset_name", text(e->set->name));
	put(o, "plans_name", text(e->plans_name));
	put(o, "original_median_spacing_after_transp", reals(e->median_spacing, 3));
	put(o, "original_median_shape_after_transp", wholes(e->median_shape, 3));
	put(o, "image_reader_writer", text(reader));
	put(o, "transpose_forward", ints(e->transpose_forward, 3));
	put(o, "transpose_backward", ints(e->transpose_backward, 3));
	put(o, "configurations", configurations(e, c));
	put(o, "experiment_planner_used", text(e->planner->name));
	put(o, "label_manager", text("LabelManager"));
	put(o, "foreground_intensity_properties_per_channel", json_object_get(properties));
	return o;
}
