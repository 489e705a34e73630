/* host: a backend made of an engine that runs on this computer's processors.  It cuts windows out of the image, mirrors
 * them, lets the engine's workers run them, and sums the results in an order that does not depend on the workers. */
#ifndef HOST_H
#define HOST_H
#include "filters/infer-checkpoint/backend.h"
#include "filters/infer-checkpoint/engine.h"

/* The functions of struct backend; open has the engine as a further parameter. */
void *host_open(const struct engine *engine, const struct network *n, const struct backend_options *o);
bool host_load(void *b, int member, const float *const *parameter);
int host_batch(const void *b, int n_members, bool one_mirror);
bool host_cost(const void *b, const struct backend_case *c, size_t *host, size_t *device);
void *host_begin(void *b, const struct backend_case *c);
void host_windows(void *b, const struct backend_window *w, int n);
bool host_take(void *b, void *stay, float *out, const int64_t lo[3], const int64_t hi[3]);
void host_end(void *b, void *stay);
void host_close(void *b);
bool host_forward(void *b, int member, float *out, const float *in);
#endif
