/* random: numbers that depend on nothing but where they stand.
 *
 * The i-th number of stream s under a seed is a function of (seed, s, i), so that threads may ask in any order. */
#ifndef COMMON_RANDOM_H
#define COMMON_RANDOM_H
#include <stdint.h>

/* Philox4x32-10: counter and key to four words. */
void random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t i);
double random_unit(uint64_t seed, uint64_t stream, uint64_t i);                        /* in (0, 1), steps of 2^-53 */
/* out: [n] numbers in 0..limit-1, those at places 0..n-1 of the stream. */
void random_below(uint32_t *out, uint32_t n, uint32_t limit, uint64_t seed, uint64_t stream);
#endif
