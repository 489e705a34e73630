#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/archive.h"
#include "common/die.h"
#include "common/npz.h"
#include "common/opt.h"

enum { HEAD_MAX = 512 };                /* of a header that is written: eight sizes of 20 digits fit */
static const char magic[6] = "\x93NUMPY";

/* ---- the header: a Python dict such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 128, 128), } ---- */

struct text { const char *s, *end; };

static void blanks(struct text *t)
{
	while (t->s < t->end && strchr(" \t\r\n", *t->s) && *t->s)
		t->s++;
}

static bool accept(struct text *t, const char *word)
{
	size_t n = strlen(word);

	blanks(t);
	if ((size_t)(t->end - t->s) < n || memcmp(t->s, word, n))
		return false;
	t->s += n;
	return true;
}

/* 'text' or "text", at most 31 bytes. */
static bool quoted(struct text *t, char out[32])
{
	char quote;
	size_t n = 0;

	blanks(t);
	if (t->s == t->end || (*t->s != '\'' && *t->s != '"'))
		return false;
	for (quote = *t->s++; t->s < t->end && *t->s != quote && n < 31; t->s++)
		out[n++] = *t->s;
	out[n] = 0;
	return t->s < t->end && *t->s++ == quote;
}

static bool integer(struct text *t, int64_t *v)
{
	blanks(t);
	if (t->s == t->end || *t->s < '0' || *t->s > '9')
		return false;
	for (*v = 0; t->s < t->end && *t->s >= '0' && *t->s <= '9'; t->s++)
		if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *t->s - '0', v))
			return false;
	return true;
}

static bool read_shape(struct npy *a, struct text *t)
{
	if (!accept(t, "("))
		return false;
	while (!accept(t, ")")) {
		if (a->n_dims == 8)
			return fail(XDATA, "the array has more than 8 axes");
		if (!integer(t, &a->dim[a->n_dims++]) || (!accept(t, ",") && (blanks(t), t->s == t->end || *t->s != ')')))
			return false;
	}
	return true;
}

static bool read_type(struct npy *a, struct text *t)
{
	char descr[32];

	if (!quoted(t, descr))
		return fail(XDATA, "the array is structured; a plain one is needed");
	a->type = dtype_parse(descr);
	if (!strcmp(descr, "|O"))
		return fail(XDATA, "the array holds Python objects, which are not read");
	if (*descr == '>')
		return fail(XDATA, "the array is big-endian (%s)", descr);
	return a->type || fail(XDATA, "the array has elements of a type that is not known");
}

static bool read_header(struct npy *a, struct text t)
{
	int seen = 0;

	fail(XDATA, "the array's header is malformed");     /* stands unless a better cause is found */
	if (!accept(&t, "{"))
		return false;
	while (!accept(&t, "}")) {
		char key[32];
		if (!quoted(&t, key) || !accept(&t, ":"))
			return false;
		if (!strcmp(key, "descr")) {
			if (!read_type(a, &t))
				return false;
			seen |= 1;
		} else if (!strcmp(key, "fortran_order")) {
			if (accept(&t, "True"))
				return fail(XDATA, "the array is in Fortran order");
			if (!accept(&t, "False"))
				return false;
			seen |= 2;
		} else if (!strcmp(key, "shape")) {
			a->n_dims = 0;
			if (!read_shape(a, &t))
				return false;
			seen |= 4;
		} else {
			return false;
		}
		accept(&t, ",");
	}
	return seen == 7;
}

static bool size_of(size_t *bytes, const struct npy *a)
{
	*bytes = dtype_size(a->type);
	for (int d = 0; d < a->n_dims; d++)
		if (!size_mul(bytes, (int64_t)*bytes, a->dim[d]))
			return false;
	return true;
}

/* The array in buf[0..n), which becomes a->data or is freed. */
static bool parse(struct npy *a, char *buf, size_t n)
{
	size_t head = 10, length, bytes;
	bool ok;

	*a = (struct npy){ 0 };
	if (n < 12 || memcmp(buf, magic, sizeof magic) || buf[6] < 1 || buf[6] > 3) {
		free(buf);
		return fail(XDATA, "no array of numpy");
	}
	length = (size_t)(unsigned char)buf[8] | (size_t)(unsigned char)buf[9] << 8;
	if (buf[6] > 1) {                               /* versions 2 and 3 have a length of four bytes */
		length |= (size_t)(unsigned char)buf[10] << 16 | (size_t)(unsigned char)buf[11] << 24;
		head = 12;
	}
	ok = length <= n - head ? read_header(a, (struct text){ buf + head, buf + head + length }) :
	                          fail(XDATA, "the array's header is longer than the file");
	head += length;
	if (ok && (!size_of(&bytes, a) || bytes != n - head))
		ok = fail(XDATA, "the array's shape does not fit its %zu bytes", n - head);
	if (!ok) {
		free(buf);
		*a = (struct npy){ 0 };
		return false;
	}
	a->data = memmove(buf, buf + head, bytes);
	return true;
}

/* ---- reading ---- */

bool npy_read(struct npy *a, const char *path)
{
	char *buf;
	size_t n;

	if (!io_slurp(path, memory_limit, &buf, &n))
		return false;
	if (parse(a, buf, n))
		return true;
	fail_prefix("%s", path);
	return false;
}

bool npz_read_any(struct npy *a, const char *path, const char *const names[])
{
	struct archive *z = archive_open(path);
	int64_t entry = -1;
	const char *const *name = names;
	char *buf;
	size_t n;
	bool ok;

	if (!z)
		return false;
	for (; *name; name++) {
		char *full = xasprintf("%s.npy", *name);
		entry = zip_name_locate(z->zip, full, 0);
		free(full);
		if (entry >= 0)
			break;
	}
	ok = entry >= 0 ? archive_read(z, entry, SIZE_MAX, &buf, &n) : fail(XDATA, "%s: has no array %s", path, names[0]);
	archive_close(z);
	if (ok && !parse(a, buf, n)) {
		fail_prefix("%s: %s", path, *name);
		ok = false;
	}
	return ok;
}

bool npz_read(struct npy *a, const char *path, const char *name)
{
	const char *const names[] = { name, NULL };

	return npz_read_any(a, path, names);
}

void npy_free(struct npy *a)
{
	free(a->data);
	*a = (struct npy){ 0 };
}

/* ---- writing ---- */

/* Version 1.0, padded with blanks so that the data begin at a multiple of 64.  Returns the length. */
static size_t make_header(char out[HEAD_MAX], const struct npy *a)
{
	size_t n = 10, length;

	n += (size_t)sprintf(out + n, "{'descr': '%s', 'fortran_order': False, 'shape': (", dtype_name(a->type));
	for (int d = 0; d < a->n_dims; d++) {
		const char *after = d + 1 < a->n_dims ? ", " : a->n_dims == 1 ? "," : "";
		n += (size_t)sprintf(out + n, "%lld%s", (long long)a->dim[d], after);
	}
	n += (size_t)sprintf(out + n, "), }");
	while ((n + 1) % 64)
		out[n++] = ' ';
	out[n++] = '\n';
	memcpy(out, magic, sizeof magic);
	length = n - 10;
	out[6] = 1;
	out[7] = 0;
	out[8] = (char)(length & 0xff);
	out[9] = (char)(length >> 8);
	return n;
}

bool npy_write(struct outfile *f, const struct npy *a)
{
	char head[HEAD_MAX];
	size_t n = make_header(head, a), bytes;

	if (!size_of(&bytes, a))
		return fail(XDATA, "%s: the array is too large", f->path);
	return (io_write(f->fd, head, n) && io_write(f->fd, a->data, bytes)) || fail_sys("cannot write %s", f->path);
}

/* An archive of one entry made in memory, so that libzip needs no file name. */
static bool compress_into(zip_source_t *archive, const char *name, zip_buffer_fragment_t part[2])
{
	zip_error_t e;
	zip_source_t *content = NULL;
	zip_int64_t i = -1;
	zip_t *z;

	zip_error_init(&e);
	zip_source_keep(archive);                       /* zip_close() drops one reference */
	if (!(z = zip_open_from_source(archive, ZIP_TRUNCATE, &e))) {
		fail(XIO, "cannot make an archive: %s", zip_error_strerror(&e));
		zip_source_free(archive);
		zip_error_fini(&e);
		return false;
	}
	zip_error_fini(&e);
	content = zip_source_buffer_fragment(z, part, 2, 0);
	if (content && (i = zip_file_add(z, name, content, ZIP_FL_ENC_UTF_8)) < 0)
		zip_source_free(content);
	/* 1 January 1980, the first day that a zip file can name. */
	if (i >= 0 && zip_set_file_compression(z, (zip_uint64_t)i, ZIP_CM_DEFLATE, 6) == 0 &&
	    zip_file_set_dostime(z, (zip_uint64_t)i, 0, 1 << 5 | 1, 0) == 0 && zip_close(z) == 0)
		return true;
	fail(XIO, "cannot make an archive: %s", zip_strerror(z));
	zip_discard(z);
	return false;
}

static bool copy_out(struct outfile *f, zip_source_t *archive)
{
	char buf[1 << 16];
	zip_int64_t n;

	if (zip_source_open(archive))
		return fail(XIO, "cannot read the archive back");
	while ((n = zip_source_read(archive, buf, sizeof buf)) > 0)
		if (!io_write(f->fd, buf, (size_t)n)) {
			fail_sys("cannot write %s", f->path);
			zip_source_close(archive);
			return false;
		}
	zip_source_close(archive);
	return n == 0 || fail(XIO, "cannot read the archive back");
}

bool npz_write(struct outfile *f, const char *name, const struct npy *a)
{
	char head[HEAD_MAX], *entry;
	zip_buffer_fragment_t part[2] = { { .data = (zip_uint8_t *)head }, { .data = a->data } };
	zip_source_t *archive;
	size_t bytes;
	bool ok;

	if (!size_of(&bytes, a))
		return fail(XDATA, "%s: the array is too large", f->path);
	part[0].length = make_header(head, a);
	part[1].length = bytes;
	if (!(archive = zip_source_buffer_create(NULL, 0, 0, NULL)))
		return fail(XIO, "%s: out of memory", f->path);
	entry = xasprintf("%s.npy", name);
	ok = compress_into(archive, entry, part) && copy_out(f, archive);
	free(entry);
	zip_source_free(archive);
	return ok;
}
