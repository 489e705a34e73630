#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/report/report.h"

static unsigned big_endian(const unsigned char *p) { return (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3]; }

/* The text of an iTXt chunk called Description that is not compressed (PNG, second edition, 11.3.4.5), or NULL. */
static char *description(const unsigned char *chunk, size_t n)
{
	static const char head[] = "Description\0\0";   /* keyword, and that it is not compressed */
	const unsigned char *at = chunk + sizeof head, *end = chunk + n;
	char *text;

	if (n <= sizeof head || memcmp(chunk, head, sizeof head - 1))
		return NULL;
	for (int strings = 0; strings < 2; strings++) { /* language, translated keyword */
		at = memchr(at, 0, (size_t)(end - at));
		if (!at)
			return NULL;
		at++;
	}
	text = xmalloc((size_t)(end - at) + 1, 1);
	memcpy(text, at, (size_t)(end - at));
	text[end - at] = 0;
	return text;
}

static bool take_apart(struct picture *p, const char *path)
{
	const unsigned char *d = (const unsigned char *)p->data;

	if (p->n < 33 || memcmp(d, "\x89PNG\r\n\x1a\n", 8) || memcmp(d + 12, "IHDR", 4))
		return fail(XDATA, "%s is no PNG", path);
	p->width = big_endian(d + 16);
	p->height = big_endian(d + 20);
	for (size_t at = 8; p->n - at >= 12;) {         /* length, type, data, checksum */
		size_t length = big_endian(d + at);
		if (length > p->n - at - 12)
			return fail(XDATA, "%s is cut short", path);
		if (!memcmp(d + at + 4, "iTXt", 4) && !p->text)
			p->text = description(d + at + 8, length);
		at += length + 12;
	}
	return true;
}

static bool read_one(struct picture *p, const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s_thumbnail.png", folder, name);
	struct stat st;
	bool ok = true;

	if (!strchr(name, '/') && (stat(path, &st) == 0 || errno != ENOENT))
		ok = io_slurp(path, memory_limit, &p->data, &p->n) && take_apart(p, path);
	free(path);
	return ok;
}

bool pictures_read(struct report *r, const char *folder)
{
	struct stat st;

	if (stat(folder, &st))
		return fail_sys("cannot open %s", folder);
	if (!S_ISDIR(st.st_mode))
		return fail(XIO, "%s is not a folder", folder);
	r->picture = xcalloc(r->table.n_rows, sizeof *r->picture);
	for (size_t i = 0; i < r->table.n_rows; i++) {
		if (!has_flag(r, i, "failed") && !read_one(&r->picture[i], folder, tsv_cell(&r->table, i, r->name)))
			return false;
		r->n_pictures += r->picture[i].data != NULL;
	}
	if (!r->n_pictures)
		warn("%s holds no CASE_thumbnail.png of a case; 'qualm render' makes them", folder);
	return true;
}

void pictures_free(struct report *r)
{
	for (size_t i = 0; r->picture && i < r->table.n_rows; i++) {
		free(r->picture[i].data);
		free(r->picture[i].text);
	}
	free(r->picture);
	r->picture = NULL;
}
