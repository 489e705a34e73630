#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "filters/infer-checkpoint/plugin.h"

/* The file, malloc'ed. */
static char *plugin_path(void)
{
	const char *given = getenv("QUALM_CUDA_PLUGIN");
	char program[PATH_MAX] = "", *slash;
	ssize_t n;

	if (given)
		return xstrdup(given);
	n = readlink("/proc/self/exe", program, sizeof program - 1);
	slash = n > 0 ? strrchr(program, '/') : NULL;
	if (slash)
		*slash = 0;
	return xasprintf("%s/cuda.so", slash ? program : ".");
}

static const struct backend *open_plugin(const char *path)
{
	const struct plugin *p;
	void *h;

	if (access(path, R_OK)) {
		fail(XDEVICE, "there is no plugin for CUDA, %s; make builds it where CUDA's compiler and cuDNN are", path);
		return NULL;
	}
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		fail(XDEVICE, "cannot load the plugin for CUDA: %s", dlerror());
		return NULL;
	}
	p = dlsym(h, PLUGIN_SYMBOL);
	if (p && !strcmp(p->version, PLUGIN_VERSION))
		return p->backend;
	fail(XDEVICE, "%s belongs to another build of this program (%s, this is %s)", path, p ? p->version : "unknown", PLUGIN_VERSION);
	dlclose(h);
	return NULL;
}

const struct backend *plugin_backend(void)
{
	static const struct backend *b;
	char *path;

	if (!b) {
		path = plugin_path();
		b = open_plugin(path);
		free(path);
	}
	return b;
}
