/* parallel: a loop over threads.  Which thread runs an index never decides what it computes, so results do not depend
 * on the number of threads. */
#ifndef COMMON_PARALLEL_H
#define COMMON_PARALLEL_H

/* The processors this process may use. */
int parallel_cpus(void);
/* Calls body(arg, i, worker) for i in 0..n-1 from at most `threads` threads; worker is 0..threads-1, the caller is one of
 * them.  Threads are kept between calls.  Not to be nested, not to be called from two threads. */
void parallel_for(int threads, int n, void (*body)(void *arg, int i, int worker), void *arg);
#endif
