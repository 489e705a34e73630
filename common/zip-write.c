#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "common/die.h"
#include "common/zip-write.h"

enum { ALIGN = 64, JANUARY_1_1980 = 0x21, LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END64_BYTES = 56, LOCATOR_BYTES = 20, END_BYTES = 22,
       ZIP64_BYTES = 28, VERSION = 10, VERSION64 = 45 };

/* Little-endian numbers into a header; returns where the next one goes. */
static unsigned char *put16(unsigned char *p, unsigned v)
{
	*p++ = (unsigned char)v;
	*p++ = (unsigned char)(v >> 8);
	return p;
}

static unsigned char *put32(unsigned char *p, uint32_t v) { return put16(put16(p, v & 0xffff), v >> 16); }
static unsigned char *put64(unsigned char *p, uint64_t v) { return put32(put32(p, (uint32_t)v), (uint32_t)(v >> 32)); }

/* What does not fit in a field is all ones there, and stands in a field of 64 bits elsewhere. */
static uint32_t clipped(const struct zip_out *z, uint64_t v) { return v < z->limit ? (uint32_t)v : UINT32_MAX; }

static void write_all(struct zip_out *z, const void *data, size_t n)
{
	if (z->ok && !io_write(z->file.fd, data, n))
		z->ok = fail_sys("cannot write %s", z->file.path);
	z->at += n;
}

void zip_begin(struct zip_out *z, const char *path)
{
	*z = (struct zip_out){ .limit = UINT32_MAX };
	z->ok = outfile_open(&z->file, path);
}

/* What local and central headers have in common: version and flags, method, time and date, checksum and sizes, length of
 * the name. */
static unsigned char *put_common(unsigned char *p, const struct zip_out *z, const struct zip_entry *e)
{
	uint32_t size = clipped(z, e->size);

	p = put16(put16(put16(put16(put16(p, size < UINT32_MAX ? VERSION : VERSION64), 0), 0), 0), JANUARY_1_1980);
	return put16(put32(put32(put32(p, e->crc), size), size), (unsigned)strlen(e->name));
}

/* The extra field of an entry's two sizes and, in the directory, its place: those of them that are too large; none if none. */
static unsigned char *put_zip64(unsigned char *p, const struct zip_out *z, const struct zip_entry *e, bool directory)
{
	bool size = e->size >= z->limit, offset = directory && e->offset >= z->limit;

	if (size || offset)
		p = put16(put16(p, 1), (size ? 16 : 0) + (offset ? 8 : 0));
	if (size)
		p = put64(put64(p, e->size), e->size);
	return offset ? put64(p, e->offset) : p;
}

void zip_put(struct zip_out *z, const char *name, const void *data, size_t n)
{
	unsigned char head[LOCAL_BYTES], extra[ZIP64_BYTES + 4 + ALIGN], *p;
	struct zip_entry e = { .name = xstrdup(name), .size = n, .offset = z->at };
	size_t size64, padding;

	e.crc = z->ok ? (uint32_t)crc32_z(0, data, n) : 0;
	memset(extra, 'Z', sizeof extra);
	p = put_zip64(extra, z, &e, false);
	size64 = (size_t)(p - extra);
	padding = (ALIGN - (z->at + LOCAL_BYTES + strlen(name) + size64 + 4) % ALIGN) % ALIGN;
	put16(put16(p, 0x4246), (unsigned)padding);             /* a field of its own, "FB" */
	put16(put_common(put32(head, 0x04034b50), z, &e), (unsigned)(size64 + 4 + padding));
	write_all(z, head, sizeof head);
	write_all(z, name, strlen(name));
	write_all(z, extra, size64 + 4 + padding);
	write_all(z, data, n);
	if (z->n == z->room)
		z->entry = xrealloc(z->entry, (size_t)(z->room = z->room ? 2 * z->room : 256), sizeof *z->entry);
	z->entry[z->n++] = e;
}

static void put_directory(struct zip_out *z)
{
	unsigned char head[CENTRAL_BYTES], extra[ZIP64_BYTES], *p;

	for (int i = 0; i < z->n; i++) {
		const struct zip_entry *e = &z->entry[i];
		size_t size64 = (size_t)(put_zip64(extra, z, e, true) - extra);
		memset(head, 0, sizeof head);                   /* no comment, disk number, attributes */
		p = put_common(put16(put32(head, 0x02014b50), size64 ? VERSION64 : VERSION), z, e);
		put32(put16(p, (unsigned)size64) + 10, clipped(z, e->offset));
		write_all(z, head, sizeof head);
		write_all(z, e->name, strlen(e->name));
		write_all(z, extra, size64);
	}
}

/* The end of the directory in 64 bits, which torch.save writes always, what tells where that is, and the end in 32. */
static void put_end(struct zip_out *z, uint64_t directory)
{
	unsigned char end64[END64_BYTES], locator[LOCATOR_BYTES], end[END_BYTES], *p;
	uint64_t at = z->at, n = (uint64_t)z->n;
	unsigned n_16 = n < UINT16_MAX ? (unsigned)n : UINT16_MAX;

	p = put32(put32(put16(put16(put64(put32(end64, 0x06064b50), END64_BYTES - 12), VERSION64), VERSION64), 0), 0);
	put64(put64(put64(put64(p, n), n), at - directory), directory);
	put32(put64(put32(put32(locator, 0x07064b50), 0), at), 1);
	p = put16(put16(put16(put16(put32(end, 0x06054b50), 0), 0), n_16), n_16);
	put16(put32(put32(p, clipped(z, at - directory)), clipped(z, directory)), 0);
	write_all(z, end64, sizeof end64);
	write_all(z, locator, sizeof locator);
	write_all(z, end, sizeof end);
}

bool zip_commit(struct zip_out *z)
{
	uint64_t directory = z->at;
	bool ok;

	put_directory(z);
	put_end(z, directory);
	ok = z->ok && outfile_commit(&z->file);
	outfile_abort(&z->file);
	for (int i = 0; i < z->n; i++)
		free(z->entry[i].name);
	free(z->entry);
	return ok;
}
