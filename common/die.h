/* die: exit codes, messages to people, memory that cannot fail.
 *
 * Two ways to fail.  Code that serves one case of many returns false through fail(), which keeps the code and
 * one sentence for the caller to report or to put into a failed frame.  Code that cannot go on calls die().
 * Every message is one line on stderr, prefixed with the program's name; temporary files registered with
 * die_cleanup() are removed on every way out but SIGKILL. */
#ifndef COMMON_DIE_H
#define COMMON_DIE_H
#include <stdbool.h>
#include <stddef.h>

enum exit_code { XOK = 0, XNO = 1, XUSAGE = 2, XDATA = 3, XIO = 4, XDEVICE = 5, XINTERRUPTED = 130 };

extern const char *prog;          /* the program's name, set by opt_parse() */
extern bool verbose;              /* -v */

_Noreturn void die(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void die_sys(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* adds strerror(errno); exit 4 */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));                 /* only with -v */

/* Remembers why something failed and returns false, so that a function can end in "return fail(...)".
 * The text is one sentence without a newline, kept per thread until the next fail(). */
bool fail(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool fail_sys(const char *fmt, ...) __attribute__((format(printf, 1, 2)));            /* XIO, adds strerror(errno) */
void fail_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2)));         /* puts "text: " before the kept sentence */
enum exit_code failed_code(void);
const char *failed_text(void);
_Noreturn void die_failed(void);  /* ends the program with what fail() kept */

/* Memory: these die (exit 4) when there is none.  Sizes are products checked for overflow. */
void *xmalloc(size_t n, size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xaligned(size_t n, size_t size);   /* 64-byte aligned, not cleared; free() it */
void *xlarge(size_t n, size_t size);     /* the same, of large pages where it fills some: what is read or filled end to end */

/* Called (once) by opt_parse(): SIGPIPE ends the program quietly, SIGINT and SIGTERM remove temporary files; so does SIGBUS, which
 * says that a mapped file was cut short. */
void die_signals(void);
/* Paths to unlink when the program does not end well.  The string is kept, not copied. */
void die_cleanup(const char *path);
void die_cleanup_done(const char *path);
#endif
