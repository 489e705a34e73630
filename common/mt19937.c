#include <string.h>
#include "common/mt19937.h"

/* Matsumoto, Nishimura: Mersenne twister.  ACM TOMACS 8, 1998. */
enum { MIDDLE = 397 };

void mt_seed(struct mt19937 *r, uint32_t seed)
{
	r->state[0] = seed;
	for (uint32_t i = 1; i < MT_WORDS; i++)
		r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
	r->used = MT_WORDS;
}

static uint32_t twist(uint32_t high, uint32_t low, uint32_t middle)
{
	uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);

	return middle ^ y >> 1 ^ (0x9908b0dfu & -(y & 1));
}

static void refill(struct mt19937 *r)
{
	uint32_t *s = r->state;
	int i = 0;

	for (; i < MT_WORDS - MIDDLE; i++)
		s[i] = twist(s[i], s[i + 1], s[i + MIDDLE]);
	for (; i < MT_WORDS - 1; i++)
		s[i] = twist(s[i], s[i + 1], s[i + MIDDLE - MT_WORDS]);
	s[i] = twist(s[i], s[0], s[MIDDLE - 1]);
	r->used = 0;
}

uint32_t mt_next(struct mt19937 *r)
{
	uint32_t y;

	if (r->used == MT_WORDS)
		refill(r);
	y = r->state[r->used++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

/* The numbers of as many bits as most has, without those that are too large. */
void mt_many_below(struct mt19937 *r, uint32_t *out, size_t n, uint32_t most)
{
	uint32_t mask = most;

	for (int shift = 1; shift < 32; shift *= 2)
		mask |= mask >> shift;
	if (!most)
		memset(out, 0, n * sizeof *out);
	for (size_t i = most ? 0 : n; i < n;) {         /* no branch on chance: it would be mispredicted as often as not */
		out[i] = mt_next(r) & mask;
		i += out[i] <= most;
	}
}

uint32_t mt_below(struct mt19937 *r, uint32_t most)
{
	uint32_t v;

	mt_many_below(r, &v, 1, most);
	return v;
}

void mt_permutation(struct mt19937 *r, uint32_t *index, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		index[i] = i;
	for (uint32_t i = n; i-- > 1;) {
		uint32_t j = mt_below(r, i), t = index[i];
		index[i] = index[j];
		index[j] = t;
	}
}
