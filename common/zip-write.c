#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "common/die.h"
#include "common/zip-write.h"

enum { ALIGN = 64, JANUARY_1_1980 = 0x21, LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22 };

/* Little-endian numbers into a header; returns where the next one goes. */
static unsigned char *put16(unsigned char *p, unsigned v)
{
	*p++ = (unsigned char)v;
	*p++ = (unsigned char)(v >> 8);
	return p;
}

static unsigned char *put32(unsigned char *p, uint32_t v) { return put16(put16(p, v & 0xffff), v >> 16); }

static void write_all(struct zip_out *z, const void *data, size_t n)
{
	if (z->ok && z->at + n > UINT32_MAX)
		z->ok = fail(XDATA, "%s would be larger than 4 GiB", z->file.path);
	if (z->ok && !io_write(z->file.fd, data, n))
		z->ok = fail_sys("cannot write %s", z->file.path);
	z->at += n;
}

void zip_begin(struct zip_out *z, const char *path)
{
	*z = (struct zip_out){0};
	z->ok = outfile_open(&z->file, path);
}

/* What local and central headers have in common: version and flags, method, time and date, checksum and sizes, length of
 * the name. */
static unsigned char *put_common(unsigned char *p, const struct zip_entry *e)
{
	p = put16(put16(put16(put16(put16(p, 10), 0), 0), 0), JANUARY_1_1980);
	return put16(put32(put32(put32(p, e->crc), e->size), e->size), (unsigned)strlen(e->name));
}

void zip_put(struct zip_out *z, const char *name, const void *data, size_t n)
{
	unsigned char head[LOCAL_BYTES], extra[4 + ALIGN], *p = head;
	struct zip_entry e = { .name = xstrdup(name), .size = (uint32_t)n, .offset = (uint32_t)z->at };
	size_t end = (size_t)z->at + LOCAL_BYTES + strlen(name) + 4, padding = (ALIGN - end % ALIGN) % ALIGN;

	if (z->ok && n > UINT32_MAX)
		z->ok = fail(XDATA, "%s would be larger than 4 GiB", z->file.path);
	e.crc = z->ok ? (uint32_t)crc32_z(0, data, n) : 0;
	put16(put_common(put32(p, 0x04034b50), &e), (unsigned)(4 + padding));
	memset(extra, 'Z', sizeof extra);
	put16(put16(extra, 0x4246), (unsigned)padding);         /* a field of its own, "FB" */
	write_all(z, head, sizeof head);
	write_all(z, name, strlen(name));
	write_all(z, extra, 4 + padding);
	write_all(z, data, n);
	if (z->n == z->room)
		z->entry = xrealloc(z->entry, (size_t)(z->room = z->room ? 2 * z->room : 256), sizeof *z->entry);
	z->entry[z->n++] = e;
}

bool zip_commit(struct zip_out *z)
{
	unsigned char head[CENTRAL_BYTES], *p;
	uint64_t begin = z->at;
	bool ok;

	if (z->ok && z->n > 0xfffe)
		z->ok = fail(XDATA, "%s would have more than %d entries", z->file.path, 0xfffe);
	for (int i = 0; i < z->n; i++) {
		const struct zip_entry *e = &z->entry[i];
		memset(head, 0, sizeof head);                   /* no extra field, comment, disk number, attributes */
		p = put_common(put16(put32(head, 0x02014b50), 10), e);
		put32(p + 12, e->offset);
		write_all(z, head, sizeof head);
		write_all(z, e->name, strlen(e->name));
	}
	p = put16(put16(put32(head, 0x06054b50), 0), 0);
	p = put16(put16(p, (unsigned)z->n), (unsigned)z->n);
	put16(put32(put32(p, (uint32_t)(z->at - begin)), (uint32_t)begin), 0);
	write_all(z, head, END_BYTES);
	ok = z->ok && outfile_commit(&z->file);
	outfile_abort(&z->file);
	for (int i = 0; i < z->n; i++)
		free(z->entry[i].name);
	free(z->entry);
	return ok;
}
