/* architecture: the network of a configuration, in today's spelling ("architecture" with arch_kwargs) or the flat keys
 * of older plans (contract 1.3, 3.1, 3.2). Classes are known by the last component of their Python path. */
#ifndef COMMON_ARCHITECTURE_H
#define COMMON_ARCHITECTURE_H
#include "common/jsonfile.h"
#include "common/plans.h"

/* j: the object {network_class_name, arch_kwargs}.  fail()s XDATA on whatever would be another network than
 * common/network.h can build: other classes, norms, activations, further arguments.
 * Dropout, the identity at inference, is read over. */
bool architecture_read(struct architecture *a, const struct json *j);
/* get: looks a key of the configuration up, inherited ones included; dims: 2 or 3. */
bool architecture_read_flat(struct architecture *a, int dims,
                            bool (*get)(struct json *v, const void *configuration, const char *key), const void *configuration);
#endif
