#include <stddef.h>
#include <string.h>
#include "filters/report/words.h"

static const struct { const char *name, *words; bool describes; } columns[] = {
	{ "case", "name of the image", true },
	{ "dice", "agreement with the reference labels, from 0 to 1, mean over the classes that are there", true },
	{ "expected_dice", "Dice that cases with such a score had where labels were known; a mean, not a promise", true },
	{ "dice_lower", "bound below which Dice of a new case lies only as often as calibrate-dice was told to allow", true },
	{ "mask_pixels", "voxels of the segmented foreground", true },
	{ "contour_pixels", "voxels of the ring around it", true },
	{ "class_entropy", "bits of entropy of the averaged probabilities, a contour voxel; 0: the members agree and are sure", false },
	{ "total_entropy", "the entropy of each member's foreground probabilities, summed over members, a contour voxel", false },
	{ "t_test", "how little background and foreground can be told apart: p-values of Welch's test over the members, "
	            "a contour voxel", false },
	{ "expected_entropy", "mean entropy of the members, each for itself: doubt that they share", false },
	{ "mutual_information", "class_entropy less expected_entropy: how much the members contradict each other", false },
	{ "variance", "variance of the members' probabilities, summed over the classes", false },
	{ "vote_entropy", "entropy of the members' votes", false },
	{ "variation_ratio", "share of members that do not vote with the majority", false },
	{ "margin", "how near the two most probable classes are to each other", false },
	{ "max_softmax", "what the probability of the most probable class lacks to 1", false },
	{ "pairwise_kl", "Kullback-Leibler divergence of the members, mean over pairs", false },
	{ "pairwise_dice", "Dice of two members' segmentations, mean over the pairs; 1: they agree", false },
	{ "generalized_dice", "generalized Dice of two members' segmentations, mean over the pairs", false },
	{ "samples_iou", "voxels that all members give to the class, divided by those that any does", false },
	{ "soft_dice_confidence", "Dice of the segmentation that the mean probabilities let expect; 1: sure", false },
	{ "members", "how many checkpoints were averaged", true },
	{ "flags", "what to know about a case", true },
	{ "reason", "why a case failed", true },
};

static const struct { const char *flag, *words; bool note; } flags[] = {
	{ "failed", "failed", false },
	{ "empty", "nothing was segmented", false },
	{ "full", "the whole image was segmented", false },
	{ "no_contour", "no contour, so no score", false },
	{ "empty_worst", "no foreground to take a mean over: the score is inf", false },
	{ "empty_image", "no foreground to take a mean over: the score is that of the image", false },
	{ "empty_skip", "no foreground to take a mean over: there is no score", false },
	{ "members_empty", "a member segmented nothing", false },
	{ "cropped", "part of the image was cropped away", true },
	{ "one_member", "one member only: no disagreement to measure", true },
	{ "as_coded", "computed as UnnUNet's code does", true },
};

static int find(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		if (strlen(columns[i].name) == length && !strncmp(columns[i].name, name, length))
			return (int)i;
	return -1;
}

const char *column_words(const char *name)
{
	int i = find(name, strcspn(name, ":"));

	return i < 0 ? NULL : columns[i].words;
}

bool column_describes(const char *name)
{
	int i = find(name, strcspn(name, ":"));

	return i >= 0 && columns[i].describes;
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
