/* The Mersenne Twister draws what numpy draws: the sequences of contract, appendix A. */
#include <stdio.h>
#include <stdlib.h>
#include "common/mt19937.h"

static int wrong;

static void expect(const char *what, int i, uint32_t got, uint32_t want)
{
	if (got == want)
		return;
	printf("%s, number %d: %u, not %u\n", what, i, got, want);
	wrong++;
}

int main(void)
{
	static const uint32_t chosen[] = { 37, 45, 6, 44, 13, 36, 8 }, of_hundred[] = { 47, 83, 38, 53, 76, 24, 15, 49 };
	static const uint32_t of_thousand[] = { 279, 233, 154, 30 };
	struct mt19937 r;
	uint32_t index[50];

	mt_seed(&r, 1234);
	mt_permutation(&r, index, 50);
	for (int i = 0; i < 7; i++)
		expect("choice(50, 7, replace=False)", i, index[i], chosen[i]);
	mt_seed(&r, 1234);
	for (int i = 0; i < 8; i++)
		expect("randint(100)", i, mt_below(&r, 99), of_hundred[i]);
	expect("randint(1)", 0, mt_below(&r, 0), 0);
	for (int i = 0; i < 4; i++)
		expect("randint(1000)", i, mt_below(&r, 999), of_thousand[i]);

	uint32_t many[12];
	mt_seed(&r, 1234);
	mt_many_below(&r, many, 8, 99);
	mt_many_below(&r, many + 8, 4, 999);
	for (int i = 0; i < 12; i++)
		expect("many", i, many[i], i < 8 ? of_hundred[i] : of_thousand[i - 8]);

	/* Matsumoto's mt19937ar: the 10,000th output of seed 5489 (also C++11, 26.5.5) */
	mt_seed(&r, 5489);
	for (int i = 1; i < 10000; i++)
		mt_next(&r);
	expect("mt19937", 10000, mt_next(&r), 4123659995u);
	mt_seed(&r, 5489);
	expect("all 32 bits", 0, mt_below(&r, UINT32_MAX), 3499211612u);
	return wrong != 0;
}
