#include "common/isa.h"
#include "common/loops.h"

const struct loops *const *loops_all(void)
{
	static const struct loops *const all[] = {
#ifdef __x86_64__
		&loops_v4, &loops_v3,
#endif
		&loops_base, NULL
	};

	return all + isa_missing();
}
