/* pickle-allow: what a pickle may name; private to pickle. */
#ifndef COMMON_PICKLE_ALLOW_H
#define COMMON_PICKLE_ALLOW_H
#include "common/pickle.h"

struct pickle_allowed { const char *module, *name; enum pickle_global global; enum dtype storage; };

/* The entry of the allow-list, or NULL. */
const struct pickle_allowed *pickle_allowed(const char *module, size_t module_length, const char *name, size_t name_length);
/* Whether an entry has these names. */
bool pickle_named(const struct pickle_allowed *a, const char *module, size_t module_length, const char *name, size_t name_length);
/* Name of an opcode that exists but is refused, or NULL. */
const char *pickle_opcode(unsigned char code);
#endif
