#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/report/words.h"

struct words { const char *name, *words; };

static const struct words columns[] = {
	{ "case", "name of the image" },
	{ "dice", "agreement with the reference labels, from 0 to 1, mean over the classes that are there" },
	{ "expected_dice", "Dice that cases with such a score had where labels were known; a mean, not a promise" },
	{ "dice_lower", "bound below which Dice of a new case lies only as often as calibrate-dice was told to allow" },
	{ "mask_pixels", "voxels of the segmented foreground" },
	{ "contour_pixels", "voxels of the ring around it" },
	{ "class_entropy", "bits of entropy of the averaged probabilities, a contour voxel. 0: the members agree and are sure" },
	{ "total_entropy", "the entropy of each member's foreground probabilities, summed over members, a contour voxel" },
	{ "t_test", "how little background and foreground can be told apart: p-values of Welch's test over the members, "
	            "a contour voxel" },
	{ "expected_entropy", "mean entropy of the members, each for itself: doubt that they share" },
	{ "mutual_information", "class_entropy less expected_entropy: how much the members contradict each other" },
	{ "variance", "variance of the members' probabilities, summed over the classes" },
	{ "vote_entropy", "entropy of the members' votes" },
	{ "variation_ratio", "share of members that do not vote with the majority" },
	{ "margin", "how near the two most probable classes are to each other" },
	{ "max_softmax", "what the probability of the most probable class lacks to 1" },
	{ "pairwise_kl", "Kullback-Leibler divergence of the members, mean over pairs" },
	{ "pairwise_dice", "Dice of two members' segmentations, mean over the pairs; 1: they agree" },
	{ "generalized_dice", "generalized Dice of two members' segmentations, mean over the pairs" },
	{ "samples_iou", "voxels that all members give to the class, divided by those that any does" },
	{ "soft_dice_confidence", "Dice of the segmentation that the mean probabilities let expect; 1: sure" },
	{ "slice", "number of the slice, counted from 0" },
	{ "subset", "which of the members were averaged" },
	{ "members", "how many checkpoints were averaged" },
	{ "flags", "what to know about a case" },
	{ "reason", "why a case failed" },
	{ NULL, NULL }
};

static const struct { const char *flag, *words; bool note; } flags[] = {
	{ "failed", "failed", false },
	{ "empty", "nothing was segmented", false },
	{ "full", "the whole image was segmented", false },
	{ "no_contour", "no contour, so no score", false },
	{ "empty_worst", "no foreground: what is measured there is inf", false },
	{ "empty_image", "no foreground: what is measured there is the mean of the image", false },
	{ "empty_skip", "no foreground: what is measured there is missing", false },
	{ "members_empty", "a member segmented nothing", false },
	{ "cropped", "part of the image was cropped away", true },
	{ "one_member", "one member only: no disagreement to measure", true },
	{ "as_coded", "computed as UnnUNet's code does", true },
};

/* Of aggregate: "class_entropy.foreground". */
static const struct words aggregations[] = {
	{ "mean", "mean over the image" }, { "sum", "sum over the image" },
	{ "threshold_mean", "mean of the values over a threshold" }, { "threshold_sum", "sum of the values over a threshold" },
	{ "threshold_share", "share of voxels over a threshold" },
	{ "quantile_mean", "mean of the largest values" }, { "quantile_sum", "sum of the largest values" },
	{ "patch", "largest mean of a patch" },
	{ "foreground", "mean over the foreground" }, { "background", "mean over the background" },
	{ "volume_weighted", "mean over the image, divided by the foreground voxels" },
	{ "contour", "sum over the image, a contour voxel" }, { "contour_mm", "sum over the image, a millimetre of contour" },
	{ "ring", "mean near the boundary" }, { "non_boundary", "mean away from the boundary" },
	{ "foreground_core", "mean over the foreground away from the boundary" },
	{ "background_core", "mean over the background away from the boundary" },
	{ "distance_weighted", "mean weighted with the distance from the boundary" },
	{ NULL, NULL }
};

static const char *find(const struct words *w, const char *name, size_t length)
{
	for (; w->name; w++)
		if (strlen(w->name) == length && !strncmp(w->name, name, length))
			return w->words;
	return NULL;
}

bool put_column(FILE *out, const char *name, void (*put)(FILE *, const char *))
{
	size_t whole = strcspn(name, ":"), map = strcspn(name, ".:");
	const char *words = map < whole ? find(aggregations, name + map + 1, whole - map - 1) : find(columns, name, whole);
	char *text;

	if (!words)
		return false;
	text = map < whole ? xasprintf("%s, of the map %.*s", words, (int)map, name) : xstrdup(words);
	put(out, text);
	free(text);
	return true;
}

static int find_flag(const char *flag, int length)
{
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (strlen(flags[i].flag) == (size_t)length && !strncmp(flags[i].flag, flag, (size_t)length))
			return (int)i;
	return -1;
}

const char *flag_words(const char *flag, int length)
{
	int i = find_flag(flag, length);

	return i < 0 ? NULL : flags[i].words;
}

bool flag_is_note(const char *flag, int length)
{
	int i = find_flag(flag, length);

	return i >= 0 && flags[i].note;
}
