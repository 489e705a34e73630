#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/library.h"

struct library dnn;

static void *open_first(const char *pattern)
{
	void *library = NULL;
	glob_t g;

	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc && !library; i++)
			library = dlopen(g.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
	globfree(&g);
	return library;
}

static void *open_environment(const char *variable)
{
	const char *root = getenv(variable);
	char *pattern = root && *root ? xasprintf("%s/lib/python3*/site-packages/nvidia/cudnn/lib/libcudnn.so.9", root) : NULL;
	void *library = pattern ? open_first(pattern) : NULL;

	free(pattern);
	return library;
}

/* The parts that it loads later lie beside it. */
bool library_open(void)
{
	static bool opened;
	void *l;
	char *why;

	if (opened)
		return true;
	l = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
	why = l ? NULL : xstrdup(dlerror());
	if (!l)
		l = open_first("/usr/local/cuda/lib64/libcudnn.so.9");
	if (!l)
		l = open_environment("VIRTUAL_ENV");
	if (!l)
		l = open_environment("CONDA_PREFIX");
	if (!l)
		l = open_first("/usr/local/lib/python3*/*-packages/nvidia/cudnn/lib/libcudnn.so.9");
	if (!l)
		fail(XDEVICE, "cuDNN 9 is not found; LD_LIBRARY_PATH can name the folder of libcudnn.so.9 (%s)", why);
	free(why);
	if (!l)
		return false;
#define F(name) if (!(*(void **)&dnn.name = dlsym(l, #name))) return fail(XDEVICE, "cuDNN has no function " #name);
	CUDNN_FUNCTIONS(F)
#undef F
	opened = true;
	return true;
}
