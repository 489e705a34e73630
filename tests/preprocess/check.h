/* What the C tests of this folder share: a check that names the place, and random numbers that are always the same. */
#ifndef PREPROCESS_CHECK_H
#define PREPROCESS_CHECK_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"

static int checks;

#define CHECK(condition, ...) do { \
	checks++; \
	if (!(condition)) { \
		printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
		printf(__VA_ARGS__); \
		putchar('\n'); \
		exit(1); \
	} \
} while (0)

static uint64_t state = 88172645463325252u;

/* 0..n-1 */
static inline int64_t pick(int64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int64_t)(state >> 11) % n;
}

/* -1..1 */
static inline double uniform(void) { return (double)pick(1 << 30) / (1 << 29) - 1; }

#define DONE() do { printf("%d checks\n", checks); return 0; } while (0)
#endif
