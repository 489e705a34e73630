#include "common/isa.h"
#include "filters/train-checkpoints/lanes.h"

const struct lanes *const *lanes_all(void)
{
	static const struct lanes *const all[] = {
#ifdef __x86_64__
		&lanes_v4, &lanes_v3,
#endif
		&lanes_base, NULL
	};

	return all + isa_missing();
}

const struct lanes *lanes_best(void) { return *lanes_all(); }
