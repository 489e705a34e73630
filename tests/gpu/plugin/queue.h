/* queue: the imitated device does nothing until it is waited for, and then only what that needs: whoever reads too early, or forgets
 * to wait before a buffer is used again, gets wrong numbers. */
#ifndef TESTS_QUEUE_H
#define TESTS_QUEUE_H
#include <stddef.h>

/* Gives the lane of a stream a call with a copy of args. */
void queue_call(void *stream, void (*run)(const void *args), const void *args, size_t bytes);
#endif
