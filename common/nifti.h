/* nifti: what nifti.c and affine.c share. */
#ifndef COMMON_NIFTI_H
#define COMMON_NIFTI_H
#include "common/image.h"
#include <nifti/nifti1.h>       /* after dtype.h: it has a macro DT_NONE (0, as there) */
#include <nifti/nifti2.h>

/* The header of the frame's source as NIfTI-2, if it has one and it is of the frame's grid; *n is its length in the file. */
bool nifti_source_header(struct nifti_2_header *h, size_t *n, const struct frame *f);
/* A single file's NIfTI-1 header with the same type, grid and geometry. */
void nifti_narrow(struct nifti_1_header *to, const struct nifti_2_header *h);
/* Length of a voxel along axis 0 (x), 1 or 2 in mm: absolute, and 1 where the file has none (as libnifti and ITK do). */
double nifti_spacing(const struct nifti_2_header *h, int axis);
/* The header's unit of length in mm. */
double nifti_unit_mm(const struct nifti_2_header *h);
/* RAS affine of a header in its own unit of length (3 rows of 4).  itk: by the rules of ITK, else by those of nibabel; they
 * differ where a file has two transforms that disagree, and where it has none. */
void nifti_header_affine(double affine[3][4], const struct nifti_2_header *h, bool itk);
/* A geometry map as nifti_read() makes it; header: 348 or 540 bytes. */
msgpack_object nifti_geometry(msgpack_zone *zone, const void *header, size_t n, const char *ending);
#endif
