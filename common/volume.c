#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/volume.h"

enum { CHUNK = 1 << 16, BUFFER = 1 << 17 };      /* voxels converted, bytes read at a time */

/* ---- reading ---- */

/* The bytes of the voxels, inflated if need be. */
struct bytes {
	int fd;
	const char *path;
	z_stream z;
	bool compressed, ended;
	unsigned char *buffer;
};

static bool damaged(const struct bytes *b, const char *why)
{
	return fail(XDATA, "%s: it is truncated or damaged%s%s", b->path, why ? ": " : "", why ? why : "");
}

static bool inflate_some(struct bytes *b)
{
	if (!b->z.avail_in) {
		ptrdiff_t got = io_read(b->fd, b->buffer, BUFFER);
		if (got < 0)
			return fail_sys("cannot read %s", b->path);
		b->z.next_in = b->buffer;
		b->z.avail_in = (unsigned)got;
		if (!got)
			return damaged(b, "its compressed voxels end too early");
	}
	int code = inflate(&b->z, Z_NO_FLUSH);
	b->ended = code == Z_STREAM_END;
	return code == Z_OK || code == Z_BUF_ERROR || b->ended || damaged(b, b->z.msg);
}

static bool fetch(struct bytes *b, void *to, size_t n)
{
	if (!b->compressed) {
		ptrdiff_t got = io_read(b->fd, to, n);
		if (got < 0)
			return fail_sys("cannot read %s", b->path);
		return (size_t)got == n || damaged(b, "it holds fewer voxels than its header says");
	}
	b->z.next_out = to;
	b->z.avail_out = (unsigned)n;                   /* at most CHUNK voxels */
	while (b->z.avail_out) {
		if (b->ended)
			return damaged(b, "it holds fewer voxels than its header says");
		if (!inflate_some(b))
			return false;
	}
	return true;
}

/* To the end of compressed voxels, where their checksum is. */
static bool finish(struct bytes *b)
{
	unsigned char rest[256];

	while (b->compressed && !b->ended) {
		b->z.next_out = rest;
		b->z.avail_out = sizeof rest;
		if (!inflate_some(b))
			return false;
	}
	return true;
}

static bool skip(struct bytes *b, int64_t n, char *chunk, size_t room)
{
	for (size_t step; n > 0; n -= (int64_t)step) {
		step = (uint64_t)n < room ? (size_t)n : room;
		if (!fetch(b, chunk, step))
			return false;
	}
	return true;
}

static bool voxels(float *out, struct bytes *b, const struct volume *v, size_t n)
{
	size_t size = dtype_size(v->type);
	char *chunk = xmalloc(CHUNK, size);
	bool ok = skip(b, v->skip, chunk, CHUNK * size);

	for (size_t at = 0, step; ok && at < n; at += step) {
		step = n - at < CHUNK ? n - at : CHUNK;
		ok = fetch(b, chunk, step * size);
		if (ok && v->big_endian)
			bytes_swap(chunk, size, step);
		if (ok)
			dtype_to_float(out + at, chunk, v->type, step);
	}
	free(chunk);
	return ok && finish(b);
}

/* Where voxels begin in their file of `total` bytes; -1 after fail(). */
static int64_t begin(int fd, const struct volume *v, const char *path, uint64_t total, size_t voxel_bytes)
{
	int64_t at = v->file ? 0 : (int64_t)v->header_bytes;
	char c;

	if (v->skip == -1 && !v->compressed) {
		if (voxel_bytes <= total - (uint64_t)at)
			return (int64_t)(total - voxel_bytes);
		fail(XDATA, "%s: it is truncated or damaged: it holds fewer voxels than its header says", path);
		return -1;
	}
	if (lseek(fd, at, SEEK_SET) < 0) {
		fail_sys("cannot read %s", path);
		return -1;
	}
	for (int64_t lines = v->skip_lines; lines > 0; lines -= c == '\n', at++)
		if (io_read(fd, &c, 1) != 1) {
			fail(XDATA, "%s: it is truncated or damaged: it has fewer lines than its header skips", path);
			return -1;
		}
	return at;
}

static bool read_voxels(struct image *im, const struct volume *v, int fd, const char *path)
{
	struct bytes b = { .fd = fd, .path = path, .compressed = v->compressed };
	size_t n = (size_t)(im->channels * im->shape[0] * im->shape[1] * im->shape[2]);
	struct stat st;
	int64_t at;
	bool ok;

	if (fstat(fd, &st))
		return fail_sys("cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return fail(XDATA, "%s: it is no file that can be searched", path);
	if (!image_alloc(im, path, (uint64_t)st.st_size, 8 * (int)dtype_size(v->type)))
		return false;
	at = begin(fd, v, path, (uint64_t)st.st_size, n * dtype_size(v->type));
	if (at < 0)
		return false;
	if (lseek(fd, at, SEEK_SET) < 0)
		return fail_sys("cannot read %s", path);
	b.buffer = xmalloc(BUFFER, 1);
	if (v->compressed && inflateInit2(&b.z, 15 + 32) != Z_OK)        /* zlib or gzip, as it says */
		die(XIO, "out of memory");
	ok = voxels(im->data, &b, v, n);
	if (v->compressed)
		inflateEnd(&b.z);
	free(b.buffer);
	return ok;
}

/* Contract 1.4, SimpleITKIO: a flat file has a stand-in for its z spacing, volumes of a 4D file are channels. */
static void set_grid(struct image *im, const struct volume *v)
{
	im->channels = v->dims == 4 ? v->size[3] : 1;
	for (int i = 0; i < 3; i++) {
		im->shape[2 - i] = i < v->dims ? v->size[i] : 1;
		im->spacing_mm[2 - i] = v->spacing[i];
	}
	if (v->dims == 2)
		im->spacing_mm[0] = 999 * fmax(im->spacing_mm[1], im->spacing_mm[2]);
}

/* A name in the header is one beside the header, unless it is a whole path. */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return *name == '/' || !slash ? xstrdup(name) : xasprintf("%.*s/%s", (int)(slash - path), path, name);
}

static bool read_header(struct image *im, struct volume *v, msgpack_zone *zone, int fd, const char *path)
{
	static const char *const endings[2][2] = { { ".mha", ".mhd" }, { ".nrrd", ".nhdr" } };
	char *text = xmalloc(VOLUME_HEADER, 1);
	ptrdiff_t n = io_read(fd, text, VOLUME_HEADER);
	bool nrrd = n >= 4 && !memcmp(text, "NRRD", 4), ok;

	if (n < 0) {
		free(text);
		return fail_sys("cannot read %s", path);
	}
	ok = nrrd ? nrrd_parse(v, text, (size_t)n, path) : metaimage_parse(v, text, (size_t)n, path);
	if (ok) {
		im->geometry = mpk_map();
		mpk_put(zone, &im->geometry, "format", mpk_str(zone, nrrd ? "nrrd" : "metaimage"));
		mpk_put(zone, &im->geometry, "ending", mpk_str(zone, endings[nrrd][v->file != NULL]));
		mpk_put(zone, &im->geometry, "header", mpk_bin(zone, text, v->header_bytes));
	}
	free(text);
	return ok;
}

bool volume_read(struct image *im, msgpack_zone *zone, const char *path)
{
	struct volume v = {0};
	char *data = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return fail_sys("cannot open %s", path);
	ok = read_header(im, &v, zone, fd, path);
	if (ok)
		set_grid(im, &v);
	if (ok && v.file) {
		close(fd);
		data = beside(path, v.file);
		fd = open(data, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			ok = fail(XDATA, "%s: its voxels should be in %s: %s", path, data, strerror(errno));
	}
	if (ok && !read_voxels(im, &v, fd, data ? data : path)) {
		ok = false;
		if (data)
			fail_prefix("%s", path);
	}
	if (fd >= 0)
		close(fd);
	free(data);
	free(v.file);
	if (!ok)
		image_free(im);
	return ok;
}

/* ---- writing ---- */

bool volume_source(struct volume *v, const struct frame *f)
{
	const msgpack_object *g = mpk_get_map(&f->header, "geometry"), *o = mpk_get(g, "header");
	const char *format = mpk_get_str(g, "format", "");
	bool nrrd = !strcmp(format, "nrrd");

	*v = (struct volume){0};
	if (!o || o->type != MSGPACK_OBJECT_BIN || (!nrrd && strcmp(format, "metaimage")) ||
	    !(nrrd ? nrrd_parse : metaimage_parse)(v, o->via.bin.ptr, o->via.bin.size, f->name))
		return false;
	for (int i = 0; i < 3; i++)
		if ((i < v->dims ? v->size[i] : 1) != f->shape[2 - i])
			return false;
	return true;
}

/* The frame's grid where no header of the target's format is known. */
static void from_affine(struct volume *v, const struct frame *f)
{
	double a[3][4];
	int axes = image_affine(a, f, true);

	v->dims = axes == 3 || f->shape[0] > 1 ? 3 : 2;
	for (int j = 0; j < 3; j++) {
		double length = sqrt(a[0][j] * a[0][j] + a[1][j] * a[1][j] + a[2][j] * a[2][j]);
		v->size[j] = f->shape[2 - j];
		v->spacing[j] = f->spacing_mm[2 - j];
		v->origin[j] = a[j][3] * (j < 2 ? -1 : 1) + 0.0;
		for (int i = 0; i < 3; i++)             /* RAS to LPS, no -0 */
			v->direction[i][j] = length > 0 ? a[i][j] / length * (i < 2 ? -1 : 1) + 0.0 : i == j;
	}
}

/* All voxels compressed at once: MetaImage's header says how many bytes there are.  malloc'ed. */
static unsigned char *packed(size_t *n, const void *voxels, size_t bytes, bool gzip)
{
	z_stream z = {0};
	unsigned char *out = NULL;
	size_t room = 0, at = 0;
	int code;

	if (deflateInit2(&z, 6, Z_DEFLATED, gzip ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		die(XIO, "out of memory");
	z.next_in = (unsigned char *)voxels;
	*n = 0;
	do {
		if (!z.avail_in) {
			z.avail_in = bytes - at < 1u << 30 ? (unsigned)(bytes - at) : 1u << 30;
			at += z.avail_in;
		}
		if (*n == room)
			out = xrealloc(out, room = room ? 2 * room : BUFFER, 1);
		z.next_out = out + *n;
		z.avail_out = room - *n < 1u << 30 ? (unsigned)(room - *n) : 1u << 30;
		size_t before = z.avail_out;
		code = deflate(&z, at == bytes ? Z_FINISH : Z_NO_FLUSH);
		*n += before - z.avail_out;
	} while (code != Z_STREAM_END);
	deflateEnd(&z);
	return out;
}

/* The text, the bytes, or both. */
static bool write_file(const char *path, const struct text *t, const unsigned char *bytes, size_t n)
{
	struct outfile out;

	if (!outfile_open(&out, path))
		return false;
	if ((!t || io_write(out.fd, t->s, t->n)) && (!bytes || io_write(out.fd, bytes, n)))
		return outfile_commit(&out);
	fail_sys("cannot write %s", path);
	outfile_abort(&out);
	return false;
}

bool volume_write(const char *path, const struct frame *f, const void *data, enum dtype type)
{
	const msgpack_object *g = mpk_get_map(&f->header, "geometry"), *header = mpk_get(g, "header");
	const char *ending = image_ending(path), *format = mpk_get_str(g, "format", "");
	bool nrrd = ending[1] == 'n', detached = !strcmp(ending, ".mhd") || !strcmp(ending, ".nhdr"), ok;
	bool keep = !strcmp(format, nrrd ? "nrrd" : "metaimage");
	struct volume v;
	struct text t = {0};
	size_t n;

	keep = volume_source(&v, f) && keep && v.dims < 4;
	free(v.file);
	if (!keep)
		from_affine(&v, f);
	v.type = type;
	unsigned char *bytes = packed(&n, data, frame_grid_voxels(f) * dtype_size(type), nrrd);
	char *base = xasprintf("%.*s%s", (int)(strlen(path) - strlen(ending)), path, nrrd ? ".raw.gz" : ".zraw");
	const char *slash = strrchr(base, '/'), *name = slash ? slash + 1 : base;
	const char *lines = keep ? header->via.bin.ptr : NULL;
	size_t lines_n = keep ? header->via.bin.size : 0;
	if (nrrd)
		nrrd_lines(&t, &v, lines, lines_n, detached ? name : NULL);
	else
		metaimage_lines(&t, &v, lines, lines_n, detached ? name : NULL, n);
	ok = detached ? write_file(base, NULL, bytes, n) && write_file(path, &t, NULL, 0) : write_file(path, &t, bytes, n);
	free(base);
	free(bytes);
	free(t.s);
	return ok;
}
