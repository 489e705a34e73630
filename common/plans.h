/* plans: nnU-Net's plans.json and dataset.json, one configuration resolved (contract 1.2, 1.3, 2, 3; legacy flat plans,
 * inherits_from, "modality" for "channel_names" included).  Axes are those of the transposed array: [0] slowest.
 *
 * A 2d configuration is carried as 3D: patch_size, kernels and strides get a leading 1, spacing[0] is NaN (the case's own). */
#ifndef COMMON_PLANS_H
#define COMMON_PLANS_H
#include "common/labels.h"

enum { MAX_STAGES = 16, MAX_CHANNELS = 64, MAX_BLOCKS = 32 };

struct dataset {
	int n_channels;
	char *channel_name[MAX_CHANNELS];
	char *file_ending;
	char *reader;                           /* overwrite_image_reader_writer, NULL if none */
	struct labels labels;
};

enum norm_scheme { NORM_ZSCORE, NORM_CT, NORM_NONE, NORM_RESCALE_0_1, NORM_RGB_0_1 };
struct intensities { double max, mean, median, min, percentile_00_5, percentile_99_5, std; };

/* One resampling function of the plan with its keyword arguments (contract 2.5). */
enum resampler_kind { RESAMPLE_DEFAULT, RESAMPLE_TO_SPACING, RESAMPLE_TORCH, RESAMPLE_TORCH_SIMPLE, RESAMPLE_IDENTITY };
struct resampler {
	enum resampler_kind kind;
	bool is_seg;
	int order, order_z;
	int force_separate_z;                   /* -1: decide by spacing; 0; 1 */
};

enum unet_class { UNET_PLAIN, UNET_RESENC };
enum norm_op { NORM_INSTANCE, NORM_BATCH };

struct architecture {
	enum unet_class class;
	int dims;                               /* 2 or 3, of the stored weights */
	int n_stages;
	int features[MAX_STAGES], kernel[MAX_STAGES][3], stride[MAX_STAGES][3];
	int n_conv_encoder[MAX_STAGES];         /* convolutions (plain) or blocks (residual) */
	int n_conv_decoder[MAX_STAGES];
	bool conv_bias, nonlin_first;
	enum norm_op norm;
	double eps, slope;                      /* of the norm; of leaky ReLU */
	double dropout;                         /* share that training drops, 0 for none */
	int stem_channels;                      /* residual: 0 means features[0] */
	bool bottleneck_blocks;                 /* BottleneckD */
	int bottleneck_channels[MAX_STAGES];
};

struct plan {
	char *plans_name, *configuration, *reader;   /* reader: plans' image_reader_writer */
	bool is_2d;
	int64_t patch_size[3];
	int batch_size;                         /* of training; 0 where the plans have none */
	bool batch_dice;                        /* in training, Dice is of a whole batch; false where the plans do not say */
	double spacing[3];                      /* target; [0] is NaN for 2d */
	int transpose_forward[3], transpose_backward[3];
	int n_channels;                         /* normalised image channels */
	enum norm_scheme scheme[MAX_CHANNELS];
	bool use_mask[MAX_CHANNELS];
	struct intensities intensities[MAX_CHANNELS];
	struct resampler data, seg, probabilities;
	struct architecture arch;
	char *previous_stage;                   /* NULL, or the configuration whose labels are a further input */
	char hash[17];                          /* of what decides numbers: hex, equal for equal networks and preprocessing */
};

/* Read files; fail() XDATA (bad content: names file, key and cause) or XIO.  Free with the functions below. */
bool dataset_read(struct dataset *d, const char *dataset_json);
/* configuration must exist: otherwise XUSAGE naming the choices. */
bool plan_read(struct plan *p, const char *plans_json, const char *configuration);
void dataset_free(struct dataset *d);
void plan_free(struct plan *p);
/* Names of the configurations in the file, NULL-terminated, malloc'ed as one block; NULL on fail(). */
char **plans_configurations(const char *plans_json);

/* Model folders.  From the path of a checkpoint (MODEL/fold_K/checkpoint_x.pth): the folder that holds plans.json and
 * dataset.json (its own or the one above), malloc'ed; fail()s XDATA naming what was looked for. */
char *model_of_checkpoint(const char *checkpoint);
/* Path of the first checkpoint under a model folder (sorted by fold, then name), malloc'ed; NULL if there is none. */
char *model_first_checkpoint(const char *model);

/* Input channels of the network: n_channels, and for a cascade one per foreground label. */
int plan_input_channels(const struct plan *p, const struct labels *l);
#endif
