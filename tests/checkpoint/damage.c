/* Damaged files: every truncation and 2,000 seeded byte flips of small .pth, .npz, .npy and .pkl files either read or are
 * refused as bad input, at once and within the memory limit; where there are checksums, what is read is undamaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "common/checkpoint.h"
#include "common/die.h"
#include "common/npz.h"
#include "common/opt.h"
#include "common/properties.h"

enum { FLIPS = 2000, LIMIT = 1 << 20 };

/* The sanitizer's own bound on one allocation; RLIMIT_AS is the bound without it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "max_allocation_size_mb=4"; }

static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	struct rlimit r;

	if (!f || fscanf(f, "%ld", &pages) != 1)
		pages = (32 << 20) / sysconf(_SC_PAGESIZE);     /* a bare chroot has no /proc: more than this program's code */
	if (f)
		fclose(f);
	r.rlim_cur = r.rlim_max = (rlim_t)(pages * sysconf(_SC_PAGESIZE)) + 16 * LIMIT;
	if (setrlimit(RLIMIT_AS, &r))
		die_sys("cannot limit memory");
#endif
	memory_limit = LIMIT;
}

static uint64_t digest;                 /* of what was read */

static void digest_add(const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		digest = (digest ^ *p++) * 0x100000001b3;
}

static void digest_array(const struct npy *a)
{
	size_t n = dtype_size(a->type);

	digest_add(&a->type, sizeof a->type);
	digest_add(a->dim, sizeof a->dim);
	for (int d = 0; d < a->n_dims; d++)
		n *= (size_t)a->dim[d];
	digest_add(a->data, n);
}

static bool read_pth(const char *path)
{
	static float values[4096];
	struct checkpoint c;
	bool ok = checkpoint_open(&c, path);

	for (int i = 0; ok && i < c.n_tensors; i++) {
		size_t n = 1;
		for (int d = 0; d < c.tensor[i].n_dims; d++)
			n *= (size_t)c.tensor[i].dim[d];
		if (n <= sizeof values / sizeof *values)
			checkpoint_load(values, &c, &c.tensor[i]);
	}
	if (ok) {
		digest_add(c.weights_hash, sizeof c.weights_hash);
		checkpoint_close(&c);
	}
	return ok;
}

static bool read_npz(const char *path)
{
	struct npy a;
	bool ok = npz_read(&a, path, "probabilities");

	if (ok) {
		digest_array(&a);
		npy_free(&a);
	}
	return ok;
}

static bool read_npy(const char *path)
{
	struct npy a;
	bool ok = npy_read(&a, path);

	if (ok) {
		digest_array(&a);
		npy_free(&a);
	}
	return ok;
}

static bool read_pkl(const char *path)
{
	struct properties p;
	bool ok = pkl_properties(&p, path);

	digest_add(&p, sizeof p);
	return ok;
}

static uint64_t state = 20231123;

static uint64_t next_random(void)
{
	state ^= state << 13;                           /* xorshift64 */
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool attempt(bool (*read_file)(const char *), const char *data, size_t n, const char *what, size_t at)
{
	static int fd = -1;                             /* kept open: closing a truncated file makes some systems write it out */
	bool ok;

	if (fd < 0)
		fd = open("damaged", O_CREAT | O_TRUNC | O_WRONLY, 0666);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) || !io_write(fd, data, n) || ftruncate(fd, (off_t)n))
		die_sys("cannot write");
	fail(XOK, "nothing");
	digest = 0;
	alarm(20);                                      /* what hangs is killed */
	ok = read_file("damaged");
	alarm(0);
	if (!ok && (failed_code() != XDATA || !strstr(failed_text(), "damaged")))
		die(XNO, "%s %zu: code %d, %s", what, at, failed_code(), failed_text());
	return ok;
}

static void damage(const char *path, bool (*read_file)(const char *), bool checksums)
{
	uint64_t intact;
	int as_before = 0, changed = 0;
	char *data;
	size_t n;

	if (!io_slurp(path, LIMIT, &data, &n))
		die_failed();
	if (!attempt(read_file, data, n, path, n))
		die_failed();
	intact = digest;
	for (size_t cut = 0; cut < n; cut++)
		if (attempt(read_file, data, cut, path, cut))
			die(XNO, "%s cut to %zu of %zu bytes was read", path, cut, n);
	for (int i = 0; i < FLIPS; i++) {
		size_t at = next_random() % n;
		char flip = (char)(next_random() % 255 + 1);
		data[at] ^= flip;
		if (attempt(read_file, data, n, path, at))
			*(digest == intact ? &as_before : &changed) += 1;
		data[at] ^= flip;
		if (checksums && changed)
			die(XNO, "%s: flip at %zu went unnoticed", path, at);
	}
	printf("%s: %zu bytes; of %d flips %d read as before, %d changed, the others are refused\n", path, n, FLIPS,
	       as_before, changed);
	free(data);
}

int main(void)
{
	char *files = xasprintf("exec /usr/bin/python3 '%s/checkpoint/files.py'", getenv("TESTS"));
	char *arrays = xasprintf("exec /usr/bin/python3 '%s/checkpoint/arrays.py' make", getenv("TESTS"));

	if (system(files) || system(arrays))
		die(XNO, "files.py or arrays.py failed");
	limit_memory();
	damage("ok-equal-zip.pth", read_pth, true);
	damage("hash-no-checksums.pth", read_pth, false);      /* here flips reach the pickle */
	damage("ok-equal-legacy.pth", read_pth, false);
	damage("ok-equal-legacy-4.pth", read_pth, false);
	damage("in-0-3.npz", read_npz, true);                 /* deflated */
	damage("in-1-3.npz", read_npz, true);                 /* stored */
	damage("in-0-3.npy", read_npy, false);
	damage("sitk-2.pkl", read_pkl, false);
	damage("nibabel-4.pkl", read_pkl, false);
	damage("nibabel-5.pkl", read_pkl, false);
	free(files);
	free(arrays);
	return 0;
}
