/* The backends that this program was built with, and the one that it finds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_kernels.h"
#include "filters/infer-checkpoint/host.h"
#include "filters/infer-checkpoint/plugin.h"

static const char *probe_ref(const struct backend_options *o)
{
	return o->precision == PRECISION_AUTO || o->precision == PRECISION_FP32 ? NULL : "it computes in fp32 alone";
}

static const char *probe_cpu(const struct backend_options *o)
{
	if (o->precision == PRECISION_BF16)
		return cpu_bf16() ? NULL : "this processor has no instructions for bf16 (AVX512_BF16)";
	return probe_ref(o) ? "it computes in fp32 and bf16" : NULL;
}

static void *open_ref(const struct network *n, const struct backend_options *o) { return host_open(&engine_ref, n, o); }

static void *open_cpu(const struct network *n, const struct backend_options *o)
{
	return host_open(o->precision == PRECISION_BF16 ? &engine_cpu_bf16 : &engine_cpu, n, o);
}

#define HOST_BACKEND(NAME, PROBE, OPEN) { .name = NAME, .probe = PROBE, .open = OPEN, .load = host_load, .begin = host_begin, \
	.batch = host_batch, .cost = host_cost, .windows = host_windows, .take = host_take, .end = host_end, .close = host_close, \
	.forward = host_forward }

static const struct backend backend_ref = HOST_BACKEND("ref", probe_ref, open_ref);
static const struct backend backend_cpu = HOST_BACKEND("cpu", probe_cpu, open_cpu);

const struct backend *const backends[] = { &backend_cpu, &backend_ref, NULL };        /* best first */

/* cuda or cuda:N. */
static bool parse_cuda(int *device, const char *name)
{
	char *end;
	long n;

	if (!strcmp(name, "cuda")) {
		*device = 0;
		return true;
	}
	if (strncmp(name, "cuda:", 5) || name[5] < '0' || name[5] > '9')
		return false;
	n = strtol(name + 5, &end, 10);
	*device = (int)n;
	return !*end && n < 1024;
}

bool backend_known(const char *name)
{
	int device;

	for (int i = 0; backends[i]; i++)
		if (!strcmp(name, backends[i]->name))
			return true;
	return !strcmp(name, "auto") || parse_cuda(&device, name);
}

static void *try_open(const struct backend *b, const struct network *n, const struct backend_options *o)
{
	const char *why = b->probe(o);

	if (!why)
		return b->open(n, o);
	fail(XDEVICE, "%s", why);
	return NULL;
}

/* Adds "name: why" to the reasons for which a backend is not used. */
static void add_reason(char *reasons, size_t room, const char *name)
{
	size_t at = strlen(reasons);

	snprintf(reasons + at, room - at, "%s%s: %s", at ? "; " : "", name, failed_text());
}

void *backend_open(const struct backend **b, const char *name, const struct network *n, const struct backend_options *options)
{
	struct backend_options o = *options;
	bool any = !strcmp(name, "auto"), cuda = any || parse_cuda(&o.device, name);
	char reasons[1024] = "";
	void *open = NULL;

	if (cuda) {
		*b = plugin_backend();
		open = *b ? try_open(*b, n, &o) : NULL;
		if (!open)
			add_reason(reasons, sizeof reasons, "cuda");
	}
	for (int i = 0; backends[i] && !open && (any || !cuda); i++) {
		if (!any && strcmp(name, backends[i]->name))
			continue;
		if (*reasons)
			say("%s", reasons);
		*b = backends[i];
		open = try_open(*b, n, &o);
		if (!open)
			add_reason(reasons, sizeof reasons, (*b)->name);
	}
	if (!open)
		fail(failed_code(), "no backend can run here: %s", reasons);
	return open;
}
