#include <math.h>
#include <string.h>
#include "common/nifti.h"
#include "common/properties.h"

int nifti_affine(double a[3][4], const struct frame *f)
{
	struct nifti_2_header h;
	size_t n;
	bool known = nifti_source_header(&h, &n, f);

	memset(a, 0, sizeof(double[3][4]));
	if (!known || (h.sform_code <= 0 && h.qform_code <= 0)) {
		a[0][0] = -f->spacing_mm[2];            /* ITK's identity, in RAS */
		a[1][1] = -f->spacing_mm[1];
		a[2][2] = f->spacing_mm[0];
	} else if (h.sform_code > 0) {
		for (int j = 0; j < 4; j++) {
			a[0][j] = h.srow_x[j] * nifti_unit_mm(&h);
			a[1][j] = h.srow_y[j] * nifti_unit_mm(&h);
			a[2][j] = h.srow_z[j] * nifti_unit_mm(&h);
		}
	} else {                                        /* nifti1.h, "METHOD 2" */
		double b = h.quatern_b, c = h.quatern_c, d = h.quatern_d, w = sqrt(fmax(0, 1 - b * b - c * c - d * d));
		double s[3] = { nifti_spacing(&h, 0), nifti_spacing(&h, 1), nifti_spacing(&h, 2) * (h.pixdim[0] < 0 ? -1 : 1) };
		double r[3][3] = { { w * w + b * b - c * c - d * d, 2 * (b * c - w * d), 2 * (b * d + w * c) },
		                   { 2 * (b * c + w * d), w * w + c * c - b * b - d * d, 2 * (c * d - w * b) },
		                   { 2 * (b * d - w * c), 2 * (c * d + w * b), w * w + d * d - b * b - c * c } };
		double offset[3] = { h.qoffset_x, h.qoffset_y, h.qoffset_z };
		for (int i = 0; i < 3; i++) {
			for (int j = 0; j < 3; j++)
				a[i][j] = r[i][j] * s[j];
			a[i][3] = offset[i] * nifti_unit_mm(&h);
		}
	}
	return known && h.dim[0] == 2 ? 2 : 3;
}

/* The affine that the properties hold: nibabel's as it is; SimpleITK's origin and direction are of LPS axes. */
static void affine_of(double a[3][4], const struct properties *p)
{
	memset(a, 0, sizeof(double[3][4]));
	if (p->has_affine) {
		memcpy(a, p->affine, sizeof(double[3][4]));
		return;
	}
	for (int i = 0; i < 3; i++) {
		double sign = i < 2 ? -1 : 1;
		if (i >= p->sitk_dims) {
			a[i][i] = sign * p->spacing[2 - i];
			continue;
		}
		for (int j = 0; j < p->sitk_dims; j++)
			a[i][j] = sign * p->sitk_direction[i * p->sitk_dims + j] * p->sitk_spacing[j];
		a[i][3] = sign * p->sitk_origin[i];
	}
}

msgpack_object properties_geometry(msgpack_zone *zone, const struct properties *p, const int64_t shape[3])
{
	struct nifti_2_header h = { .sizeof_hdr = 540, .magic = "n+2\0\r\n\032\n", .datatype = NIFTI_TYPE_UINT8, .bitpix = 8,
		.vox_offset = 544, .scl_slope = 1 };
	struct nifti_1_header one;
	bool large = shape[0] > 32767 || shape[1] > 32767 || shape[2] > 32767;
	double a[3][4];

	if (!p->has_affine && !p->sitk_dims) {
		msgpack_object g = mpk_map();
		mpk_put(zone, &g, "format", mpk_str(zone, "png"));
		mpk_put(zone, &g, "ending", mpk_str(zone, ".png"));
		return g;
	}
	affine_of(a, p);
	h.dim[0] = p->sitk_dims == 2 ? 2 : 3;
	h.pixdim[0] = 1;
	for (int i = 0; i < 7; i++) {
		h.dim[i + 1] = i < 3 ? shape[2 - i] : 1;
		h.pixdim[i + 1] = i < h.dim[0] ? p->spacing[2 - i] : 1;
	}
	h.xyzt_units = NIFTI_UNITS_MM;
	h.sform_code = NIFTI_XFORM_SCANNER_ANAT;
	memcpy(h.srow_x, a[0], sizeof a[0]);
	memcpy(h.srow_y, a[1], sizeof a[1]);
	memcpy(h.srow_z, a[2], sizeof a[2]);
	nifti_narrow(&one, &h);
	return large ? nifti_geometry(zone, &h, sizeof h, ".nii.gz") : nifti_geometry(zone, &one, sizeof one, ".nii.gz");
}
