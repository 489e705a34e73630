/* image: picture and volume files as nnU-Net's readers see them (contract 1.4), and back.
 *
 * One struct for a read file; which rule applies (PNG, BMP and TIFF of one page: NaturalImage2DIO; other TIFF: Tiff3DIO;
 * NIfTI, NRRD, MetaImage: SimpleITKIO's arrays and spacing) follows from the file.  What SimpleITKIO refuses but NibabelIO
 * reads (NIfTI-2, skewed grids) is read as NibabelIO does. */
#ifndef COMMON_IMAGE_H
#define COMMON_IMAGE_H
#include "common/frame.h"

struct image {
	int64_t channels;        /* 1; RGB 3, RGBA 4 */
	int64_t shape[3];        /* z, y, x; a 2D image has z = 1 */
	double spacing_mm[3];    /* z, y, x; a picture has 999, 1, 1 */
	float *data;             /* [channels][z][y][x], 64-byte aligned, malloc'ed */
	msgpack_object geometry; /* map: format ("png", "nifti"...), ending, and what volumes need to be written again */
};

/* Recognised by content, not by name.  fail()s XDATA ("FILE: cause") or XIO.  Limit: memory_limit.
 * zone owns geometry. */
bool image_read(struct image *im, msgpack_zone *zone, const char *path);
void image_free(struct image *im);
/* File endings that image_read knows, NULL-terminated, longest first: ".nii.gz", ... ".png". */
extern const char *const image_endings[];
/* NULL, or the ending (one of image_endings) that path has, in whatever case its letters are. */
const char *image_ending(const char *path);

/* Write one channel [z][y][x] with the geometry of a frame's header into path (whole or not at all).
 * Labels (|u1 or <u2): uint8 if the largest value < 255, else uint16 (nnU-Net's rule); maps: float32.
 * The format follows the ending of path.  fail()s XUSAGE (PNG or BMP of a volume or a float map), XIO. */
bool image_write_label(const char *path, const struct frame *f, const void *label, enum dtype type);
bool image_write_map(const char *path, const struct frame *f, const float *map);

/* Whether an ending's files hold nothing but pictures of whole numbers: ".png", ".bmp". */
bool ending_is_picture(const char *ending);

/* PNG pictures of 8-bit (or 16-bit, host order) samples, channels 1 (grey), 3 (RGB) or 4 (RGBA), rows packed; for labels,
 * overlays and panels. */
bool png_write(const char *path, const void *pixels, int64_t width, int64_t height, int channels, int bits);
/* A picture of 8-bit RGB with a text (UTF-8, keyword Description); with a palette where 256 colours suffice. */
bool png_write_described(const char *path, const unsigned char *rgb, int64_t width, int64_t height, const char *text);

/* The cases of folders or lists: names without channel suffix _0000 and ending, each with the files of its channels in
 * name order.  A folder's cases are sorted bytewise; those of a list keep the order of their first files.  A file without a
 * suffix is a case of one channel.  labels: files have no channel suffix, whatever their name ends in.
 * Two files for one channel of a case: fail XDATA naming both.  Folders: XDATA when no image is in one, XIO. */
struct case_files { char *name; int n; char **path; };
struct case_list { int n; struct case_files *c; };
bool case_list_folder(struct case_list *l, const char *folder, bool labels);
bool case_list_files(struct case_list *l, char *const *paths, int n, bool labels);   /* paths: files or folders */
void case_list_free(struct case_list *l);
/* The number of a channel suffix, "x_0001.png" → 1; -1 if the name has none. */
int case_channel(const char *path);
/* Path of CASE.<ending> in a folder of label files, malloc'ed; NULL (fail XDATA naming the case and folder) if none. */
char *label_file(const char *folder, const char *name);

/* The formats behind the functions above. */
bool png_read(struct image *im, msgpack_zone *zone, const char *path);
bool bmp_read(struct image *im, msgpack_zone *zone, const char *path);
bool bmp_write(const char *path, const unsigned char *pixels, int64_t width, int64_t height);        /* 8-bit grey */
bool tiff_read(struct image *im, msgpack_zone *zone, const char *path);
bool tiff_write(const char *path, const struct frame *f, const void *voxels, enum dtype type);  /* |u1, <u2, <f4; and CASE.json */
bool nifti_read(struct image *im, msgpack_zone *zone, const char *path);
bool nifti_write(const char *path, const struct frame *f, const void *voxels, enum dtype type);   /* |u1, <u2, <f4 */
/* RAS affine in mm of the frame's source (3 rows of 4) as ITK or, if not itk, nibabel takes it from the header; without one
 * that of ITK's default axes.  Returns how many axes the source has in space: 3, 2 for a flat file, 0 for a picture. */
int image_affine(double affine[3][4], const struct frame *f, bool itk);
/* Whether the frame's source is a picture, whose pixels have no size. */
bool image_is_picture(const struct frame *f);
/* The geometry map of a case of which only nnU-Net's properties are left; a picture's when they have no axes. */
struct properties;
msgpack_object properties_geometry(msgpack_zone *zone, const struct properties *p, const int64_t shape[3]);
/* Room for [channels][shape] floats, or fail(): no size is believed before it is compared with memory_limit and with what a
 * file of file_bytes (compressed at most 1032 to 1, the best that deflate does) can hold at bits a sample. */
bool image_alloc(struct image *im, const char *path, uint64_t file_bytes, int bits);

/* Where the files of a frame go: into folder, or, of a subset of the members (average-probs --subsets) other than all, into a
 * folder in it that has the subset's name and is made.  malloc'ed; NULL after fail() XDATA or XIO. */
char *image_folder(const char *folder, const struct frame *f);
#endif
