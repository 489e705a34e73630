/* Philox against the known answers that its authors publish; numbers below a limit are even; places and streams differ. */
#include <stdio.h>
#include <string.h>
#include "common/random.h"

int main(void)
{
	/* Random123's kat_vectors for philox4x32-10: counter, key, answer. */
	static const uint32_t known[][10] = {
		{ 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
		{ 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
		{ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
	};
	uint32_t out[100000], times[7] = {0}, same = 0;
	int wrong = 0;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		random_philox(out, known[i], known[i] + 4);
		if (memcmp(out, known[i] + 6, 16))
			wrong += printf("vector %zu: %08x %08x %08x %08x\n", i, out[0], out[1], out[2], out[3]);
	}
	random_below(out, 100000, 7, 42, 3);
	for (int i = 0; i < 100000; i++)
		times[out[i]]++;
	for (int k = 0; k < 7; k++)
		if (times[k] < 13786 || times[k] > 14786)               /* 14286, 4.5 standard deviations of 111 */
			wrong += printf("%d came %u times of 100000\n", k, times[k]);
	for (uint64_t i = 0; i < 1000; i++)
		same += random_bits(1, 2, i) == random_bits(1, 3, i) || random_bits(1, 2, i) == random_bits(2, 2, i) ||
			random_bits(1, 2, i) == random_bits(1, 2, i + 1);
	if (same)
		wrong += printf("%u numbers are equal\n", same);
	return wrong != 0;
}
