/* mt19937: the Mersenne Twister as numpy's RandomState draws from it, where nnU-Net's choices must be made again. */
#ifndef COMMON_MT19937_H
#define COMMON_MT19937_H
#include <stddef.h>
#include <stdint.h>

enum { MT_WORDS = 624 };

struct mt19937 { uint32_t state[MT_WORDS]; int used; };

void mt_seed(struct mt19937 *r, uint32_t seed);                   /* RandomState(seed) */
uint32_t mt_next(struct mt19937 *r);
/* 0..most, all alike: randint(0, most + 1).  Draws nothing where most is 0. */
uint32_t mt_below(struct mt19937 *r, uint32_t most);
/* out: [n] such numbers, as so many calls would give. */
void mt_many_below(struct mt19937 *r, uint32_t *out, size_t n, uint32_t most);
/* shuffle(a), permutation(n): index is filled with 0..n-1 and shuffled. */
void mt_permutation(struct mt19937 *r, uint32_t *index, uint32_t n);
#endif
