/* archive: entries of zip files, whole and checked (torch's .pth and numpy's .npz are zip files). */
#ifndef COMMON_ARCHIVE_H
#define COMMON_ARCHIVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zip.h>

/* Opened for reading; end with zip_discard().  NULL after fail() XDATA (no zip file, damaged) or XIO. */
zip_t *archive_open(const char *path);

/* The whole entry i, its checksum verified.  *data is malloc'ed, one zero byte follows it.  Sizes come from the central
 * directory; fail()s XDATA when it is larger than memory_limit, than `most`, or than its stored bytes can expand to. */
bool archive_read(zip_t *z, const char *path, int64_t i, size_t most, char **data, size_t *n);
#endif
