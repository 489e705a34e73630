/* loops: arithmetic over runs of voxels, compiled for several instruction sets.
 *
 * Every set gives the same bytes: operations are elementwise or on integers, and a product is fused with a sum where fma()
 * says so and nowhere else.  A run is at most LOOPS_RUN voxels; x, p, sum ... are arrays [n].  Real sums over members are kept
 * as whole multiples of a quantum, so that their order does not matter: probabilities of 2^-56, squares of 2^-50, entropies
 * and logarithms of 2^-46. */
#ifndef COMMON_LOOPS_H
#define COMMON_LOOPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOOPS_RUN = 512 };

struct loops {
	const char *name;
	/* d = p, from 0 to 1; false if a p is not in 0 to 1.0001 (a softmax in fp32 may round to a little over 1) */
	bool (*widen)(double *d, const float *p, size_t n);
	void (*complement)(double *d, size_t n);                                        /* d = 1 - d */
	void (*add_quanta)(uint64_t *sum, const double *d, size_t n);                   /* of d, cut to a multiple of 2^-56 */
	void (*add_square)(uint64_t *sum, const double *d, size_t n);
	void (*add_entropy)(uint64_t *sum, const double *h, size_t n);                  /* h is taken for 31 bits at most */
	void (*plogp)(double *h, const double *d, size_t n);                            /* h += -d log2 d, 0 log 0 = 0 */
	/* l = -log2 of d or of 2^-24, whichever is more; sum += l, cross += d l */
	void (*logs)(uint64_t *sum, double *cross, const double *d, size_t n);
	void (*argmax)(float *best, uint16_t *at, const float *p, int k, size_t n);     /* where p > best: best = p, at = k */
	void (*count)(uint8_t *votes, const uint16_t *at, int k, size_t n);             /* votes += at == k */
	void (*differ)(uint16_t *diff, const uint16_t *a, const uint16_t *b, size_t n); /* diff |= a ^ b */

	/* of the mean mu */
	void (*mean)(double *mu, float *rounded, const uint64_t *sum, int members, size_t n);
	void (*top_two)(double *first, double *second, const double *mu, size_t n);     /* mu takes its place among them */
	void (*product)(double *x, const double *a, const double *b, size_t n);         /* x += a b */
	void (*cross_logs)(double *x, const double *mu, const uint64_t *sum, size_t n); /* x += mu sum of logs() */
	void (*pick)(uint8_t *x, const uint8_t *votes, const uint16_t *at, int k, size_t n);    /* where at == k: x = votes */
	void (*look_up)(double *x, const uint8_t *votes, const double *table, size_t n);        /* x += table[votes] */
	void (*average)(double *x, const uint64_t *sum, double quantum, int members, size_t n);
	/* h minus the mean of a sum of entropies, at least 0; exactly 0 where all were h */
	void (*gain)(double *x, const double *h, const uint64_t *sum, int members, size_t n);
	void (*difference)(double *x, const double *a, const double *b, double least, size_t n);    /* a - b, or 0 below least */
	void (*store)(float *to, const double *x, double scale, bool most, size_t n);   /* to = x scale, or the larger of both */

	/* of windows: sum = p or (more) sum += p; back: p runs backwards, its last element is p[1 - n] */
	void (*add_line)(float *sum, const float *p, bool more, bool back, size_t n);
	bool (*add_weighted)(float *sum, const float *v, float scale, const float *w, size_t n);   /* += v scale w; are sums finite? */
	void (*divide)(float *x, const float *sum, const float *w, float scale, size_t n);         /* x = sum / (w scale) */
};

extern const struct loops loops_base, loops_v3, loops_v4;
/* The sets that this processor has, the best first; NULL ends it. */
const struct loops *const *loops_all(void);
#endif
