#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parameters.h"
#include "common/resample.h"
#include "filters/infer-checkpoint/ensemble.h"

static bool read_plan(struct plan *p, const char *model, const struct checkpoint *c, const char *path)
{
	char *plans = xasprintf("%s/plans.json", model);
	bool ok = c->configuration ? plan_read(p, plans, c->configuration)
	                           : fail(XDATA, "%s does not say which configuration it was trained for (init_args)", path);

	free(plans);
	return ok;
}

/* Axes of the network's grid; those of a 2d configuration count from the second (contract 5.5). */
static bool mirror_axes(int axis[3], int *n, const struct checkpoint *c, const struct plan *p, const char *path)
{
	*n = c->has_mirroring ? c->n_mirror : 0;
	for (int i = 0; i < *n; i++) {
		axis[i] = c->mirror_axis[i] + (p->is_2d ? 1 : 0);
		if (axis[i] < 0 || axis[i] > 2)
			return fail(XDATA, "%s is mirrored along axis %d, which its network does not have", path, c->mirror_axis[i]);
	}
	return true;
}

/* Whether sums of what the head reads are smaller than sums of logits, and resampling commutes with the head. */
static bool head_comes_last(const struct ensemble *e, const struct ensemble_options *o)
{
	const struct resampler *r = &e->plan.probabilities;
	int features = e->body.n_outputs * (o->average ? e->n_checkpoints : 1);

	return !o->parity && resample_linear(r) && features < e->network.n_outputs;
}

static bool set_up(struct ensemble *e, const char *model, const struct checkpoint *c, const char *path, struct backend_options *o,
                   const struct ensemble_options *eo)
{
	char *dataset = xasprintf("%s/dataset.json", model);
	bool ok = read_plan(&e->plan, model, c, path) && dataset_read(&e->dataset, dataset);

	free(dataset);
	if (!ok || !mirror_axes(o->mirror_axis, &o->n_mirror, c, &e->plan, path))
		return false;
	if (!eo->mirror)
		o->n_mirror = 0;
	if (!network_build(&e->network, &e->plan.arch, plan_input_channels(&e->plan, &e->dataset.labels), e->dataset.labels.n_outputs,
	                   e->plan.patch_size)) {
		fail_prefix("%s/plans.json: configuration %s", model, e->plan.configuration);
		return false;
	}
	network_body(&e->body, &e->network);
	if (head_comes_last(e, eo))
		e->head = xcalloc((size_t)e->n_checkpoints, sizeof *e->head);
	e->n_mirrors = 1 << o->n_mirror;
	e->per_checkpoint = eo->mirrors_apart ? e->n_mirrors : 1;
	e->n = e->n_checkpoints * e->per_checkpoint;
	e->member = xcalloc((size_t)e->n, sizeof *e->member);
	e->b = backend_open(&e->backend, eo->device, e->head ? &e->body : &e->network, o);
	if (e->b)
		say("backend %s, %d threads, %.3g GFLOP a window, %d mirrorings", e->backend->name, o->threads, e->network.flops * 1e-9,
		    e->n_mirrors);
	return e->b != NULL;
}

/* What members of one run have to share with the first one. */
static bool same_kind(const struct ensemble *e, const char *model, const char *first_model, const struct checkpoint *c, int i,
                      const struct backend_options *o, const struct ensemble_options *eo)
{
	struct plan other = {0};
	int axis[3], n;
	bool ok;

	if (!c->configuration || strcmp(c->configuration, e->plan.configuration))
		return fail(XDATA, "%s was trained for configuration %s, %s for %s; run them one by one", e->path[0], e->plan.configuration,
		            e->path[i], c->configuration ? c->configuration : "(unknown)");
	if (strcmp(model, first_model)) {
		if (!read_plan(&other, model, c, e->path[i]))
			return false;
		ok = !strcmp(other.hash, e->plan.hash) ||
		     fail(XDATA, "%s belongs to plan %s, %s to plan %s; run them one by one", e->path[0], e->plan.hash, e->path[i], other.hash);
		plan_free(&other);
		if (!ok)
			return false;
	}
	if (!mirror_axes(axis, &n, c, &e->plan, e->path[i]))
		return false;
	if (eo->mirror && (n != o->n_mirror || memcmp(axis, o->mirror_axis, (size_t)n * sizeof *axis)))
		return fail(XDATA, "%s and %s are mirrored along different axes; run them one by one", e->path[0], e->path[i]);
	for (int k = 0; k < i && !eo->allow_equal; k++)
		if (!strncmp(e->member[k * e->per_checkpoint].weights, c->weights_hash, strlen(c->weights_hash)))
			return fail(XDATA, "%s and %s hold equal weights, which would count twice (--allow-equal permits it)", e->path[k], e->path[i]);
	return true;
}

/* Member i of all.  Its name is the file's without .pth, its fold the one that the folder names (fold_0: 0); mirrored
 * predictions that are members have their number, from 0, at the end of name and weights. */
static void describe(struct ensemble *e, int i, const struct checkpoint *c)
{
	const char *path = e->path[i / e->per_checkpoint];
	struct member *m = &e->member[i];
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *folder = path;
	size_t n = strlen(base), length = 0;
	char *name = xstrdup(base);

	if (n > 4 && !strcmp(name + n - 4, ".pth"))
		name[n - 4] = 0;
	for (const char *p = path; slash && p < slash; p++)
		if (*p == '/')
			folder = p + 1;
	if (slash)
		length = (size_t)(slash - folder);
	*m = (struct member){ .name = name, .weights = xstrdup(c->weights_hash), .index = i + 1, .of = e->n };
	if (e->per_checkpoint > 1) {
		m->name = xasprintf("%s.mirror_%d", name, i % e->per_checkpoint);
		free((char *)m->weights);
		m->weights = xasprintf("%s/%d", c->weights_hash, i % e->per_checkpoint);
		free(name);
	}
	if (length > 5 && !strncmp(folder, "fold_", 5))
		m->fold = xasprintf("%.*s", (int)length - 5, folder + 5);
	else if (c->fold)
		m->fold = xstrdup(c->fold);
}

static bool load(struct ensemble *e, int i, const struct checkpoint *c)
{
	struct parameters p;
	bool ok;

	if (!parameters_find(&p, &e->network, c)) {
		fail_prefix("%s", e->path[i]);
		return false;
	}
	if (e->head)
		head_make(&e->head[i], &e->network, p.of);
	if (c->trainer_name && strncmp(c->trainer_name, "nnUNetTrainer", 13))
		warn("%s: trainer %s is unknown; its weights fit the plan's network, so it runs", e->path[i], c->trainer_name);
	ok = e->backend->load(e->b, i, p.of);
	parameters_free(&p);
	return ok;
}

bool ensemble_open(struct ensemble *e, char **paths, int n, const struct ensemble_options *o)
{
	struct backend_options bo = { .threads = o->threads, .gaussian = true, .parity = o->parity, .n_members = n,
	                              .precision = o->precision, .deterministic = o->deterministic };
	char *first_model = NULL;
	bool ok = true;

	*e = (struct ensemble){ .n_checkpoints = n, .path = paths };
	for (int i = 0; i < n && ok; i++) {
		struct checkpoint c = {0};
		char *model = o->model ? xstrdup(o->model) : model_of_checkpoint(paths[i]);
		ok = model && checkpoint_open(&c, paths[i]);
		if (ok && i == 0) {
			first_model = xstrdup(model);
			ok = set_up(e, model, &c, paths[i], &bo, o);
		} else if (ok) {
			ok = same_kind(e, model, first_model, &c, i, &bo, o);
		}
		if (ok) {
			for (int k = 0; k < e->per_checkpoint; k++)
				describe(e, i * e->per_checkpoint + k, &c);
			ok = load(e, i, &c);
		}
		checkpoint_close(&c);
		free(model);
	}
	if (ok && e->head && o->average)
		head_join(e->head, n);
	free(first_model);
	return ok;
}

void ensemble_close(struct ensemble *e)
{
	e->backend->close(e->b);
	for (int i = 0; i < e->n; i++) {
		free((char *)e->member[i].name);
		free((char *)e->member[i].fold);
		free((char *)e->member[i].weights);
	}
	free(e->member);
	for (int i = 0; e->head && i < e->n_checkpoints; i++)
		head_free(&e->head[i]);
	free(e->head);
	free(e->body.value);
	network_free(&e->network);
	dataset_free(&e->dataset);
	plan_free(&e->plan);
}
