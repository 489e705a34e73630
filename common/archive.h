/* archive: entries of zip files, whole and checked (torch's .pth and numpy's .npz are zip files).
 *
 * The file is mapped, so that what is stored as it is need not be copied: checkpoints are large. */
#ifndef COMMON_ARCHIVE_H
#define COMMON_ARCHIVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zip.h>

struct archive {
	zip_t *zip;              /* its directory, for libzip's functions that read it */
	char *path;
	/* private */
	const char *file;        /* [size], mapped */
	size_t size;
	size_t at;               /* where libzip reads next; what it read last */
	size_t last, last_size;
	zip_error_t error;
};

/* NULL after fail() XDATA (no zip file, damaged) or XIO. */
struct archive *archive_open(const char *path);
void archive_close(struct archive *a);          /* NULL is fine */

/* The whole entry i, its checksum verified.  *data is malloc'ed, one zero byte follows it.  Sizes come from the central
 * directory; fail()s XDATA when it is larger than memory_limit, than `most`, or than its stored bytes can expand to. */
bool archive_read(struct archive *a, int64_t i, size_t most, char **data, size_t *n);
/* The same of an entry that is not compressed, where it stands in the file: until archive_close(), at any address. */
bool archive_view(struct archive *a, int64_t i, size_t most, const char **data, size_t *n);
#endif
