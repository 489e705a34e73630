#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/archive.h"
#include "common/die.h"
#include "common/opt.h"

static enum exit_code code_of(int zip_error)
{
	switch (zip_error) {
	case ZIP_ER_OPEN: case ZIP_ER_NOENT: case ZIP_ER_READ: case ZIP_ER_MEMORY: return XIO;
	default: return XDATA;
	}
}

/* ---- the file, which libzip reads through here, so that it is known where ---- */

static bool map_file(struct archive *a)
{
	struct stat st;
	void *p = MAP_FAILED;
	int fd = open(a->path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && !fstat(fd, &st);

	if (ok && S_ISREG(st.st_mode) && st.st_size) {
		a->size = (size_t)st.st_size;
		p = mmap(NULL, a->size, PROT_READ, MAP_PRIVATE, fd, 0);
		ok = p != MAP_FAILED;
	}
	if (!ok)
		fail_sys("cannot read %s", a->path);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return ok && fail(XDATA, "%s: cannot open as a zip archive: it is no file, or empty", a->path);
	a->file = p;
	posix_madvise(p, a->size, POSIX_MADV_WILLNEED);
	return true;
}

/* Calls of libzip (zip_source_function(3)). */
static zip_int64_t serve(void *archive, void *data, zip_uint64_t n, zip_source_cmd_t command)
{
	struct archive *a = archive;
	zip_int64_t to;

	switch (command) {
	case ZIP_SOURCE_OPEN:
		a->at = 0;
		return 0;
	case ZIP_SOURCE_READ:
		a->last = a->at;
		a->last_size = n < a->size - a->at ? n : a->size - a->at;
		memcpy(data, a->file + a->at, a->last_size);
		a->at += a->last_size;
		return (zip_int64_t)a->last_size;
	case ZIP_SOURCE_SEEK:
		to = zip_source_seek_compute_offset(a->at, a->size, data, n, &a->error);
		if (to < 0)
			return -1;
		a->at = (size_t)to;
		return 0;
	case ZIP_SOURCE_TELL:
		return (zip_int64_t)a->at;
	case ZIP_SOURCE_STAT:
		zip_stat_init(data);
		((zip_stat_t *)data)->valid = ZIP_STAT_SIZE;
		((zip_stat_t *)data)->size = a->size;
		return sizeof(zip_stat_t);
	case ZIP_SOURCE_ERROR:
		return zip_error_to_data(&a->error, data, n);
	case ZIP_SOURCE_CLOSE: case ZIP_SOURCE_FREE:
		return 0;
	case ZIP_SOURCE_SUPPORTS:
		return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
		                                      ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
	default:
		zip_error_set(&a->error, ZIP_ER_OPNOTSUPP, 0);
		return -1;
	}
}

struct archive *archive_open(const char *path)
{
	struct archive *a = xcalloc(1, sizeof *a);
	zip_source_t *source;
	zip_error_t e;

	a->path = xstrdup(path);
	zip_error_init(&a->error);
	if (!map_file(a)) {
		archive_close(a);
		return NULL;
	}
	zip_error_init(&e);
	if ((source = zip_source_function_create(serve, a, &e)) && !(a->zip = zip_open_from_source(source, ZIP_RDONLY, &e)))
		zip_source_free(source);
	if (!a->zip) {
		fail(code_of(zip_error_code_zip(&e)), "%s: cannot open as a zip archive: %s", path, zip_error_strerror(&e));
		archive_close(a);
		a = NULL;
	}
	zip_error_fini(&e);
	return a;
}

void archive_close(struct archive *a)
{
	if (!a)
		return;
	if (a->zip)
		zip_discard(a->zip);
	if (a->file)
		munmap((char *)a->file, a->size);
	zip_error_fini(&a->error);
	free(a->path);
	free(a);
}

/* ---- entries ---- */

/* The bytes of entry i as they are stored, which begin where libzip reads the first of them; NULL after fail(). */
static const char *stored_bytes(struct archive *a, int64_t i, const zip_stat_t *st)
{
	zip_file_t *f;
	char first;

	if (st->comp_size == 0)
		return "";
	if (!(f = zip_fopen_index(a->zip, (zip_uint64_t)i, ZIP_FL_COMPRESSED))) {
		fail(code_of(zip_error_code_zip(zip_get_error(a->zip))), "%s: %s: %s", a->path, st->name, zip_strerror(a->zip));
		return NULL;
	}
	if (zip_fread(f, &first, 1) != 1) {
		fail(code_of(zip_error_code_zip(zip_file_get_error(f))), "%s: %s: %s", a->path, st->name, zip_file_strerror(f));
		zip_fclose(f);
		return NULL;
	}
	zip_fclose(f);
	if (a->last_size == 1 && st->comp_size <= a->size - a->last)
		return a->file + a->last;
	fail(XDATA, "%s: %s: shorter than its directory says", a->path, st->name);
	return NULL;
}

/* What `stored` is when expanded, NULL after fail(). */
static char *expand(const char *stored, const char *path, const zip_stat_t *st)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	char *buf = xlarge(st->size + 1, 1);
	enum libdeflate_result result;
	size_t used, made;

	if (!d)
		die(XIO, "out of memory");
	result = libdeflate_deflate_decompress_ex(d, stored, st->comp_size, buf, st->size, &used, &made);
	libdeflate_free_decompressor(d);
	if (result == LIBDEFLATE_SUCCESS && used == st->comp_size && made == st->size)
		return buf;
	fail(XDATA, "%s: %s: %s", path, st->name, result == LIBDEFLATE_INSUFFICIENT_SPACE ? "longer than its directory says" :
	     result == LIBDEFLATE_SUCCESS && made < st->size ? "shorter than its directory says" : "damaged");
	free(buf);
	return NULL;
}

/* What the directory says of entry i, of at most `most` bytes. */
static bool stat_entry(zip_stat_t *st, const struct archive *a, int64_t i, size_t most)
{
	const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD |
	                            ZIP_STAT_ENCRYPTION_METHOD;

	if (zip_stat_index(a->zip, (zip_uint64_t)i, 0, st) || ~st->valid & needed)
		return fail(XDATA, "%s: entry %lld: %s", a->path, (long long)i, zip_strerror(a->zip));
	if (st->size > memory_limit || st->comp_size > memory_limit)
		return fail(XDATA, "%s: %s has %llu bytes, more than the limit of %zu (--memory raises it)", a->path, st->name,
		            (unsigned long long)(st->size > st->comp_size ? st->size : st->comp_size), memory_limit);
	if (st->size > most || st->size / 1032 > st->comp_size)    /* deflate makes at most 1032 bytes of one */
		return fail(XDATA, "%s: %s claims %llu bytes, more than the file can hold", a->path, st->name,
		            (unsigned long long)st->size);
	if (st->encryption_method != ZIP_EM_NONE || (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE))
		return fail(XDATA, "%s: %s is encrypted, or compressed by another method than deflate", a->path, st->name);
	if (st->comp_method == ZIP_CM_STORE && st->size != st->comp_size)
		return fail(XDATA, "%s: %s has two sizes", a->path, st->name);
	return true;
}

/* torch can be told to leave the checksum out: then it is 0. */
static bool sound(const struct archive *a, const zip_stat_t *st, const char *data)
{
	return !st->crc || st->crc == libdeflate_crc32(0, data, st->size) || fail(XDATA, "%s: %s: its checksum is wrong", a->path, st->name);
}

bool archive_read(struct archive *a, int64_t i, size_t most, char **data, size_t *n)
{
	const char *stored;
	zip_stat_t st;

	if (!stat_entry(&st, a, i, most) || !(stored = stored_bytes(a, i, &st)))
		return false;
	if (st.comp_method == ZIP_CM_STORE)
		*data = memcpy(xlarge(st.size + 1, 1), stored, st.size);
	else if (!(*data = expand(stored, a->path, &st)))
		return false;
	if (!sound(a, &st, *data)) {
		free(*data);
		return false;
	}
	(*data)[st.size] = 0;
	*n = st.size;
	return true;
}

bool archive_view(struct archive *a, int64_t i, size_t most, const char **data, size_t *n)
{
	zip_stat_t st;

	if (!stat_entry(&st, a, i, most))
		return false;
	if (st.comp_method != ZIP_CM_STORE)
		return fail(XDATA, "%s: %s is compressed", a->path, st.name);
	if (!(*data = stored_bytes(a, i, &st)) || !sound(a, &st, *data))
		return false;
	*n = st.size;
	return true;
}
