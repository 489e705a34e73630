/* kernels: what the tests of single kernels share: values of every kind, and sums in double with their bounds.
 *
 * Where sums are rounded the bound is that of a sum of n terms in any order, n u (|t1| + |t2| + ...) with u = 2^-24 (Higham,
 * Accuracy and Stability of Numerical Algorithms, 2002, section 4.2), and the smallest denormal for each term. */
#ifndef TESTS_KERNELS_H
#define TESTS_KERNELS_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_kernels.h"
#include "tests/network/random.h"

static const double U = 0x1p-24, LEAST = 0x1p-149;
static const struct kernels *k;                 /* the set under test */
static const char *set_name, *kernel_name;
static double worst;                            /* largest error of this kernel as a share of its bound */
static int wrong;

enum kind { ORDINARY, TINY, DENORMAL, LARGE, MIXED, BROKEN, KINDS };

static inline float any(enum kind kind)
{
	switch (kind) {
	case TINY: return uniform() * 1e-20f;           /* products are denormal */
	case DENORMAL: return uniform() * 1e-40f;
	case LARGE: return uniform() * 1e30f;
	case MIXED: return ldexpf(uniform(), pick(40) - 20);
	case BROKEN: return pick(50) ? uniform() : pick(2) ? NAN : pick(2) ? INFINITY : -INFINITY;
	default: return uniform();
	}
}

/* The second factor of a product: large values stay below what a float holds. */
static inline enum kind factor(enum kind kind) { return kind == TINY || kind == MIXED ? kind : ORDINARY; }

/* n values, aligned as the kernels ask; the sanitizer sees what is touched beyond. */
static inline float *values(size_t n, enum kind kind)
{
	void *p;

	if (posix_memalign(&p, 64, n * sizeof(float)))
		die(XIO, "no memory");
	for (size_t i = 0; i < n; i++)
		((float *)p)[i] = any(kind);
	return p;
}

static inline float *copied(const float *from, size_t n)
{
	float *p = values(n, ORDINARY);

	memcpy(p, from, n * sizeof *p);
	return p;
}

static inline void wrong_value(double got, double exact, double bound, const char *where)
{
	if (wrong++ < 20)
		printf("%s of %s: %.9g where %.9g +- %.2g is right (%s)\n", kernel_name, set_name, got, exact, bound, where);
}

/* What is infinite or NaN in the formula must be so here. */
static inline void check(double got, double exact, double bound, const char *where)
{
	if (!isfinite(exact)) {
		if (isnan(exact) ? !isnan(got) : !(got == exact))
			wrong_value(got, exact, 0, where);
	} else if (!(fabs(got - exact) <= bound)) {
		wrong_value(got, exact, bound, where);
	} else if (bound > 0) {
		worst = fmax(worst, fabs(got - exact) / bound);
	}
}

static inline void check_same(const float *a, const float *b, size_t n, const char *where)
{
	if (memcmp(a, b, n * sizeof *a) && wrong++ < 20)
		printf("%s of %s: other bytes than there should be (%s)\n", kernel_name, set_name, where);
}

/* A sum with what its bound needs. */
struct sum { double exact, size; int n; };

static inline void add(struct sum *s, double term)
{
	s->exact += term;
	s->size += fabs(term);
	s->n++;
}

static inline void check_sum(float got, const struct sum *s, const char *where)
{
	check((double)got, s->exact, (s->n + 1) * (U * s->size + LEAST), where);
}

/* Runs the tests of n kernels at every instruction set that this machine has. */
struct kernel_test { const char *name; void (*run)(void); };

static inline int test_kernels(const struct kernel_test *test, int n)
{
	static const struct { const char *name; const struct kernels *kernels; enum isa least; } set[] = {
		{ "base", &kernels_base, ISA_BASE },
#ifdef __x86_64__
		{ "v3", &kernels_v3, ISA_V3 }, { "v4", &kernels_v4, ISA_V4 }, { "v4n", &kernels_v4n, ISA_V4 },
#endif
	};

	for (size_t i = 0; i < sizeof set / sizeof *set && set[i].least <= cpu_isa(); i++) {
		k = set[i].kernels;
		set_name = set[i].name;
		printf("note: %s: largest error as a share of its bound:", set_name);
		for (int t = 0; t < n; t++) {
			kernel_name = test[t].name;
			state = (unsigned long long)t + 1;
			worst = 0;
			test[t].run();
			printf(" %s %.2f%s", kernel_name, worst, t < n - 1 ? "," : "\n");
		}
	}
	return wrong > 0;
}
#endif
