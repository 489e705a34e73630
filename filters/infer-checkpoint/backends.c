/* The backends that this program was built with. */
#include <stdio.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_kernels.h"
#include "filters/infer-checkpoint/host.h"

static const char *always(void) { return NULL; }

static void *open_ref(const struct network *n, const struct backend_options *o)
{
	if (!o->bf16)
		return host_open(&engine_ref, n, o);
	fail(XDEVICE, "bf16: the backend ref computes in single precision alone");
	return NULL;
}

static void *open_cpu(const struct network *n, const struct backend_options *o)
{
	if (!o->bf16)
		return host_open(&engine_cpu, n, o);
	if (cpu_bf16())
		return host_open(&engine_cpu_bf16, n, o);
	fail(XDEVICE, "bf16: this processor has no instructions for it (AVX512_BF16)");
	return NULL;
}

#define HOST_BACKEND(NAME, PROBE, OPEN) { .name = NAME, .probe = PROBE, .open = OPEN, .load = host_load, .begin = host_begin, \
	.batch = host_batch, .windows = host_windows, .take = host_take, .end = host_end, .close = host_close, .forward = host_forward }

static const struct backend backend_ref = HOST_BACKEND("ref", always, open_ref);
static const struct backend backend_cpu = HOST_BACKEND("cpu", always, open_cpu);

const struct backend *const backends[] = { &backend_cpu, &backend_ref, NULL };        /* best first */

const struct backend *backend_pick(const char *name)
{
	bool any = !strcmp(name, "auto");
	char reasons[512] = "";
	size_t at = 0;

	for (int i = 0; backends[i]; i++) {
		const char *why;
		if (!any && strcmp(name, backends[i]->name))
			continue;
		why = backends[i]->probe();
		if (!why)
			return backends[i];
		at += (size_t)snprintf(reasons + at, sizeof reasons - at, "%s%s: %s", at ? "; " : "", backends[i]->name, why);
		if (at >= sizeof reasons)
			break;
	}
	if (!*reasons)
		fail(XDEVICE, "this program was built without the backend %s", name);
	else
		fail(XDEVICE, "no backend can run here: %s", reasons);
	return NULL;
}
