#include "common/augment-loops.h"
#include "common/isa.h"

const struct augment_loops *const *augment_loops_all(void)
{
	static const struct augment_loops *const all[] = {
#ifdef __x86_64__
		&augment_v4, &augment_v3,
#endif
		&augment_base, NULL
	};

	return all + isa_missing();
}
