/* volume: what MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) have in common: lines of text that describe voxels, which
 * follow in the same file or stand in one beside it, as they are or compressed.  Axes are x, y, z here. */
#ifndef COMMON_VOLUME_H
#define COMMON_VOLUME_H
#include "common/image.h"

enum { VOLUME_HEADER = 1 << 20 };        /* bytes that a header may have */

struct volume {
	int dims;                        /* 2, 3, or 4: volumes that are channels */
	int64_t size[4];
	double spacing[3], origin[3];    /* mm; origin in LPS */
	double direction[3][3];          /* [i][j]: component i in LPS of axis j */
	enum dtype type;
	bool big_endian, compressed;     /* compressed: zlib or gzip */
	int64_t skip_lines, skip;        /* before the voxels; skip -1: the voxels are the last bytes */
	size_t header_bytes;
	char *file;                      /* where the voxels are, NULL: behind the header; free() it */
};

/* n bytes of a file's beginning.  fail()s XDATA naming path, or nothing when path is NULL. */
bool metaimage_parse(struct volume *v, const char *text, size_t n, const char *path);
bool nrrd_parse(struct volume *v, const char *text, size_t n, const char *path);

/* Appends the lines of a header up to the voxels.  from: the source's header when its lines on geometry are to be kept, else
 * NULL.  file: where the voxels will be, NULL: in the same file; bytes: how many there will be, compressed. */
struct text { char *s; size_t n, capacity; };
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void metaimage_lines(struct text *t, const struct volume *v, const char *from, size_t n, const char *file, size_t bytes);
void nrrd_lines(struct text *t, const struct volume *v, const char *from, size_t n, const char *file);

/* For the parsers: lines and the fields in them. */
struct field { const char *key, *value; size_t key_n, n; const char *line; size_t line_n; };
/* The next line, its end left out; false when there is none.  *at: begins with 0. */
bool text_line(const char **line, size_t *n, size_t *at, const char *text, size_t text_n);
/* key SEPARATOR value, blanks around both cut off. */
bool text_field(struct field *f, const char *line, size_t n, const char *separator);
bool field_is(const struct field *f, const char *key);            /* in whatever case its letters are */
bool value_is(const struct field *f, const char *value);
char *field_value(const struct field *f);                         /* malloc'ed */
int field_reals(double *v, int most, const struct field *f);      /* how many; -1: no numbers, or more than most */
bool field_sizes(int64_t *v, int n, const struct field *f);       /* exactly n whole numbers from 1 on */
bool volume_check(struct volume *v, const char *path);            /* spacings, orientation */

bool volume_read(struct image *im, msgpack_zone *zone, const char *path);
bool volume_write(const char *path, const struct frame *f, const void *voxels, enum dtype type);
/* The header of the frame's source, if it is of these formats and of the frame's grid; free(v->file). */
bool volume_source(struct volume *v, const struct frame *f);
#endif
