/* io: whole reads and writes on descriptors, pipes that are wide enough, files that appear whole or not at all. */
#ifndef COMMON_IO_H
#define COMMON_IO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads up to n bytes, fewer only at end of file; interrupted calls go on.  -1 with errno set on an error. */
ptrdiff_t io_read(int fd, void *buf, size_t n);
/* Writes all n bytes; false with errno set. */
bool io_write(int fd, const void *buf, size_t n);
/* Asks for 1 MiB of pipe buffer, then 256 KiB; a refusal, or no pipe, is ignored. */
void io_widen_pipe(int fd);

/* The whole of a file, at most limit bytes.  *data is malloc'ed, one zero byte follows it; free() it.
 * fail()s with XIO (cannot be read) or XDATA (larger than limit). */
bool io_slurp(const char *path, size_t limit, char **data, size_t *n);

/* A file that is written under no name (or a temporary one) and gets its own only when whole and on disk.
 * Nothing is left behind by exit, die(), SIGINT, SIGTERM, nor, where the file system has O_TMPFILE, by SIGKILL. */
struct outfile {
	int fd;
	char *path;      /* the name it will have */
	char *temp;      /* its name until then; NULL while it has none */
};
bool outfile_open(struct outfile *f, const char *path);   /* fail()s XIO */
bool outfile_commit(struct outfile *f);                   /* fsync, rename, close; fail()s XIO; f is finished either way */
void outfile_abort(struct outfile *f);                    /* closes and removes; harmless on a zeroed or finished one */

/* mkdir -p; fail()s XIO. */
bool io_mkdirs(const char *path);
/* Flushes and closes stdout and dies (exit 4) if anything written there was lost. */
void io_close_stdout(void);
#endif
