/* plans.json and dataset.json: today's and older spellings give one plan; what is wrong or not supported is named; damage
 * of any kind ends in a sentence. */
#include <math.h>
#include <unistd.h>
#include "tests/preprocess/equal-plans.h"

#define RESAMPLING \
	"\"resampling_fn_data\": \"resample_data_or_seg_to_shape\", " \
	"\"resampling_fn_seg\": \"resample_data_or_seg_to_shape\"," \
	"\"resampling_fn_probabilities\": \"resample_data_or_seg_to_shape\"," \
	"\"resampling_fn_data_kwargs\": {\"is_seg\": false, \"order\": 3, \"order_z\": 0, " \
	"\"force_separate_z\": null},\"resampling_fn_seg_kwargs\": {\"is_seg\": true, \"order\": 1, " \
	"\"order_z\": 0, \"force_separate_z\": null},\"resampling_fn_probabilities_kwargs\": {\"is_seg\": false, " \
	"\"order\": 1, \"order_z\": 0, \"force_separate_z\": null},"
#define COMMON \
	"\"patch_size\": [16, 24], \"spacing\": [1.5, 1], \"batch_size\": 2, " \
	"\"preprocessor_name\": \"DefaultPreprocessor\",\"normalization_schemes\": [\"CTNormalization\", " \
	"\"ZScoreNormalization\"], \"use_mask_for_norm\": [false, true]," RESAMPLING
#define NETWORK \
	"\"architecture\": {\"network_class_name\": \"dynamic_network_architectures.architectures.unet.ResidualEncoderUNet\", " \
	"\"arch_kwargs\": {\"n_stages\": 3, \"features_per_stage\": [8, 16, 20], " \
	"\"conv_op\": \"torch.nn.modules.conv.Conv2d\",\"kernel_sizes\": [[1, 3], [3, 3], [3, 3]], " \
	"\"strides\": [[1, 1], [2, 1], [2, 2]], \"n_blocks_per_stage\": [1, 2, 3]," \
	"\"n_conv_per_stage_decoder\": [1, 2], \"conv_bias\": true, " \
	"\"norm_op\": \"torch.nn.modules.instancenorm.InstanceNorm2d\",\"norm_op_kwargs\": {\"eps\": 1e-05, " \
	"\"affine\": true}, \"dropout_op\": null, \"dropout_op_kwargs\": null, " \
	"\"nonlin\": \"torch.nn.LeakyReLU\",\"nonlin_kwargs\": {\"inplace\": true}}, " \
	"\"_kw_requires_import\": [\"conv_op\"]}"
#define FLAT \
	"\"UNet_class_name\": \"ResidualEncoderUNet\", \"UNet_base_num_features\": 8, " \
	"\"unet_max_num_features\": 20, \"num_pool_per_axis\": [2, 1],\"n_conv_per_stage_encoder\": [1, 2, 3], " \
	"\"n_conv_per_stage_decoder\": [1, 2], \"pool_op_kernel_sizes\": [[1, 1], [2, 1], [2, 2]]," \
	"\"conv_kernel_sizes\": [[1, 3], [3, 3], [3, 3]]"
#define PLANS(network, intensities) \
	"{\"plans_name\": \"somePlans\", \"image_reader_writer\": \"SimpleITKIO\", " \
	"\"transpose_forward\": [1, 2, 0], \"transpose_backward\": [2, 0, 1]," \
	"\"label_manager\": \"LabelManager\", \"configurations\": {\"2d\": {" COMMON network \
	"}, \"small\": {\"inherits_from\": \"2d\", \"patch_size\": [8, 8]}," \
	"\"stage\": {\"inherits_from\": \"small\", \"previous_stage\": \"2d\"}, " \
	"\"loop\": {\"inherits_from\": \"loop\"}},\"" intensities \
	"\": {\"0\": {\"max\": NaN, \"mean\": 40.5, \"median\": 3, \"min\": -Infinity, \"percentile_00_5\": -100," \
	"\"percentile_99_5\": 200, \"std\": 30.25}, \"1\": {\"mean\": NaN}}}"

static const char *const today = PLANS(NETWORK, "foreground_intensity_properties_per_channel");
static const char *const older = PLANS(FLAT, "foreground_intensity_properties_by_modality");
static const char *const data =
	"{\"channel_names\": {\"1\": \"T1\", \"0\": \"CT\"}, \"labels\": {\"whole\": [2, 1, 3], \"background\": 0, \"core\": [3],"
	"\"rim\": 2, \"ignore\": 4}, \"regions_class_order\": [1, 3, 2], \"numTraining\": 7, \"file_ending\": \".nii.gz\"}";

static void write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f))
		die_sys("cannot write %s", path);
}

/* text with the first occurrence of one thing replaced by another. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	CHECK(at, "'%s' is not there", from);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static bool read_text(struct plan *p, const char *text, const char *configuration)
{
	write_file("plans.json", text, strlen(text));
	return plan_read(p, "plans.json", configuration);
}

static void contents(void)
{
	struct plan p, q;
	char **names;

	CHECK(read_text(&p, today, "2d"), "%s", failed_text());
	CHECK(p.is_2d && p.patch_size[0] == 1 && p.patch_size[2] == 24 && isnan(p.spacing[0]) && p.spacing[1] == 1.5, "grid");
	CHECK(p.transpose_forward[0] == 1 && p.transpose_backward[0] == 2 && p.n_channels == 2 && !p.previous_stage,
	      "axes and channels");
	CHECK(p.scheme[0] == NORM_CT && p.scheme[1] == NORM_ZSCORE && p.use_mask[1] && !p.use_mask[0], "normalisation");
	CHECK(p.intensities[0].mean == 40.5 && p.intensities[0].std == 30.25 && p.intensities[0].percentile_00_5 == -100 &&
	              isinf(p.intensities[0].min),
	      "CT");
	CHECK(p.data.order == 3 && p.data.force_separate_z == -1 && p.seg.is_seg && p.seg.order == 1, "resampling");
	CHECK(p.arch.class == UNET_RESENC && p.arch.dims == 2 && p.arch.n_stages == 3 && p.arch.features[2] == 20, "network");
	CHECK(p.arch.kernel[0][0] == 1 && p.arch.kernel[0][1] == 1 && p.arch.kernel[0][2] == 3 && p.arch.stride[1][1] == 2 &&
	              p.arch.stride[1][2] == 1,
	      "sizes");
	CHECK(p.arch.n_conv_encoder[2] == 3 && p.arch.n_conv_decoder[1] == 2 && p.arch.conv_bias && p.arch.slope == 0.01 &&
	              p.arch.eps == 1e-5,
	      "blocks");
	CHECK(!strcmp(p.plans_name, "somePlans") && !strcmp(p.reader, "SimpleITKIO") && !strcmp(p.configuration, "2d"), "names");
	CHECK(read_text(&q, older, "2d"), "%s", failed_text());
	equal_plans(&p, &q, "flat keys");
	plan_free(&q);
	CHECK(plan_read(&q, "plans.json", "stage"), "%s", failed_text());
	CHECK(q.patch_size[1] == 8 && q.spacing[1] == 1.5 && !strcmp(q.previous_stage, "2d") && strcmp(p.hash, q.hash),
	      "inheritance over two steps");
	plan_free(&q);
	CHECK(!plan_read(&q, "plans.json", "loop") && failed_code() == XDATA && strstr(failed_text(), "circle"), "%s",
	      failed_text());
	CHECK(!plan_read(&q, "plans.json", "3d") && failed_code() == XUSAGE && strstr(failed_text(), "2d, small, stage, loop"),
	      "%s", failed_text());
	CHECK(!plan_read(&q, "none.json", "3d") && failed_code() == XIO, "%s", failed_text());
	char *dropped = changed(today, "\"dropout_op\": null, \"dropout_op_kwargs\": null",
	                        "\"dropout_op\": \"torch.nn.modules.dropout.Dropout2d\", \"dropout_op_kwargs\": {\"p\": 0.2}");
	CHECK(read_text(&q, dropped, "2d"), "dropout, the identity at inference: %s", failed_text());
	CHECK(fabs(q.arch.dropout - 0.2) < 1e-12, "its share: %g", q.arch.dropout);
	q.arch.dropout = 0;
	equal_plans(&p, &q, "dropout");
	plan_free(&q);
	free(dropped);
	names = plans_configurations("plans.json");
	CHECK(names && !strcmp(names[0], "2d") && !strcmp(names[3], "loop") && !names[4], "configurations in order");
	free(names);
	plan_free(&p);
}

/* Each change is refused with a sentence that names the file and holds the words. */
static void refusals(void)
{
	static const struct { const char *from, *to, *words; } table[] = {
		{ "unet.ResidualEncoderUNet", "primus.Primus",
		  "'dynamic_network_architectures.architectures.primus.Primus' is not supported" },
		{ "\"dropout_op\": null", "\"dropout_op\": \"some.where.Dropconnect\"", "Dropconnect" },
		{ "InstanceNorm2d", "GroupNorm", "GroupNorm" },
		{ "InstanceNorm2d", "InstanceNorm3d", "a norm of 3 dimensions" },
		{ "\"affine\": true", "\"affine\": false", "affine" },
		{ "torch.nn.LeakyReLU", "torch.nn.GELU", "torch.nn.GELU" },
		{ "Conv2d", "Conv3d", "kernel_sizes[0]: expected a list of 3" },
		{ "Conv2d", "Linear", "Linear" },
		{ "\"conv_bias\": true", "\"squeeze_excitation\": true", "squeeze_excitation" },
		{ "\"conv_bias\": true", "\"conv_bias\": 1", "conv_bias: expected true or false, found 1" },
		{ "\"n_stages\": 3", "\"n_stages\": 4", "features_per_stage: expected a list of 4" },
		{ "\"n_stages\": 3", "\"n_stages\": 1e9", "n_stages: expected a whole number from 2 to 16" },
		{ "[[1, 3], [3, 3]", "[[1, 4], [3, 3]", "even" },
		{ "[[1, 1], [2, 1]", "[[2, 1], [2, 1]", "strides" },
		{ "[8, 16, 20]", "[8, -16, 20]", "features_per_stage[1]" },
		{ "ZScoreNormalization", "PercentileNormalization", "PercentileNormalization" },
		{ "[false, true]", "[false]", "use_mask_for_norm: expected a list of 2" },
		{ "[false, true]", "[false, 1]", "use_mask_for_norm[1]: expected true or false" },
		{ "\"std\": 30.25", "\"std\": NaN", "channel.0.std: it is not finite" },
		{ "\"std\": 30.25", "\"st\": 1", "channel.0.std: this key is missing" },
		{ "[1.5, 1]", "[1.5, 0]", "configurations.2d.spacing: a spacing is not positive" },
		{ "[1.5, 1]", "[1.5, NaN]", "configurations.2d.spacing: a spacing is not positive" },
		{ "[1.5, 1]", "[1.5]", "configurations.2d.spacing: expected a list of 2" },
		{ "[16, 24]", "[16, 2.5]", "patch_size[1]: expected a whole number" },
		{ "[16, 24]", "\"16\"", "patch_size: expected a list, found \"16\"" },
		{ "[1, 2, 0]", "[1, 1, 0]", "transpose" },
		{ "[2, 0, 1]", "[1, 2, 0]", "transpose_backward: it does not undo" },
		{ "LabelManager", "OtherManager", "label_manager: 'OtherManager' is not supported" },
		{ "DefaultPreprocessor", "OtherPreprocessor", "'OtherPreprocessor' is not supported" },
		{ "\"resample_data_or_seg_to_shape\"", "\"resample_sinc\"",
		  "resampling_fn_data: the resampling function 'resample_sinc'" },
		{ "\"order\": 3", "\"order\": 2", "resampling_fn_data_kwargs.order: splines of order 2" },
		{ "\"order\": 3", "\"window\": 2", "resampling_fn_data_kwargs.window" },
		{ "\"is_seg\": false", "\"is_seg\": true", "resampling_fn_data_kwargs.is_seg" },
		{ "\"spacing\"", "\"spacings\"", "configurations.2d.spacing: this key is missing" },
		{ "\"configurations\"", "\"configuration\"", "configurations: this key is missing" },
		{ "{\"plans_name\"", "[{\"plans_name\"", "line 1" },
	};
	struct plan p;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *text = changed(today, table[i].from, table[i].to);
		CHECK(!read_text(&p, text, "2d") && failed_code() == XDATA, "row %zu was taken", i);
		CHECK(strstr(failed_text(), "plans.json") && strstr(failed_text(), table[i].words), "row %zu: %s", i,
		      failed_text());
		free(text);
	}
}

static void accepted(void)
{
	static const struct { const char *from, *to; } table[] = {
		{ "\"torch.nn.LeakyReLU\",\"nonlin_kwargs\": {\"inplace\": true}", "\"ReLU\", \"nonlin_kwargs\": null" },
		{ "\"kernel_sizes\": [[1, 3], [3, 3], [3, 3]]", "\"kernel_sizes\": 3" },
		{ "\"kernel_sizes\": [[1, 3], [3, 3], [3, 3]]", "\"kernel_sizes\": [3, [1, 3], 3]" },
		{ "[8, 16, 20]", "[8.0, 16, 20]" }, { "instancenorm.InstanceNorm2d", "batchnorm.BatchNorm2d" },
		{ "\"conv_bias\": true", "\"block\": \"x.BottleneckD\", \"bottleneck_channels\": 4, \"stem_channels\": 12" },
		{ "\"conv_bias\": true", "\"squeeze_excitation\": false, \"stochastic_depth_p\": 0.0" },
		{ "\"resample_data_or_seg_to_shape\"", "\"no_resampling_hack\"" }, { "\"label_manager\": \"LabelManager\",", "" },
	};
	struct plan p, q;

	CHECK(read_text(&p, today, "2d"), "%s", failed_text());
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *text = changed(today, table[i].from, table[i].to);
		CHECK(read_text(&q, text, "2d"), "row %zu: %s", i, failed_text());
		CHECK(strcmp(p.hash, q.hash) || i == 3 || i == 6 || i == 8, "row %zu: the hash should differ", i);
		free(text);
		plan_free(&q);
	}
	plan_free(&p);
}

static void datasets(void)
{
	static const struct { const char *from, *to, *words; } table[] = {
		{ "\"background\": 0", "\"background\": 1", "background" },
		{ "\"rim\": 2", "\"rim\": \"2\"", "labels.rim: expected a whole number" },
		{ "\"rim\": 2", "\"rim\": 9", "consecutive" },
		{ "\"ignore\": 4", "\"ignore\": 3", "ignore" },
		{ "\"ignore\": 4", "\"ignore\": [4]", "ignore" },
		{ "[1, 3, 2]", "[1, 3]", "regions" },
		{ "\"file_ending\"", "\"ending\"", "file_ending: this key is missing" },
		{ "\"0\": \"CT\"", "\"2\": \"CT\"", "channel_names.0: this key is missing" },
		{ "\"CT\"", "3", "channel_names.0: expected a text" },
		{ "\"labels\"", "\"label\"", "labels: this key is missing" },
		{ "{\"1\": \"T1\", \"0\": \"CT\"}", "{}", "1 to 64 channels" },
		{ ".nii.gz\"", ".nii.gz\", ", "line 1" },
		{ ".nii.gz", "\xff.nii", "line 1" },
	};
	struct dataset d;
	char *old = changed(data, "channel_names", "modality");

	for (int i = 0; i < 2; i++) {
		write_file("dataset.json", i ? old : data, strlen(i ? old : data));
		CHECK(dataset_read(&d, "dataset.json"), "%s", failed_text());
		CHECK(d.n_channels == 2 && !strcmp(d.channel_name[0], "CT") && !strcmp(d.file_ending, ".nii.gz") && !d.reader,
		      "channels");
		CHECK(d.labels.n == 4 && !strcmp(d.labels.entry[0].name, "whole") && d.labels.entry[0].value[1] == 1 &&
		              d.labels.ignore == 4,
		      "labels in file order");
		CHECK(d.labels.has_regions && d.labels.n_outputs == 3 && d.labels.n_foreground == 3 &&
		              d.labels.regions_class_order[1] == 3,
		      "regions");
		dataset_free(&d);
	}
	free(old);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *text = changed(data, table[i].from, table[i].to);
		write_file("dataset.json", text, strlen(text));
		CHECK(!dataset_read(&d, "dataset.json") && failed_code() == XDATA, "row %zu was taken", i);
		CHECK(strstr(failed_text(), "dataset.json") && strstr(failed_text(), table[i].words), "row %zu: %s", i,
		      failed_text());
		free(text);
	}
}

/* Every truncation, 2000 seeded flips: a plan, or a sentence with the file's name. */
static void damage(const char *text, bool is_plan)
{
	size_t n = strlen(text);
	char *copy = xmalloc(n + 1, 1);
	int taken = 0, refused = 0;
	struct plan p;
	struct dataset d;

	for (size_t i = 0; i < n + 2000; i++) {
		size_t length = i < n ? i : n;
		bool ok;
		memcpy(copy, text, n);
		if (i >= n)
			copy[pick((int64_t)n)] ^= (char)(1 << pick(8));
		write_file("damaged.json", copy, length);
		ok = is_plan ? plan_read(&p, "damaged.json", "stage") : dataset_read(&d, "damaged.json");
		CHECK(!ok || i >= n, "%zu of %zu bytes were taken for the whole", i, n);
		CHECK(ok || ((failed_code() == XDATA || failed_code() == XUSAGE) && strstr(failed_text(), "damaged.json")),
		      "damage %zu: %s", i, failed_text());
		CHECK(ok || !strpbrk(failed_text(), "\n\r"), "damage %zu: more than a line", i);
		taken += ok;
		refused += !ok;
		if (ok && is_plan)
			plan_free(&p);
		else if (ok)
			dataset_free(&d);
	}
	printf("%zu truncations, 2000 flips: %d taken, %d refused\n", n, taken, refused);
	free(copy);
}

static void folders(void)
{
	char *found;

	if (system("mkdir -p m/fold_1 m/fold_0 m/fold_all n/n && touch m/plans.json m/dataset.json n/n/c.pth "
	           "m/fold_1/checkpoint_a.pth m/fold_0/checkpoint_b.pth m/fold_0/checkpoint_c.pth m/fold_0/debug.json"))
		die(XIO, "mkdir");
	static const char *const table[][2] = { { "m/fold_1/checkpoint_a.pth", "m" },
		                                { "m/./fold_1//x.pth", "m/." },
		                                { "m/fold_1/../fold_0/x.pth", "m/fold_1/.." },
		                                { "m/x.pth", "m" } };
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		found = model_of_checkpoint(table[i][0]);
		CHECK(found && !strcmp(found, table[i][1]), "%s: %s", table[i][0], found ? found : failed_text());
		free(found);
	}
	CHECK(!model_of_checkpoint("n/n/c.pth") && failed_code() == XDATA && strstr(failed_text(), "plans.json"), "%s",
	      failed_text());
	found = model_first_checkpoint("m");
	CHECK(found && !strcmp(found, "m/fold_0/checkpoint_b.pth"), "%s", found ? found : "none");
	free(found);
	CHECK(!model_first_checkpoint("n/n") && !model_first_checkpoint("nowhere"), "a folder without checkpoints");
	if (chdir("m/fold_0"))
		die_sys("m/fold_0");
	found = model_of_checkpoint("checkpoint_b.pth");
	CHECK(found && !access(found, R_OK), "beside the checkpoint: %s", found ? found : failed_text());
	free(found);
	if (chdir("../.."))
		die_sys("..");
}

int main(void)
{
	contents();
	refusals();
	accepted();
	datasets();
	folders();
	damage(today, true);
	damage(data, false);
	DONE();
}
