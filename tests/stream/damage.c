/* Every truncation and 2,000 seeded flips of a byte of a small stream (half as many under the sanitizers): status 0 or 3, then with one line on stderr; no
 * sanitizer report, no hang, no allocation far above --memory.  A flip inside values changes that value and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/stream/check.h"

enum { SECONDS = 20, MIB = 1 << 20 };

static char program[4096], text[1 << 16];       /* frames; what the last run said on stderr, or on stdout with -d */
static int asan;

static size_t slurp(const char *path, char *to, size_t room)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	CHECK(f, "%s", path);
	n = fread(to, 1, room - 1, f);
	fclose(f);
	to[n] = 0;
	return n;
}

static void spill(const char *path, const char *data, size_t n)
{
	FILE *f = fopen(path, "wb");

	CHECK(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, "%s", path);
}

/* Exit status of frames reading `damaged`; a signal is a failure. */
static int run(char *const *argv, const char *damage)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct rlimit room = { 256 * MIB, 256 * MIB };
		if (!asan)                              /* which reserves terabytes, and has a limit of its own */
			setrlimit(RLIMIT_AS, &room);
		alarm(SECONDS);
		dup2(open("damaged", O_RDONLY), STDIN_FILENO);
		dup2(open("out", O_CREAT | O_TRUNC | O_WRONLY, 0666), STDOUT_FILENO);
		dup2(open("err", O_CREAT | O_TRUNC | O_WRONLY, 0666), STDERR_FILENO);
		execv(program, argv);
		_exit(99);
	}
	CHECK(pid > 0, "cannot fork");
	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR, "waitpid");
	slurp("err", text, sizeof text);
	CHECK(WIFEXITED(status), "%s: signal %d (%s)", damage, WTERMSIG(status), text);
	return WEXITSTATUS(status);
}

static int lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static int survives(int i, const char *damage)
{
	static char *const ways[][8] = {
		{ "frames", "--memory", "16M", NULL },
		{ "frames", "--memory", "16M", "-H", NULL },
		{ "frames", "--memory", "16M", "-s", "1", NULL },
	};
	int status = run(ways[i % 3], damage);

	CHECK(status == 0 || status == 3, "%s: status %d (%s)", damage, status, text);
	CHECK(status ? lines(text) == 1 && !strncmp(text, "frames: ", 8) : !*text, "%s: said %s", damage, text);
	return status;
}

/* Whether byte `at` is within values. */
static int is_value(size_t at)
{
	static unsigned long first[64], length[64];
	static int n = -1;

	if (n < 0) {
		FILE *f = fopen("values", "r");
		CHECK(f, "values");
		for (n = 0; n < 64 && fscanf(f, "%lu %lu", &first[n], &length[n]) == 2; n++)
			;
		fclose(f);
	}
	for (int i = 0; i < n; i++)
		if (at >= first[i] && at < first[i] + length[i])
			return 1;
	return 0;
}

int main(void)
{
	static char intact[1 << 16], damaged[1 << 16], damage[64], command[8192];
	static char *const diff[] = { "frames", "-d", "intact", NULL };
	int ok = 0, in_values = 0, part, flips;
	uint64_t state = 11;
	size_t n;

	asan = strstr(getenv("BUILD"), "asan") != NULL;
	part = asan ? 2 : 1;
	flips = 2000 / part;
	setenv("ASAN_OPTIONS", "max_allocation_size_mb=64", 1);
	snprintf(program, sizeof program, "%s/frames", getenv("BIN"));
	snprintf(command, sizeof command, "/usr/bin/python3 '%s/stream/make.py' small values=values > intact", getenv("TESTS"));
	CHECK(system(command) == 0, "make.py");
	n = slurp("intact", intact, sizeof intact);
	CHECK(n > 800 && n < sizeof intact - 1, "%zu bytes", n);
	spill("damaged", intact, n);
	for (int i = 0; i < 3; i++)
		CHECK(survives(i, "intact") == 0, "the intact stream: %s", text);
	for (size_t keep = 0; keep < n; keep += (size_t)part) {
		snprintf(damage, sizeof damage, "the first %zu of %zu bytes", keep, n);
		spill("damaged", intact, keep);
		CHECK(survives((int)keep, damage) == 3, "%s pass", damage);
	}
	for (int i = 0; i < flips; i++) {
		size_t at;
		do                                      /* headers have fewer bytes than values, and more to damage */
			at = check_random(&state) % n;
		while (is_value(at) && check_random(&state) % 2);
		int bits = 1 + (int)(check_random(&state) % 255), status;
		memcpy(damaged, intact, n);
		damaged[at] = (char)(damaged[at] ^ bits);
		snprintf(damage, sizeof damage, "flip %d: byte %zu by 0x%02x", i, at, (unsigned)bits);
		spill("damaged", damaged, n);
		status = survives(i, damage);
		ok += status == 0;
		if (!is_value(at))
			continue;
		in_values++;
		CHECK(status == 0, "%s is within values: %s", damage, text);
		CHECK(run(diff, damage) == 1 && !*text, "%s: not found: %s", damage, text);
		slurp("out", text, sizeof text);
		CHECK(lines(text) == 1 && strstr(text, ": 1 of "), "%s: more than one value: %s", damage, text);
	}
	CHECK(in_values > flips / 10 && ok > in_values && ok < flips, "%d flips pass, %d in values", ok, in_values);
	printf("note: %zu truncations refused; of %d flips %d in values, %d of others harmless, the rest refused\n", n / (size_t)part, flips,
	    in_values, ok - in_values);
	return 0;
}
