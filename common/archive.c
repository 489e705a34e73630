#include <libdeflate.h>
#include <stdlib.h>
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

zip_t *archive_open(const char *path)
{
	int code;
	zip_t *z = zip_open(path, ZIP_RDONLY, &code);
	zip_error_t e;

	if (z)
		return z;
	zip_error_init_with_code(&e, code);
	fail(code_of(code), "%s: cannot open as a zip archive: %s", path, zip_error_strerror(&e));
	zip_error_fini(&e);
	return NULL;
}

/* The bytes of entry i as they are stored; NULL after fail(). */
static char *read_stored(zip_t *z, const char *path, int64_t i, const zip_stat_t *st)
{
	zip_file_t *f = zip_fopen_index(z, (zip_uint64_t)i, ZIP_FL_COMPRESSED);
	zip_int64_t got = 0, r = 1;
	char *buf;

	if (!f) {
		fail(code_of(zip_error_code_zip(zip_get_error(z))), "%s: %s: %s", path, st->name, zip_strerror(z));
		return NULL;
	}
	buf = xlarge(st->comp_size + 1, 1);
	while (got < (zip_int64_t)st->comp_size && (r = zip_fread(f, buf + got, st->comp_size - (zip_uint64_t)got)) > 0)
		got += r;
	if (got < (zip_int64_t)st->comp_size) {
		fail(code_of(zip_error_code_zip(zip_file_get_error(f))), "%s: %s: %s", path, st->name,
		     r < 0 ? zip_file_strerror(f) : "shorter than its directory says");
		free(buf);
		buf = NULL;
	}
	zip_fclose(f);
	return buf;
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

bool archive_read(zip_t *z, const char *path, int64_t i, size_t most, char **data, size_t *n)
{
	const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD |
	                            ZIP_STAT_ENCRYPTION_METHOD;
	char *stored, *expanded;
	zip_stat_t st;

	if (zip_stat_index(z, (zip_uint64_t)i, 0, &st) || ~st.valid & needed)
		return fail(XDATA, "%s: entry %lld: %s", path, (long long)i, zip_strerror(z));
	if (st.size > memory_limit || st.comp_size > memory_limit)
		return fail(XDATA, "%s: %s has %llu bytes, more than the limit of %zu (--memory raises it)", path, st.name,
		            (unsigned long long)(st.size > st.comp_size ? st.size : st.comp_size), memory_limit);
	if (st.size > most || st.size / 1032 > st.comp_size)    /* deflate makes at most 1032 bytes of one */
		return fail(XDATA, "%s: %s claims %llu bytes, more than the file can hold", path, st.name,
		            (unsigned long long)st.size);
	if (st.encryption_method != ZIP_EM_NONE || (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE))
		return fail(XDATA, "%s: %s is encrypted, or compressed by another method than deflate", path, st.name);
	if (st.comp_method == ZIP_CM_STORE && st.size != st.comp_size)
		return fail(XDATA, "%s: %s has two sizes", path, st.name);
	if (!(stored = read_stored(z, path, i, &st)))
		return false;
	if (st.comp_method == ZIP_CM_DEFLATE) {
		expanded = expand(stored, path, &st);
		free(stored);
		if (!(stored = expanded))
			return false;
	}
	/* torch can be told to leave the checksum out: then it is 0. */
	if (st.crc && st.crc != libdeflate_crc32(0, stored, st.size)) {
		free(stored);
		return fail(XDATA, "%s: %s: its checksum is wrong", path, st.name);
	}
	stored[st.size] = 0;
	*data = stored;
	*n = st.size;
	return true;
}
