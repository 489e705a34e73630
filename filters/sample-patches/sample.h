/* sample: where training patches are cut out of preprocessed cases (contract 2.6, 8.3). */
#ifndef FILTERS_SAMPLE_PATCHES_SAMPLE_H
#define FILTERS_SAMPLE_PATCHES_SAMPLE_H
#include "common/preprocess.h"
#include "common/training-set.h"

/* Voxels of a class or region by which patches may be placed: indices into the network's grid. */
struct places { uint32_t n; uint32_t *at; };

struct prepared {
	const char *name;
	struct grids g;
	int64_t channels;        /* with the previous stage's labels */
	float *image;            /* [channels][g.network] */
	int16_t *label;          /* [g.network], -1 outside */
	int n_places;
	struct places *of;       /* [n_places]: of each structure and, if there is an ignore label, of all that is annotated */
	size_t bytes;
};

struct sampler {
	const struct labels *labels;
	int64_t patch[3], final[3];      /* what is cut out, and what augmentation leaves of it */
	int batch;
	double oversample;               /* share of a batch that is placed by its foreground */
	uint64_t seed;
};

struct sample {
	int c;                   /* case */
	int structure;           /* that the patch is placed by: -1 for none, n_structures for any annotated voxel */
	int64_t begin[3];        /* may be outside the case */
};

/* Reads case c of the set and brings it onto the network's grid.  previous: folder of the previous stage's label maps, or
 * NULL.  fail()s XDATA, XIO. */
bool prepare(struct prepared *p, const struct training_case *c, const struct training_set *s, const struct plan *plan,
             const char *reader, const char *previous);
void prepared_free(struct prepared *p);

/* nnU-Net's class_locations: at most 10,000 voxels of a class, or 1 % where that is more. */
void places_find(struct prepared *p, const struct labels *l);


/* The patch that augmentation needs to turn and scale one of `final` voxels without empty corners. */
void sampler_patch(int64_t patch[3], const int64_t final[3], bool is_2d);
/* A function of the seed and these three numbers alone. */
struct sample sample_place(const struct sampler *s, const struct prepared *cases, int n_cases, int epoch, int iteration, int index);
/* Voxels of a patch; what lies outside the case is 0, outside 1.  image: [channels][patch], label, outside: [patch]. */
void sample_cut(float *image, uint16_t *label, uint8_t *outside, const struct prepared *p, const int64_t begin[3],
                const int64_t patch[3]);
#endif
