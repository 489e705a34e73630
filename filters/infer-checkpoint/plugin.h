/* plugin: the backend for CUDA, which is a file of its own, opened at run time, so that the program runs where CUDA is not. */
#ifndef PLUGIN_H
#define PLUGIN_H
#include "filters/infer-checkpoint/backend.h"

/* QUALM_SEAM is a sum of the headers that both sides were compiled with. */
#define PLUGIN_VERSION QUALM_VERSION "-" QUALM_SEAM
/* The one symbol that a plugin exports: a struct plugin. */
#define PLUGIN_SYMBOL "qualm_plugin"

struct plugin { const char *version; const struct backend *backend; };

/* Opens the file beside the program, or that of $QUALM_CUDA_PLUGIN; NULL after fail() XDEVICE.  The plugin finds what it needs of the
 * program in it, and stays open. */
const struct backend *plugin_backend(void);
#endif
