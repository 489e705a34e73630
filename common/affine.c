#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/nifti.h"
#include "common/properties.h"
#include "common/volume.h"

static void of_quaternion(double a[3][4], const struct nifti_2_header *h)         /* nifti1.h, "METHOD 2" */
{
	double b = h->quatern_b, c = h->quatern_c, d = h->quatern_d, w = sqrt(fmax(0, 1 - b * b - c * c - d * d));
	double unit = nifti_unit_mm(h);
	double hand = h->pixdim[0] < 0 ? -1 : 1;
	double s[3] = { nifti_spacing(h, 0) / unit, nifti_spacing(h, 1) / unit, nifti_spacing(h, 2) / unit * hand };
	double r[3][3] = { { w * w + b * b - c * c - d * d, 2 * (b * c - w * d), 2 * (b * d + w * c) },
	                   { 2 * (b * c + w * d), w * w + c * c - b * b - d * d, 2 * (c * d - w * b) },
	                   { 2 * (b * d - w * c), 2 * (c * d + w * b), w * w + d * d - b * b - c * c } };
	double offset[3] = { h->qoffset_x, h->qoffset_y, h->qoffset_z };

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			a[i][j] = r[i][j] * s[j];
		a[i][3] = offset[i];
	}
}

/* Whether the columns of the sform are at right angles, as ITK asks. */
static bool orthogonal(double a[3][4])
{
	for (int j = 0; j < 3; j++) {
		int k = (j + 1) % 3;
		double dot = 0, jj = 0, kk = 0;
		for (int i = 0; i < 3; i++) {
			dot += a[i][j] * a[i][k];
			jj += a[i][j] * a[i][j];
			kk += a[i][k] * a[i][k];
		}
		if (!(dot * dot < 1e-6 * jj * kk))
			return false;
	}
	return true;
}

void nifti_header_affine(double a[3][4], const struct nifti_2_header *h, bool itk)
{
	double unit = nifti_unit_mm(h);
	bool sform = h->sform_code > 0, qform = h->qform_code > 0;

	memset(a, 0, sizeof(double[3][4]));
	if (!sform && !qform) {
		a[0][0] = -nifti_spacing(h, 0) / unit;
		a[1][1] = nifti_spacing(h, 1) / unit * (itk ? -1 : 1);
		a[2][2] = nifti_spacing(h, 2) / unit;
		for (int i = 0; !itk && i < 3; i++)     /* nibabel's origin is the centre */
			a[i][3] = -a[i][i] * (double)(h->dim[i + 1] - 1) / 2;
		return;
	}
	memcpy(a[0], h->srow_x, sizeof a[0]);
	memcpy(a[1], h->srow_y, sizeof a[1]);
	memcpy(a[2], h->srow_z, sizeof a[2]);
	/* ITK (SetImageIOOrientationFromNIfTI) takes an sform beside a qform only if it is the scanner's and without shear */
	if (!sform || (itk && qform && (h->sform_code != NIFTI_XFORM_SCANNER_ANAT || !orthogonal(a))))
		of_quaternion(a, h);
}

bool image_is_picture(const struct frame *f)
{
	const char *format = mpk_get_str(mpk_get_map(&f->header, "geometry"), "format", "");

	return !strcmp(format, "png") || !strcmp(format, "bmp") || !strcmp(format, "tiff-picture");
}

int image_affine(double a[3][4], const struct frame *f, bool itk)
{
	struct nifti_2_header h;
	size_t n;

	if (nifti_source_header(&h, &n, f)) {
		nifti_header_affine(a, &h, itk);
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 4; j++)
				a[i][j] *= nifti_unit_mm(&h);
		return h.dim[0] == 2 ? 2 : 3;
	}
	memset(a, 0, sizeof(double[3][4]));
	struct volume v;
	bool known = volume_source(&v, f);
	free(v.file);
	for (int i = 0; known && i < 3; i++) {          /* LPS to RAS */
		for (int j = 0; j < 3; j++)
			a[i][j] = v.direction[i][j] * v.spacing[j] * (i < 2 ? -1 : 1);
		a[i][3] = v.origin[i] * (i < 2 ? -1 : 1);
	}
	if (known)
		return v.dims == 2 ? 2 : 3;
	a[0][0] = -f->spacing_mm[2];                    /* ITK's identity, in RAS */
	a[1][1] = -f->spacing_mm[1];
	a[2][2] = f->spacing_mm[0];
	return image_is_picture(f) ? 0 : 3;
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
