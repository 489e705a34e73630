#include <stdlib.h>
#include <string.h>
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

bool archive_read(zip_t *z, const char *path, int64_t i, size_t most, char **data, size_t *n)
{
	const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC;
	const char *name = zip_get_name(z, (zip_uint64_t)i, 0);
	zip_int64_t got = 0, r = 0;
	zip_file_t *f;
	zip_stat_t st;
	char *buf, extra;

	if (!name || zip_stat_index(z, (zip_uint64_t)i, 0, &st) || ~st.valid & needed)
		return fail(XDATA, "%s: %s: %s", path, name ? name : "an entry without a name", zip_strerror(z));
	if (st.size > memory_limit)
		return fail(XDATA, "%s: %s has %llu bytes, more than the limit of %zu (--memory raises it)", path, name,
		            (unsigned long long)st.size, memory_limit);
	if (st.size > most || st.size / 1032 > st.comp_size)    /* deflate makes at most 1032 bytes of one */
		return fail(XDATA, "%s: %s claims %llu bytes, more than the file can hold", path, name,
		            (unsigned long long)st.size);
	if (!(f = zip_fopen_index(z, (zip_uint64_t)i, 0)))
		return fail(code_of(zip_error_code_zip(zip_get_error(z))), "%s: %s: %s", path, name, zip_strerror(z));
	buf = xmalloc(st.size + 1, 1);
	while (got < (zip_int64_t)st.size && (r = zip_fread(f, buf + got, st.size - (zip_uint64_t)got)) > 0)
		got += r;
	/* The checksum is compared when the end is read.  torch can be told to leave it out: then it is 0. */
	if (got == (zip_int64_t)st.size)
		r = st.crc || !st.size ? zip_fread(f, &extra, 1) : 0;
	if (got < (zip_int64_t)st.size || r != 0) {
		fail(code_of(zip_error_code_zip(zip_file_get_error(f))), "%s: %s: %s", path, name,
		     r < 0 ? zip_file_strerror(f) : r ? "longer than its directory says" : "shorter than its directory says");
		zip_fclose(f);
		free(buf);
		return false;
	}
	zip_fclose(f);
	buf[st.size] = 0;
	*data = buf;
	*n = st.size;
	return true;
}
