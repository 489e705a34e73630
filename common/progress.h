/* progress: cases done, rate and time left on stderr, when it is a terminal (or as TSV with --progress tsv). */
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H
#include <stdint.h>

extern const char *progress_mode;          /* "auto", "none" or "tsv" */
#define OPT_PROGRESS OPT_CHOICE(0, "progress", &progress_mode, "MODE", "auto|none|tsv", "show cases done, rate and time left on stderr")

void progress_begin(int64_t total);        /* -1: unknown */
void progress_begin_of(int64_t total, const char *what);   /* of something other than "cases" */
void progress_expect(int64_t total);       /* once it is known */
void progress_step(const char *name);      /* one case is done */
void progress_clear(void);                 /* wipes the line, before something else is written on the terminal; it comes again */
void progress_end(void);
#endif
