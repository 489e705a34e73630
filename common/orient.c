#include <math.h>
#include <string.h>
#include "common/die.h"
#include "common/nifti.h"
#include "common/orient.h"

/* The columns of an affine as unit vectors; false if one has no length. */
static bool cosines(double r[3][3], double a[3][4])
{
	for (int j = 0; j < 3; j++) {
		double length = sqrt(a[0][j] * a[0][j] + a[1][j] * a[1][j] + a[2][j] * a[2][j]);
		if (!(length > 0) || !isfinite(length))
			return false;
		for (int i = 0; i < 3; i++)
			r[i][j] = a[i][j] / length;
	}
	return true;
}

/* to: inverse transpose of r; false if it has none. */
static bool inverse_transpose(double to[3][3], double r[3][3])
{
	double det = 0;

	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
			to[i][j] = r[i1][j1] * r[i2][j2] - r[i1][j2] * r[i2][j1];      /* cofactor */
		}
	for (int j = 0; j < 3; j++)
		det += r[0][j] * to[0][j];
	if (!(fabs(det) > 1e-12))
		return false;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			to[i][j] /= det;
	return true;
}

/* The closest matrix without shear: the orthogonal factor of the polar decomposition, by Newton's iteration
 * R ← (R + R^-T) / 2 (Higham, SIAM J. Sci. Stat. Comput. 7, 1986). */
static bool polar(double r[3][3])
{
	double t[3][3], change = 1;

	for (int round = 0; round < 100 && change > 1e-15; round++) {
		change = 0;
		if (!inverse_transpose(t, r))
			return false;
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 3; j++) {
				double next = (r[i][j] + t[i][j]) / 2;
				change = fmax(change, fabs(next - r[i][j]));
				r[i][j] = next;
			}
	}
	return true;
}

/* nibabel.orientations.io_orientation: file axes in their order take the largest of what is left. */
bool orient_closest_nibabel(int out_axis[3], int sign[3], double a[3][4])
{
	double r[3][3];
	bool taken[3] = { false, false, false };

	if (!cosines(r, a) || !polar(r))
		return false;
	for (int j = 0; j < 3; j++) {
		int best = -1;
		for (int i = 0; i < 3; i++)
			if (!taken[i] && (best < 0 || fabs(r[i][j]) > fabs(r[best][j])))
				best = i;
		taken[best] = true;
		out_axis[j] = best;
		sign[j] = r[best][j] < 0 ? -1 : 1;
	}
	return true;
}

/* ITK's DICOMOrientation: the largest cosine of all decides first; of equal ones the last in row order. */
bool orient_closest_itk(int out_axis[3], int sign[3], double a[3][4])
{
	double r[3][3];
	bool row_taken[3] = { false, false, false }, column_taken[3] = { false, false, false };

	if (!cosines(r, a))
		return false;
	for (int round = 0; round < 3; round++) {
		int row = -1, column = -1;
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 3; j++)
				if (!row_taken[i] && !column_taken[j] && (row < 0 || fabs(r[i][j]) >= fabs(r[row][column]))) {
					row = i;
					column = j;
				}
		row_taken[row] = column_taken[column] = true;
		out_axis[column] = row;
		sign[column] = r[row][column] < 0 ? -1 : 1;
	}
	return true;
}

/* Voxel lengths as nibabel's get_zooms() gives them: the header's numbers, whatever its unit. */
static void zooms(double spacing[3], const struct nifti_2_header *h)
{
	for (int i = 0; i < 3; i++)
		spacing[2 - i] = fabs(h->pixdim[i + 1]) > 0 && isfinite(h->pixdim[i + 1]) ? fabs(h->pixdim[i + 1]) : 1;
}

/* nibabel computes the zooms of a volume that it has turned anew from its affine, and keeps them in the header's precision. */
static void zooms_of_affine(double spacing[3], double a[3][4], bool single)
{
	for (int j = 0; j < 3; j++) {
		double length = sqrt(a[0][j] * a[0][j] + a[1][j] * a[1][j] + a[2][j] * a[2][j]);
		spacing[2 - j] = single ? (double)(float)length : length;
	}
}

static bool turn(struct orientation *o, const struct frame *f, const char *reader, bool nibabel, const struct nifti_2_header *h,
                 size_t header_bytes)
{
	int out_axis[3], sign[3];
	double a[3][4];
	bool moved = false;

	if (!mpk_get(mpk_get_map(&f->header, "geometry"), "header") || image_affine(a, f, !nibabel) != 3)
		return fail(XDATA, "its file has no orientation in space, by which the plans' reader %s turns it", reader);
	if (!(nibabel ? orient_closest_nibabel(out_axis, sign, a) : orient_closest_itk(out_axis, sign, a)))
		return fail(XDATA, "the orientation in its header is degenerate; the plans' reader %s cannot turn it", reader);
	for (int j = 0; j < 3; j++) {                   /* axes x, y, z here, z, y, x in o */
		o->axis[2 - out_axis[j]] = 2 - j;
		o->flip[2 - out_axis[j]] = sign[j] < 0;
		moved |= out_axis[j] != j || sign[j] < 0;
	}
	if (nibabel && moved && h) {
		nifti_header_affine(a, h, false);       /* in the header's own unit */
		zooms_of_affine(o->spacing_mm, a, header_bytes == 348);
	}
	return true;
}

bool orient_find(struct orientation *o, const struct frame *f, const char *reader)
{
	bool nibabel = reader && !strncmp(reader, "NibabelIO", 9), reorients = reader && strstr(reader, "WithReorient");
	struct nifti_2_header h;
	size_t n;
	bool nifti = nifti_source_header(&h, &n, f);

	*o = (struct orientation){ .axis = { 0, 1, 2 }, .keeps_nonfinite = nibabel };
	memcpy(o->spacing_mm, f->spacing_mm, sizeof o->spacing_mm);
	if (nibabel && nifti && h.dim[0] == 3)
		zooms(o->spacing_mm, &h);
	return !reorients || turn(o, f, reader, nibabel, nifti ? &h : NULL, n);
}
