/* Zip files whose sizes and places stand in 64 bits, as if they were larger than 4 GiB: read here and by Python's zipfile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/archive.h"
#include "common/die.h"
#include "common/zip-write.h"

enum { N = 5 };
static const size_t size[N] = { 0, 7, 400, 299, 5000 };

static void write_zip(const char *path, uint64_t limit)
{
	struct zip_out z;
	unsigned char data[5000];

	zip_begin(&z, path);
	z.limit = limit;
	for (int i = 0; i < N; i++) {
		char name[32];
		for (size_t k = 0; k < size[i]; k++)
			data[k] = (unsigned char)(k * 31 + (size_t)i);
		snprintf(name, sizeof name, "entry/%d", i);
		zip_put(&z, name, data, size[i]);
	}
	if (!zip_commit(&z))
		die_failed();
}

static void check(const char *path, int i, const char *data, size_t n)
{
	if (n != size[i])
		die(XNO, "%s: entry %d has %zu bytes", path, i, n);
	for (size_t k = 0; k < n; k++)
		if ((unsigned char)data[k] != (unsigned char)(k * 31 + (size_t)i))
			die(XNO, "%s: entry %d differs", path, i);
}

/* Copied, and where they stand. */
static void read_zip(const char *path)
{
	struct archive *z = archive_open(path);

	if (!z || zip_get_num_entries(z->zip, 0) != N)
		die(XNO, "%s: not opened, or other than %d entries", path, N);
	for (int i = 0; i < N; i++) {
		const char *view;
		char *data;
		size_t n;
		if (!archive_read(z, i, 1 << 20, &data, &n))
			die_failed();
		check(path, i, data, n);
		free(data);
		if (!archive_view(z, i, 1 << 20, &view, &n))
			die_failed();
		check(path, i, view, n);
	}
	archive_close(z);
}

/* A file that another program cuts while it is mapped ends the program with one line. */
static void read_cut(const char *path)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct archive *z = archive_open(path);
		const char *data;
		size_t n;
		die_signals();
		if (truncate(path, 0) || archive_view(z, N - 1, 1 << 20, &data, &n))
			die(XNO, "%s: read though it is empty", path);
		die_failed();
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != XIO)
		die(XNO, "%s: cut while it was mapped: status %d", path, status);
}

int main(void)
{
	static const uint64_t limit[] = { UINT32_MAX, 300, 0 };

	for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
		char *path = xasprintf("%llu.zip", (unsigned long long)limit[i]);
		char *command = xasprintf("exec /usr/bin/python3 '%s/checkpoint/zip64.py' %s", getenv("TESTS"), path);
		write_zip(path, limit[i]);
		read_zip(path);
		if (system(command))
			die(XNO, "%s is no zip file to Python", path);
		read_cut(path);
		free(command);
		free(path);
	}
	return 0;
}
