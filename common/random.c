#include "common/random.h"

/* Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3.  SC 2011. */
void random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
	uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k = key[0], l = key[1];

	for (int round = 0; round < 10; round++, k += 0x9E3779B9, l += 0xBB67AE85) {
		uint64_t p = (uint64_t)0xD2511F53 * a, q = (uint64_t)0xCD9E8D57 * c;
		a = (uint32_t)(q >> 32) ^ b ^ k;
		c = (uint32_t)(p >> 32) ^ d ^ l;
		b = (uint32_t)q;
		d = (uint32_t)p;
	}
	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

static void block(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t i)
{
	const uint32_t counter[4] = { (uint32_t)i, (uint32_t)(i >> 32), (uint32_t)stream, (uint32_t)(stream >> 32) };
	const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };

	random_philox(out, counter, key);
}

uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t i)
{
	uint32_t w[4];

	block(w, seed, stream, i);
	return (uint64_t)w[1] << 32 | w[0];
}

double random_unit(uint64_t seed, uint64_t stream, uint64_t i)
{
	return ((double)(random_bits(seed, stream, i) >> 12) + 0.5) * 0x1p-52;
}

void random_below(uint32_t *out, uint32_t n, uint32_t limit, uint64_t seed, uint64_t stream)
{
	for (uint32_t i = 0; i < n; i += 4) {
		uint32_t w[4];
		block(w, seed, stream, i / 4);
		for (uint32_t j = 0; j < 4 && i + j < n; j++)
			out[i + j] = (uint32_t)((uint64_t)w[j] * limit >> 32);   /* off by at most limit / 2^32 */
	}
}
