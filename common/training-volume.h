/* training-volume: the files of a training case as the plans' reader gives them; what is wrong with them, line by line. */
#ifndef COMMON_TRAINING_VOLUME_H
#define COMMON_TRAINING_VOLUME_H
#include <stdio.h>
#include "common/orient.h"
#include "common/training-set.h"

/* The reader's axes are strides over the data, which stay in the order of the file. */
struct training_volume {
	struct frame f;                  /* grid and geometry of the first file, no layers */
	float *data;                     /* [channels][f.shape] */
	int64_t channels;
	int64_t shape[3], stride[3], begin;
	double spacing[3];
	struct orientation o;
};

/* The channels of n files, or a label map (n is 1).  Zeroed before; false after lines to `to`. */
bool training_volume_read(struct training_volume *v, FILE *to, const struct training_case *c, char *const *path, int n,
                          const char *reader);
void training_volume_free(struct training_volume *v);

bool training_close(double a, double b);                  /* to numpy.allclose's tolerances */
/* A line "CASE: text". */
void training_problem(FILE *to, const struct training_case *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Says where two grids (shape a, b; spacing u, v) differ; true if they do not. */
bool training_same_grid(FILE *to, const struct training_case *c, const int64_t a[3], const double u[3], const char *path_a,
                        const int64_t b[3], const double v[3], const char *path_b);
#endif
