#include "common/augment-loops.h"

const struct augment_loops *const *augment_loops_all(void)
{
	static const struct augment_loops *const all[] = {
#ifdef __x86_64__
		&augment_v4, &augment_v3,
#endif
		&augment_base, NULL
	};
	const struct augment_loops *const *best = all;

#ifdef __x86_64__
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("x86-64-v4"))
		best++;
	if (!__builtin_cpu_supports("x86-64-v3"))
		best = all + 2;
#endif
	return best;
}
