/* training-set: a data set as nnU-Net lays it out: its folders, and the files of its training cases (contract 1.1, 1.2). */
#ifndef COMMON_TRAINING_SET_H
#define COMMON_TRAINING_SET_H
#include "common/plans.h"

struct training_case { char *name; int n_images; char **image; char *label; };

struct training_set {
	char *name;              /* "Dataset004_Hippocampus" */
	char *raw;               /* folder of dataset.json, imagesTr, labelsTr */
	char *preprocessed;      /* folder of fingerprint, plans and splits; NULL: not known */
	char *dataset_json;
	struct dataset dataset;
	int n_training;          /* numTraining */
	int n_labels;            /* keys of `labels`, "ignore" included */
	int n;                   /* cases, see training_set_cases() */
	struct training_case *c;
};

/* dataset: a folder that holds dataset.json, or number, name or DatasetNNN_NAME of one in $nnUNet_raw.
 * preprocessed: NULL stands for $nnUNet_preprocessed/DatasetNNN_NAME.
 * fail()s XUSAGE (a variable that is needed is not set), XDATA, XIO. */
bool training_set_open(struct training_set *s, const char *dataset, const char *preprocessed);
/* The folder preprocessed, made where it is missing; fail()s XUSAGE where it is not known. */
bool training_set_make_folder(const struct training_set *s);
/* Finds the cases: those of the key `dataset` in the order of the file, or those with images in imagesTr sorted bytewise.
 * Nothing is said of files that are missing.  fail()s XDATA when there are none, XIO. */
bool training_set_cases(struct training_set *s);
/* nnU-Net's class that reads the data set: the one that dataset.json names, else the first for its file ending that can read
 * the first image.  NULL after fail() XDATA. */
const char *training_set_reader(const struct training_set *s);
void training_set_free(struct training_set *s);
#endif
