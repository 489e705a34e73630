#include "common/loops.h"

const struct loops *const *loops_all(void)
{
	static const struct loops *const all[] = {
#ifdef __x86_64__
		&loops_v4, &loops_v3,
#endif
		&loops_base, NULL
	};
	const struct loops *const *best = all;

#ifdef __x86_64__
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("x86-64-v4"))
		best++;
	if (!__builtin_cpu_supports("x86-64-v3"))
		best = all + 2;
#endif
	return best;
}
