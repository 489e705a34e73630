#include "filters/train-checkpoints/lanes.h"

const struct lanes *const *lanes_all(void)
{
	static const struct lanes *const all[] = {
#ifdef __x86_64__
		&lanes_v4, &lanes_v3,
#endif
		&lanes_base, NULL
	};
	const struct lanes *const *best = all;

#ifdef __x86_64__
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("x86-64-v4"))
		best++;
	if (!__builtin_cpu_supports("x86-64-v3"))
		best = all + 2;
#endif
	return best;
}

const struct lanes *lanes_best(void) { return *lanes_all(); }
