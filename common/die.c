#define _GNU_SOURCE             /* madvise */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/die.h"
#include "common/progress.h"

const char *prog = "qualm";
bool verbose;

static _Thread_local char kept[1024];
static _Thread_local enum exit_code kept_code;

enum { CLEANUPS = 64 };
static const char *volatile cleanup[CLEANUPS];

static void remove_temporaries(void)
{
	for (int i = 0; i < CLEANUPS; i++)
		if (cleanup[i])
			unlink(cleanup[i]);
}

static void put_line(const char *fmt, va_list ap, const char *tail)
{
	char line[2048];
	int n = snprintf(line, sizeof line, "%s: ", prog);

	vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	for (unsigned char *p = (unsigned char *)line; *p; p++)   /* one message, one line, whatever a file name holds */
		if (*p < ' ' || *p == 0x7f)
			*p = *p == '\n' || *p == '\r' || *p == '\t' ? ' ' : '?';
	progress_clear();
	if (tail)
		fprintf(stderr, "%s: %s\n", line, tail);
	else
		fprintf(stderr, "%s\n", line);
}

void die(enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(fmt, ap, NULL);
	va_end(ap);
	remove_temporaries();
	exit(code);
}

void die_sys(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	put_line(fmt, ap, strerror(e));
	va_end(ap);
	remove_temporaries();
	exit(XIO);
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(fmt, ap, NULL);
	va_end(ap);
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	va_start(ap, fmt);
	put_line(fmt, ap, NULL);
	va_end(ap);
}

bool fail(enum exit_code code, const char *fmt, ...)
{
	char text[sizeof kept];                         /* an argument may be failed_text() itself */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	memcpy(kept, text, sizeof kept);
	kept_code = code;
	return false;
}

bool fail_sys(const char *fmt, ...)
{
	int e = errno;
	char text[sizeof kept];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return fail(XIO, "%s: %s", text, strerror(e));
}

void fail_prefix(const char *fmt, ...)
{
	char text[sizeof kept];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fail(kept_code, "%s: %s", text, failed_text());
}

enum exit_code failed_code(void) { return kept_code; }
const char *failed_text(void) { return kept; }
void die_failed(void) { die(kept_code, "%s", kept); }

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		die(XIO, "allocation of %zu x %zu bytes overflows", n, size);
	void *q = realloc(p, bytes ? bytes : 1);
	if (!q)
		die_sys("cannot allocate %zu bytes", bytes);
	return q;
}

void *xmalloc(size_t n, size_t size) { return xrealloc(NULL, n, size); }

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die_sys("cannot allocate %zu x %zu bytes", n, size);
	return p;
}

void *xaligned(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - 63)
		die(XIO, "allocation of %zu x %zu bytes overflows", n, size);
	bytes = (bytes + 63) / 64 * 64;
	p = aligned_alloc(64, bytes ? bytes : 64);
	if (!p)
		die_sys("cannot allocate %zu bytes", bytes);
	return p;
}

void *xlarge(size_t n, size_t size)
{
	const size_t page = (size_t)2 << 20;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes < 2 * page)
		return xaligned(n, size);
	errno = posix_memalign(&p, page, bytes);
	if (errno)
		die_sys("cannot allocate %zu bytes", bytes);
	madvise(p, bytes / page * page, MADV_HUGEPAGE);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n, 1), s, n);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = xmalloc((size_t)n + 1, 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

void die_cleanup(const char *path)
{
	for (int i = 0; i < CLEANUPS; i++)
		if (!cleanup[i]) {
			cleanup[i] = path;
			return;
		}
}

void die_cleanup_done(const char *path)
{
	for (int i = 0; i < CLEANUPS; i++)
		if (cleanup[i] == path)
			cleanup[i] = NULL;
}

static void interrupted(int sig)
{
	remove_temporaries();
	_exit(sig == SIGINT ? XINTERRUPTED : 128 + sig);
}

/* A page of a mapped file is no longer there. */
static void cut_short(int sig)
{
	static const char what[] = ": a file became shorter while it was read\n";

	(void)sig;
	remove_temporaries();
	if (write(STDERR_FILENO, prog, strlen(prog)) > 0)
		(void)!write(STDERR_FILENO, what, sizeof what - 1);
	_exit(XIO);
}

void die_signals(void)
{
	struct sigaction stop = { .sa_handler = interrupted }, quiet = { .sa_handler = SIG_DFL }, cut = { .sa_handler = cut_short };
	struct sigaction old;

	sigaction(SIGPIPE, &quiet, NULL);               /* a parent may have ignored it; a gone reader must end us */
	sigaction(SIGINT, NULL, &old);
	if (old.sa_handler != SIG_IGN)                  /* a shell's background jobs ignore it, and should */
		sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGBUS, &cut, NULL);
}
