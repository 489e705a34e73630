#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parameters.h"

static const struct parameter *find_parameter(const struct network *n, const char *name)
{
	for (int i = 0; i < n->n_parameters; i++)
		if (!strcmp(n->parameter[i].name, name))
			return &n->parameter[i];
	return NULL;
}

static void replace(char *s, const char *from, const char *to)   /* to is not longer than from */
{
	char *p = strstr(s, from);

	if (!p)
		return;
	memcpy(p, to, strlen(to));
	memmove(p + strlen(to), p + strlen(from), strlen(p + strlen(from)) + 1);
}

/* Whether a key belongs to the network: a parameter under its own name or one of its other names (contract 3.3), a batch
 * norm's counter, or a head of deep supervision. */
static bool belongs(const struct network *n, const char *name)
{
	char *s = xstrdup(name), end;
	int head, heads = 0;
	bool ok;

	replace(s, "decoder.encoder.", "encoder.");
	replace(s, ".all_modules.0.", ".conv.");
	replace(s, ".all_modules.1.", ".norm.");        /* conv, norm; conv, dropout or nonlinearity, norm; all three */
	replace(s, ".all_modules.2.", ".norm.");
	replace(s, ".all_modules.3.", ".norm.");
	replace(s, ".norm.num_batches_tracked", ".norm.running_mean");
	ok = find_parameter(n, s) != NULL;
	sscanf(n->parameter[n->n_parameters - 1].name, "decoder.seg_layers.%d", &heads);
	if (!ok && (sscanf(s, "decoder.seg_layers.%d.weigh%c", &head, &end) == 2 ||
	            sscanf(s, "decoder.seg_layers.%d.bia%c", &head, &end) == 2))
		ok = head >= 0 && head < heads;
	free(s);
	return ok;
}

static void shape_text(char *to, size_t room, const int64_t *dim, int n)
{
	size_t at = 0;

	to[0] = 0;
	for (int i = 0; i < n && at < room; i++)
		at += (size_t)snprintf(to + at, room - at, "%s%lld", i ? "x" : "", (long long)dim[i]);
}

/* Every parameter has its tensor, and every tensor its place. */
static bool check(const struct network *n, const struct checkpoint *c)
{
	for (int i = 0; i < n->n_parameters; i++) {
		const struct parameter *p = &n->parameter[i];
		const struct checkpoint_tensor *t = checkpoint_find(c, p->name);
		char have[128], need[128];
		if (!t)
			return fail(XDATA, "weight %s is missing", p->name);
		if (t->n_dims != p->n_dims || memcmp(t->dim, p->dim, (size_t)p->n_dims * sizeof *p->dim)) {
			shape_text(have, sizeof have, t->dim, t->n_dims);
			shape_text(need, sizeof need, p->dim, p->n_dims);
			return fail(XDATA, "weight %s has shape %s, the plan's network needs %s", p->name, have, need);
		}
	}
	for (int i = 0; i < c->n_tensors; i++)
		if (!belongs(n, c->tensor[i].name))
			return fail(XDATA, "weight %s does not belong to the plan's network", c->tensor[i].name);
	return true;
}

bool parameters_copy(float *block, const struct network *n, const struct checkpoint *c)
{
	if (!check(n, c))
		return false;
	for (int i = 0; i < n->n_parameters; i++)
		checkpoint_load(block + n->parameter[i].offset, c, checkpoint_find(c, n->parameter[i].name));
	return true;
}

bool parameters_find(struct parameters *p, const struct network *n, const struct checkpoint *c)
{
	*p = (struct parameters){0};
	if (!check(n, c))
		return false;
	p->of = xcalloc((size_t)n->n_parameters, sizeof *p->of);
	p->made = xcalloc((size_t)n->n_parameters, sizeof *p->made);
	p->n = n->n_parameters;
	for (int i = 0; i < p->n; i++) {
		const struct checkpoint_tensor *t = checkpoint_find(c, n->parameter[i].name);
		p->of[i] = checkpoint_values(c, t);
		if (p->of[i])
			continue;
		p->made[i] = xmalloc(n->parameter[i].count, sizeof **p->made);
		checkpoint_load(p->made[i], c, t);
		p->of[i] = p->made[i];
	}
	return true;
}

void parameters_free(struct parameters *p)
{
	for (int i = 0; i < p->n; i++)
		free(p->made[i]);
	free(p->made);
	free(p->of);
	*p = (struct parameters){0};
}
