#define _GNU_SOURCE             /* O_TMPFILE, F_SETPIPE_SZ: the only file that needs Linux by name */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"

ptrdiff_t io_read(int fd, void *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		size_t want = n - got < (1u << 30) ? n - got : 1u << 30;
		ssize_t r = read(fd, (char *)buf + got, want);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ptrdiff_t)got;
}

bool io_write(int fd, const void *buf, size_t n)
{
	size_t put = 0;

	while (put < n) {
		size_t want = n - put < (1u << 30) ? n - put : 1u << 30;
		ssize_t r = write(fd, (const char *)buf + put, want);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return false;
		put += (size_t)r;
	}
	return true;
}

void io_widen_pipe(int fd)
{
	int e = errno;

	if (fcntl(fd, F_SETPIPE_SZ, 1 << 20) < 0)
		(void)!fcntl(fd, F_SETPIPE_SZ, 1 << 18);
	errno = e;
}

bool io_slurp(const char *path, size_t limit, char **data, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t cap = 1 << 16, got = 0;
	struct stat st;
	char *buf;

	if (fd < 0)
		return fail_sys("cannot open %s", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if ((uint64_t)st.st_size > limit) {
			close(fd);
			return fail(XDATA, "%s has %lld bytes, more than the limit of %zu (--memory raises it)", path, (long long)st.st_size, limit);
		}
		cap = (size_t)st.st_size + 1;
	}
	buf = xmalloc(cap + 1, 1);
	for (;;) {
		ptrdiff_t r = io_read(fd, buf + got, cap - got);
		if (r < 0) {
			free(buf);
			fail_sys("cannot read %s", path);
			close(fd);
			return false;
		}
		got += (size_t)r;
		if (got < cap)
			break;
		if (got > limit) {
			free(buf);
			close(fd);
			return fail(XDATA, "%s has more than %zu bytes (--memory raises the limit)", path, limit);
		}
		cap *= 2;
		buf = xrealloc(buf, cap + 1, 1);
	}
	close(fd);
	buf[got] = 0;
	*data = buf;
	*n = got;
	return true;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xasprintf("%.*s", (int)(slash - path), path);
}

/* A name beside path that no other running program uses. */
static char *temp_name(const char *path)
{
	static unsigned count;
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path) + 1 : 0;

	return xasprintf("%.*s.%s.%ld.%u.part", folder, path, path + folder, (long)getpid(), count++);
}

bool outfile_open(struct outfile *f, const char *path)
{
	char *folder = folder_of(path);

	*f = (struct outfile){ .fd = -1, .path = xstrdup(path) };
	if (!access("/proc/self/fd", X_OK) || !geteuid())      /* either can give a nameless file its name */
		f->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	free(folder);
	if (f->fd < 0) {                                /* or the file system has none: a named one, removed by die() */
		f->temp = temp_name(path);
		f->fd = open(f->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
		if (f->fd >= 0)
			die_cleanup(f->temp);
	}
	if (f->fd < 0) {
		fail_sys("cannot create %s", path);
		free(f->temp);
		free(f->path);
		*f = (struct outfile){ .fd = -1 };
		return false;
	}
	return true;
}

bool outfile_commit(struct outfile *f)
{
	bool ok = true;

	if (fsync(f->fd) && errno != EINVAL && errno != EROFS)
		ok = fail_sys("cannot write %s", f->path);
	if (ok && !f->temp) {
		char proc[64];
		snprintf(proc, sizeof proc, "/proc/self/fd/%d", f->fd);
		f->temp = temp_name(f->path);
		die_cleanup(f->temp);
		if (linkat(AT_FDCWD, proc, AT_FDCWD, f->temp, AT_SYMLINK_FOLLOW) &&
		    linkat(f->fd, "", AT_FDCWD, f->temp, AT_EMPTY_PATH))        /* without /proc, as in a bare chroot: root only */
			ok = fail_sys("cannot name %s", f->path);
	}
	if (ok && rename(f->temp, f->path))
		ok = fail_sys("cannot rename to %s", f->path);
	if (close(f->fd) && ok)
		ok = fail_sys("cannot close %s", f->path);
	f->fd = -1;
	if (ok && f->temp) {
		die_cleanup_done(f->temp);
		free(f->temp);
		f->temp = NULL;
	}
	outfile_abort(f);
	return ok;
}

void outfile_abort(struct outfile *f)
{
	if (f->temp) {
		unlink(f->temp);
		die_cleanup_done(f->temp);
		free(f->temp);
	}
	if (f->path && f->fd >= 0)
		close(f->fd);
	free(f->path);
	*f = (struct outfile){ .fd = -1 };
}

bool io_mkdirs(const char *path)
{
	char *p = xstrdup(path);
	bool ok = true;

	for (char *s = p + (*p == '/'); ok; s++) {
		char c = *s;
		if (c != '/' && c != 0)
			continue;
		*s = 0;
		if (*p && mkdir(p, 0777) && errno != EEXIST)
			ok = fail_sys("cannot create folder %s", p);
		if (c == 0)
			break;
		*s = c;
	}
	free(p);
	return ok;
}

void io_close_stdout(void)
{
	if (fflush(stdout) || ferror(stdout) || fclose(stdout))
		die_sys("cannot write standard output");
}
