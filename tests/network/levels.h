/* levels: the instruction sets that tests of the CPU engine go through. */
#ifndef TESTS_LEVELS_H
#define TESTS_LEVELS_H
#include "filters/infer-checkpoint/cpu_kernels.h"

enum { LEVELS = ISA_BF16 + 1 };

static const char *const isa_name[LEVELS] = { "base", "v3", "v4", "bf16" };

/* Tests are linked with a set of bf16 that emulates the instruction with v4's. */
static inline int last_level(void) { return cpu_isa() == ISA_V4 ? ISA_BF16 : (int)cpu_isa(); }
#endif
