#include <stddef.h>
#include <string.h>
#include "filters/report/words.h"

static const struct { const char *name, *words; bool describes; } columns[] = {
	{ "case", "name of the image", true },
	{ "dice", "agreement with the reference labels, from 0 to 1, mean over the classes that are there", true },
	{ "mask_pixels", "voxels of the segmented foreground", true },
	{ "contour_pixels", "voxels of the ring around it", true },
	{ "class_entropy", "bits of entropy of the averaged probabilities, a contour voxel; 0: the members agree and are sure", false },
	{ "total_entropy", "the entropy of each member's foreground probabilities, summed over members, a contour voxel", false },
	{ "t_test", "how little background and foreground can be told apart: p-values of Welch's test over the members, "
	            "a contour voxel", false },
	{ "members", "how many checkpoints were averaged", true },
	{ "flags", "what to know about a case", true },
	{ "reason", "why a case failed", true },
};

static const struct { const char *flag, *words; bool note; } flags[] = {
	{ "failed", "failed", false },
	{ "empty", "nothing was segmented", false },
	{ "full", "the whole image was segmented", false },
	{ "no_contour", "no contour, so no score", false },
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
