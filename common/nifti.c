/* The header is read here, not by libnifti's reader: that one allocates what a damaged header asks for before it looks at
 * the file, has no NIfTI-2 in its niftiio part, and recomputes the transforms that must come back bit for bit.  Its header
 * files supply the structures and codes. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "common/die.h"
#include "common/io.h"
#include "common/nifti.h"
#include "common/nonfinite.h"
#include "common/opt.h"

_Static_assert(sizeof(struct nifti_1_header) == 348 && sizeof(struct nifti_2_header) == 540,
	"headers are used as they are in files");

enum { CHUNK = 1 << 16 };                       /* voxels converted at a time */

/* Runs of numbers in the headers: where, bytes each, how many.  All other bytes are text. */
static const struct run { int at, width, count; } runs_1[] = {
	{ 0, 4, 1 }, { 32, 4, 1 }, { 36, 2, 1 }, { 40, 2, 8 }, { 56, 4, 3 }, { 68, 2, 4 }, { 76, 4, 11 }, { 120, 2, 1 },
	{ 124, 4, 6 }, { 252, 2, 2 }, { 256, 4, 18 }, { 0, 0, 0 }
}, runs_2[] = {
	{ 0, 4, 1 }, { 12, 2, 2 }, { 16, 8, 28 }, { 344, 4, 2 }, { 352, 8, 18 }, { 496, 4, 3 }, { 0, 0, 0 }
};

/* NIfTI-1 as NIfTI-2: what decides grid, type and geometry.  Every float is a double: nifti_narrow() gives the same bits back. */
static void widen(struct nifti_2_header *to, const struct nifti_1_header *h)
{
	bool sound = h->vox_offset >= 348 && h->vox_offset < 0x1p62f;

	*to = (struct nifti_2_header){ .sizeof_hdr = 540, .datatype = h->datatype,
		.vox_offset = sound ? (int64_t)h->vox_offset : 0, .scl_slope = h->scl_slope, .scl_inter = h->scl_inter,
		.qform_code = h->qform_code, .sform_code = h->sform_code,
		.quatern_b = h->quatern_b, .quatern_c = h->quatern_c, .quatern_d = h->quatern_d, .qoffset_x = h->qoffset_x,
		.qoffset_y = h->qoffset_y, .qoffset_z = h->qoffset_z, .xyzt_units = h->xyzt_units, .dim_info = h->dim_info };
	for (int i = 0; i < 8; i++) {
		to->dim[i] = h->dim[i];
		to->pixdim[i] = h->pixdim[i];
	}
	for (int i = 0; i < 4; i++) {
		to->srow_x[i] = h->srow_x[i];
		to->srow_y[i] = h->srow_y[i];
		to->srow_z[i] = h->srow_z[i];
	}
}

void nifti_narrow(struct nifti_1_header *to, const struct nifti_2_header *h)
{
	*to = (struct nifti_1_header){ .sizeof_hdr = 348, .regular = 'r', .datatype = h->datatype, .bitpix = h->bitpix,
		.vox_offset = 352, .scl_slope = 1, .qform_code = (short)h->qform_code, .sform_code = (short)h->sform_code,
		.quatern_b = (float)h->quatern_b, .quatern_c = (float)h->quatern_c, .quatern_d = (float)h->quatern_d,
		.qoffset_x = (float)h->qoffset_x, .qoffset_y = (float)h->qoffset_y, .qoffset_z = (float)h->qoffset_z,
		.xyzt_units = (char)h->xyzt_units, .dim_info = h->dim_info, .magic = "n+1" };
	for (int i = 0; i < 8; i++) {
		to->dim[i] = (short)h->dim[i];
		to->pixdim[i] = (float)h->pixdim[i];
	}
	for (int i = 0; i < 4; i++) {
		to->srow_x[i] = (float)h->srow_x[i];
		to->srow_y[i] = (float)h->srow_y[i];
		to->srow_z[i] = (float)h->srow_z[i];
	}
}

/* raw: a header in this machine's byte order, of the length that its first number says. */
static void parse(struct nifti_2_header *h, const unsigned char *raw, size_t n)
{
	struct nifti_1_header one;

	if (n == sizeof *h) {
		memcpy(h, raw, sizeof *h);
		return;
	}
	memcpy(&one, raw, sizeof one);
	widen(h, &one);
}

static enum dtype voxel_type(int code)
{
	switch (code) {
	case NIFTI_TYPE_UINT8: return DT_U1;
	case NIFTI_TYPE_INT8: return DT_I1;
	case NIFTI_TYPE_INT16: return DT_I2;
	case NIFTI_TYPE_UINT16: return DT_U2;
	case NIFTI_TYPE_INT32: return DT_I4;
	case NIFTI_TYPE_UINT32: return DT_U4;
	case NIFTI_TYPE_INT64: return DT_I8;
	case NIFTI_TYPE_UINT64: return DT_U8;
	case NIFTI_TYPE_FLOAT32: return DT_F4;
	case NIFTI_TYPE_FLOAT64: return DT_F8;
	default: return DT_NONE;
	}
}

double nifti_unit_mm(const struct nifti_2_header *h)
{
	switch (XYZT_TO_SPACE(h->xyzt_units)) {
	case NIFTI_UNITS_METER: return 1e3;
	case NIFTI_UNITS_MICRON: return 1e-3;
	default: return 1;
	}
}

double nifti_spacing(const struct nifti_2_header *h, int axis)
{
	double s = fabs(h->pixdim[axis + 1]) * nifti_unit_mm(h);

	return s > 0 && isfinite(s) ? s : 1;
}

static bool bad_type(const char *path, int code)
{
	switch (code) {
	case NIFTI_TYPE_RGB24: case NIFTI_TYPE_RGBA32:
		return fail(XDATA, "%s: voxels are RGB colours; split them into one file a channel (CASE_0000...)", path);
	case NIFTI_TYPE_COMPLEX64: case NIFTI_TYPE_COMPLEX128: case NIFTI_TYPE_COMPLEX256:
		return fail(XDATA, "%s: voxels are complex numbers; only real ones are read", path);
	default:
		return fail(XDATA, "%s: voxels are of NIfTI type %d; read are 8 to 64 bit integers, float32 and float64", path,
			code);
	}
}

/* The grid of a header, or fail(). */
static bool grid(struct image *im, const struct nifti_2_header *h, const char *path)
{
	int64_t dims = h->dim[0];

	if (dims < 1 || dims > 7)
		return fail(XDATA, "%s: its header says %lld dimensions, which is none of 1 to 7; it is damaged", path,
			(long long)dims);
	for (int i = 1; i <= dims; i++)
		if (h->dim[i] < 1)
			return fail(XDATA, "%s: its header says that axis %d has length %lld; it is damaged", path, i,
				(long long)h->dim[i]);
	while (dims > 3 && h->dim[dims] == 1)
		dims--;
	if (dims > 4)
		return fail(XDATA, "%s: a %lldD file; split it into one file a volume, CASE_0000...", path, (long long)dims);
	if (dims < 2)
		return fail(XDATA, "%s: a 1D file is no image", path);
	im->channels = dims == 4 ? h->dim[4] : 1;       /* contract 1.4: SimpleITKIO takes the volumes for channels */
	for (int i = 0; i < 3; i++) {
		im->shape[2 - i] = i < dims ? h->dim[i + 1] : 1;
		im->spacing_mm[2 - i] = nifti_spacing(h, i);
	}
	if (dims == 2)                                  /* contract 1.4: SimpleITKIO's stand-in for a 2D file */
		im->spacing_mm[0] = 999 * fmax(im->spacing_mm[1], im->spacing_mm[2]);
	return true;
}

static bool gz_failed(gzFile in, const char *path)
{
	int code;
	const char *text = gzerror(in, &code);

	if (code == Z_ERRNO)
		return fail_sys("cannot read %s", path);
	return fail(XDATA, "%s: it is truncated or damaged%s%s", path, *text ? ": " : "", *text ? text : "");
}

/* All n bytes, or fail(). */
static bool fetch(gzFile in, void *to, size_t n, const char *path)
{
	errno = 0;
	while (n) {
		int r = gzread(in, to, n < 1u << 30 ? (unsigned)n : 1u << 30);
		if (r <= 0)
			return gz_failed(in, path);
		to = (char *)to + r;
		n -= (size_t)r;
	}
	return true;
}

/* Up to the end, so that the checksum of a compressed file is looked at. */
static bool drain(gzFile in, char *scratch, size_t n, const char *path)
{
	int r, code;

	errno = 0;
	while ((r = gzread(in, scratch, (unsigned)n)) > 0)
		;
	gzerror(in, &code);
	return r == 0 && (code == Z_OK || code == Z_STREAM_END) ? true : gz_failed(in, path);
}

static bool skip(gzFile in, int64_t n, char *scratch, size_t room, const char *path)
{
	for (size_t step; n > 0; n -= (int64_t)step) {
		step = (uint64_t)n < room ? (size_t)n : room;
		if (!fetch(in, scratch, step, path))
			return false;
	}
	return true;
}

/* libnifti, and so SimpleITKIO, reads NaN and infinity as 0; what stood there, times the slope, is noted. */
static void make_finite(struct nonfinite *l, void *v, enum dtype type, size_t n, size_t at, double slope)
{
	float *f = v;
	double *d = v;

	for (size_t i = 0; i < n && type == DT_F4; i++)
		if (!isfinite(f[i])) {
			nonfinite_add(l, at + i, (float)(f[i] * slope));
			f[i] = 0;
		}
	for (size_t i = 0; i < n && type == DT_F8; i++)
		if (!isfinite(d[i])) {
			nonfinite_add(l, at + i, (float)(d[i] * slope));
			d[i] = 0;
		}
}

/* The voxels as nnU-Net gets them: scaled in double where the header says so, then float32. */
static bool voxels(struct image *im, struct nonfinite *l, gzFile in, const struct nifti_2_header *h, bool swapped, char *chunk,
                   const char *path)
{
	enum dtype type = voxel_type(h->datatype);
	size_t size = dtype_size(type), n = (size_t)(im->channels * im->shape[0] * im->shape[1] * im->shape[2]), step;
	double slope = h->scl_slope, inter = isfinite(h->scl_inter) ? h->scl_inter : 0;
	bool scaled = isfinite(slope) && slope != 0 && (slope != 1 || inter != 0);

	for (size_t at = 0; at < n; at += step) {
		float *out = im->data + at;
		step = n - at < CHUNK ? n - at : CHUNK;
		if (!fetch(in, chunk, step * size, path))
			return false;
		if (swapped)
			bytes_swap(chunk, size, step);
		make_finite(l, chunk, type, step, at, scaled ? slope : 1);
		dtype_to_float(out, chunk, type, step);
		if (scaled)
			for (size_t i = 0; i < step; i++) {
				double v = type == DT_F8 ? ((double *)(void *)chunk)[i] : (double)out[i];
				out[i] = (float)(v * slope + inter);
			}
	}
	return true;
}

/* The header, in this machine's byte order; *n is its length. */
static bool read_header(unsigned char raw[540], size_t *n, bool *swapped, gzFile in, const char *path)
{
	int32_t length;

	if (!fetch(in, raw, 348, path))
		return false;
	memcpy(&length, raw, 4);
	*swapped = length != 348 && length != 540;
	if (*swapped)
		length = (int32_t)__builtin_bswap32((uint32_t)length);
	if (length != 348 && length != 540)
		return fail(XDATA, "%s: neither NIfTI-1 nor NIfTI-2 (its header says that it has %d bytes, not 348 or 540)", path,
			length);
	*n = (size_t)length;
	if (length == 540 && !fetch(in, raw + 348, 540 - 348, path))
		return false;
	if (length == 348 && (!memcmp(raw + 344, "ni1", 4)))
		return fail(XDATA, "%s: a header whose voxels are in an .img file; only single files (.nii, .nii.gz) are read",
			path);
	if (memcmp(raw + (length == 348 ? 344 : 4), length == 348 ? "n+1" : "n+2", 4))
		return fail(XDATA, "%s: the NIfTI magic bytes are missing; it is an Analyze file or damaged", path);
	for (const struct run *r = length == 348 ? runs_1 : runs_2; *swapped && r->count; r++)
		bytes_swap(raw + r->at, (size_t)r->width, (size_t)r->count);
	return true;
}

static bool read_open(struct image *im, struct nonfinite *l, gzFile in, uint64_t file_bytes, unsigned char raw[540], size_t *n,
                      const char *path)
{
	struct nifti_2_header h;
	bool swapped, ok;
	char *chunk;

	if (!read_header(raw, n, &swapped, in, path))
		return false;
	parse(&h, raw, *n);
	if (voxel_type(h.datatype) == DT_NONE)
		return bad_type(path, h.datatype);
	int bits = 8 * (int)dtype_size(voxel_type(h.datatype));
	if (!grid(im, &h, path) || !image_alloc(im, path, file_bytes, bits))
		return false;
	if (h.vox_offset < (int64_t)*n)                 /* 0 in some old files */
		h.vox_offset = (int64_t)*n;
	chunk = xmalloc(CHUNK, 8);
	if ((uint64_t)h.vox_offset / 1032 > file_bytes)
		ok = fail(XDATA, "%s: its header says that voxels begin at byte %lld, beyond its end; it is damaged or truncated",
			path, (long long)h.vox_offset);
	else
		ok = skip(in, h.vox_offset - (int64_t)*n, chunk, (size_t)CHUNK * 8, path) &&
		     voxels(im, l, in, &h, swapped, chunk, path) && (gzdirect(in) || drain(in, chunk, (size_t)CHUNK * 8, path));
	free(chunk);
	return ok;
}

msgpack_object nifti_geometry(msgpack_zone *zone, const void *header, size_t n, const char *ending)
{
	msgpack_object g = mpk_map();

	mpk_put(zone, &g, "format", mpk_str(zone, "nifti"));
	mpk_put(zone, &g, "ending", mpk_str(zone, ending));
	mpk_put(zone, &g, "header", mpk_bin(zone, header, n));
	return g;
}

bool nifti_read(struct image *im, msgpack_zone *zone, const char *path)
{
	unsigned char raw[540];
	struct stat st;
	size_t n = 0;
	struct nonfinite l = {0};
	gzFile in = gzopen(path, "rbe");
	bool ok;

	if (!in || stat(path, &st)) {
		fail_sys("cannot open %s", path);
		if (in)
			gzclose(in);
		return false;
	}
	gzbuffer(in, 1 << 17);
	ok = read_open(im, &l, in, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX, raw, &n, path);
	bool plain = gzdirect(in);
	gzclose(in);
	if (ok) {
		im->geometry = nifti_geometry(zone, raw, n, plain ? ".nii" : ".nii.gz");
		nonfinite_put(zone, &im->geometry, &l);
	} else {
		image_free(im);
	}
	free(l.run);
	return ok;
}

bool nifti_source_header(struct nifti_2_header *h, size_t *n, const struct frame *f)
{
	const msgpack_object *o = mpk_get(mpk_get_map(&f->header, "geometry"), "header");

	if (!o || o->type != MSGPACK_OBJECT_BIN || (o->via.bin.size != 348 && o->via.bin.size != 540))
		return false;
	*n = o->via.bin.size;
	parse(h, (const unsigned char *)o->via.bin.ptr, *n);
	if (h->dim[0] < 2 || h->dim[0] > 7)
		return false;
	for (int i = 0; i < 3; i++)
		if ((i < h->dim[0] ? h->dim[i + 1] : 1) != f->shape[2 - i])
			return false;
	return true;
}

/* A header for the frame's grid: the source's geometry, or the spacing alone. */
static void new_header(struct nifti_2_header *h, size_t *n, const struct frame *f)
{
	struct nifti_2_header s;
	double a[3][4];
	int axes = image_affine(a, f, true);
	bool picture = axes == 0, flat = axes != 3;

	*h = (struct nifti_2_header){ .sizeof_hdr = 540, .magic = "n+2\0\r\n\032\n", .vox_offset = 544, .scl_slope = 1 };
	if (nifti_source_header(&s, n, f)) {
		flat = s.dim[0] == 2;
		memcpy(h->pixdim, s.pixdim, sizeof h->pixdim);
		memcpy(&h->qform_code, &s.qform_code, 400 + 96 - 344);   /* both codes, the quaternion and the matrix */
		h->xyzt_units = s.xyzt_units;
		h->dim_info = s.dim_info;
	} else {
		*n = f->shape[0] > 32767 || f->shape[1] > 32767 || f->shape[2] > 32767 ? 540 : 348;
		h->pixdim[0] = 1;
		for (int i = 0; i < 7; i++)
			h->pixdim[i + 1] = i < (flat ? 2 : 3) ? f->spacing_mm[2 - i] : 1;
		h->xyzt_units = NIFTI_UNITS_MM;
		if (!picture && mpk_get(mpk_get_map(&f->header, "geometry"), "header")) {
			h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
			memcpy(h->srow_x, a[0], sizeof a[0]);
			memcpy(h->srow_y, a[1], sizeof a[1]);
			memcpy(h->srow_z, a[2], sizeof a[2]);
		}
	}
	h->dim[0] = flat && f->shape[0] == 1 ? 2 : 3;
	for (int i = 0; i < 7; i++)
		h->dim[i + 1] = i < 3 ? f->shape[2 - i] : 1;
}

bool nifti_write(const char *path, const struct frame *f, const void *data, enum dtype type)
{
	struct nifti_2_header h;
	struct nifti_1_header one;
	struct outfile out;
	size_t n, bytes = frame_grid_voxels(f) * dtype_size(type), step;
	unsigned char head[544] = {0};
	const char *ending = image_ending(path);
	bool ok = true;

	new_header(&h, &n, f);
	h.datatype = type == DT_U1 ? NIFTI_TYPE_UINT8 : type == DT_U2 ? NIFTI_TYPE_UINT16 : NIFTI_TYPE_FLOAT32;
	h.bitpix = (int16_t)(8 * dtype_size(type));
	nifti_narrow(&one, &h);
	memcpy(head, n == 348 ? (void *)&one : (void *)&h, n);   /* four zero bytes follow: no extensions */
	if (!outfile_open(&out, path))
		return false;
	/* gzip's header has no name and no time, so equal voxels are equal bytes */
	gzFile to = gzdopen(dup(out.fd), ending && !strcmp(ending, ".nii.gz") ? "wb6" : "wbT");
	if (!to)
		die(XIO, "out of memory");
	gzbuffer(to, 1 << 17);
	errno = 0;
	ok = gzwrite(to, head, (unsigned)n + 4) > 0;
	for (size_t at = 0; ok && at < bytes; at += step) {
		step = bytes - at < 1u << 30 ? bytes - at : 1u << 30;
		ok = gzwrite(to, (const char *)data + at, (unsigned)step) > 0;
	}
	if (gzclose(to) != Z_OK)
		ok = false;
	if (!ok) {
		fail_sys("cannot write %s", path);
		outfile_abort(&out);
		return false;
	}
	return outfile_commit(&out);
}
