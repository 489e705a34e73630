/* isa: which of the instruction sets that X.isa.c files are compiled for (Makefile) this processor has. */
#ifndef COMMON_ISA_H
#define COMMON_ISA_H

/* Of a list of sets, best first (v4, v3, base on x86-64; base alone elsewhere), how many it lacks. */
static inline int isa_missing(void)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	return __builtin_cpu_supports("x86-64-v4") ? 0 : __builtin_cpu_supports("x86-64-v3") ? 1 : 2;
#else
	return 0;
#endif
}
#endif
