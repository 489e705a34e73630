/* Wall time in s and peak resident memory in MiB of the largest process of a command line, best of some rounds by time.
 * usage: measure ROUNDS COMMAND */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct rusage r;
	double best = 0;
	int rounds = argc == 3 ? atoi(argv[1]) : 0;

	if (rounds < 1) {
		fputs("usage: measure ROUNDS COMMAND\n", stderr);
		return 2;
	}
	for (int i = 0; i < rounds; i++) {
		double begin = now();
		int status = system(argv[2]);
		if (status) {
			fprintf(stderr, "measure: '%s' failed\n", argv[2]);
			return 3;
		}
		double took = now() - begin;
		best = i == 0 || took < best ? took : best;
	}
	getrusage(RUSAGE_CHILDREN, &r);
	printf("%.4f %.1f\n", best, (double)r.ru_maxrss / 1024);
	return 0;
}
