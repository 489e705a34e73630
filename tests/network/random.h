/* random: a sequence of numbers that is the same on every machine. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

static unsigned long long state;

static inline int pick(int n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (int)((state >> 33) % (unsigned)n);
}

static inline float uniform(void) { return (float)pick(1 << 20) / (1 << 19) - 1; }
#endif
