/* npz: numpy's .npy arrays and .npz archives. */
#ifndef COMMON_NPZ_H
#define COMMON_NPZ_H
#include "common/dtype.h"
#include "common/io.h"

struct npy { int n_dims; int64_t dim[8]; enum dtype type; void *data; };   /* C order, little-endian; data malloc'ed */

/* A .npy file. fail()s XDATA/XIO; Fortran order, big-endian and object arrays are refused by name. */
bool npy_read(struct npy *a, const char *path);
/* Array NAME (without .npy) of an archive, stored or deflated. */
bool npz_read(struct npy *a, const char *path, const char *name);
/* The first of a NULL-terminated list of names that the archive has. */
bool npz_read_any(struct npy *a, const char *path, const char *const names[]);
void npy_free(struct npy *a);

/* Writes one array as NAME.npy, deflated, into an archive that numpy.load opens; dates fixed, so equal data are equal
 * bytes.  f: an open outfile, not committed here. */
bool npz_write(struct outfile *f, const char *name, const struct npy *a);
bool npy_write(struct outfile *f, const struct npy *a);
#endif
