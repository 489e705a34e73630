#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/progress.h"

const char *progress_mode = "auto";

static int64_t total, done;
static const char *unit;
static double start_s, shown_s;
static int columns;             /* of the line on the terminal */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show(const char *name)
{
	double elapsed = now_s() - start_s, rate = elapsed > 0 ? (double)done / elapsed : 0;
	int64_t left = total >= 0 && rate > 0 ? (int64_t)((double)(total - done) / rate + 0.5) : -1;
	char text[256];
	int n = snprintf(text, sizeof text, "%lld", (long long)done);

	if (total >= 0)
		n += snprintf(text + n, sizeof text - (size_t)n, "/%lld", (long long)total);
	n += snprintf(text + n, sizeof text - (size_t)n, " %s, %.1f/s", unit, rate);
	if (left >= 0)
		n += snprintf(text + n, sizeof text - (size_t)n, ", %lld:%02lld:%02lld left", (long long)left / 3600,
		              (long long)left / 60 % 60, (long long)left % 60);
	n += snprintf(text + n, sizeof text - (size_t)n, "  %.100s", name);
	fprintf(stderr, "\r%-*s", columns, text);
	columns = n;
}

void progress_begin(int64_t cases) { progress_begin_of(cases, "cases"); }

void progress_begin_of(int64_t n, const char *what)
{
	total = n;
	unit = what;
	done = 0;
	start_s = now_s();
	shown_s = 0;
	if (!strcmp(progress_mode, "auto") && !isatty(STDERR_FILENO))
		progress_mode = "none";
	if (!strcmp(progress_mode, "tsv"))
		fputs("done\ttotal\telapsed_s\tcase\n", stderr);
}

void progress_expect(int64_t n) { total = n; }

void progress_step(const char *name)
{
	done++;
	if (!strcmp(progress_mode, "tsv")) {
		fprintf(stderr, "%lld\t%lld\t%.3f\t%s\n", (long long)done, (long long)total, now_s() - start_s, name);
	} else if (!strcmp(progress_mode, "auto") && (now_s() - shown_s > 0.1 || done == total)) {
		shown_s = now_s();
		show(name);
	}
}

void progress_clear(void)
{
	if (columns)
		fprintf(stderr, "\r%*s\r", columns, "");
	columns = 0;
	shown_s = 0;
}

void progress_end(void) { progress_clear(); }
