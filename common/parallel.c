#define _GNU_SOURCE             /* sched_getaffinity */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/die.h"
#include "common/parallel.h"

/* Loops often follow each other closely: whoever waits looks for so long before it sleeps, where processors are enough. */
enum { LOOKS = 1000 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t start, done;
	int threads;                    /* helpers running, without the caller */
	int helpers;                    /* of them, wanted in this round */
	atomic_int looks;               /* 0 where there are more threads than processors */
	atomic_int busy;
	atomic_uint round;
	int n;
	atomic_int next;
	void (*body)(void *arg, int i, int worker);
	void *arg;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .start = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };

int parallel_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static void drain(int worker)
{
	for (int i; (i = atomic_fetch_add(&pool.next, 1)) < pool.n;)
		pool.body(pool.arg, i, worker);
}

static void rest(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static void *helper(void *arg)
{
	int worker = (int)(ptrdiff_t)arg;
	unsigned seen = 0;

	for (;;) {
		for (int i = 0; i < atomic_load(&pool.looks) && atomic_load(&pool.round) == seen; i++)
			rest();
		pthread_mutex_lock(&pool.lock);
		while (pool.round == seen || worker > pool.helpers) {
			seen = pool.round;
			pthread_cond_wait(&pool.start, &pool.lock);
		}
		seen = pool.round;
		pthread_mutex_unlock(&pool.lock);
		drain(worker);
		if (atomic_fetch_sub(&pool.busy, 1) > 1)
			continue;
		pthread_mutex_lock(&pool.lock);
		pthread_cond_signal(&pool.done);
		pthread_mutex_unlock(&pool.lock);
	}
	return NULL;
}

void parallel_for(int threads, int n, void (*body)(void *arg, int i, int worker), void *arg)
{
	if (threads > n)
		threads = n;
	if (threads <= 1) {
		for (int i = 0; i < n; i++)
			body(arg, i, 0);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	while (pool.threads < threads - 1) {
		pthread_t t;
		int e = pthread_create(&t, NULL, helper, (void *)(ptrdiff_t)(pool.threads + 1));
		if (e)
			die(XIO, "cannot start a thread");
		pthread_detach(t);
		pool.threads++;
	}
	pool.body = body;
	pool.arg = arg;
	pool.n = n;
	atomic_store(&pool.next, 0);
	pool.helpers = threads - 1;
	pool.busy = threads - 1;
	pool.looks = threads > parallel_cpus() ? 0 : LOOKS;
	pool.round++;
	pthread_cond_broadcast(&pool.start);
	pthread_mutex_unlock(&pool.lock);
	drain(0);
	for (int i = 0; i < pool.looks && pool.busy; i++)
		rest();
	pthread_mutex_lock(&pool.lock);
	while (pool.busy)
		pthread_cond_wait(&pool.done, &pool.lock);
	pool.helpers = 0;
	pthread_mutex_unlock(&pool.lock);
}
