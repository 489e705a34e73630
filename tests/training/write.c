/* What nnU-Net has written is written again as it was: keys in order, shared storages, weights, momentum, log, settings. */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/labels.h"
#include "common/training-state.h"

static void check(bool ok, const char *path, const char *what)
{
	if (!ok)
		die(XNO, "%s: %s", path, what);
}

static void ensure(bool ok)
{
	if (!ok)
		die_failed();
}

struct model { struct plan plan; struct dataset dataset; struct network network; bool *trained; json_object *plans, *json; };

static void read_model(struct model *m, const char *path)
{
	struct checkpoint c;
	char *folder = model_of_checkpoint(path), *plans = xasprintf("%s/plans.json", folder), *json = xasprintf("%s/dataset.json", folder);

	ensure(checkpoint_open(&c, path) && plan_read(&m->plan, plans, c.configuration) && dataset_read(&m->dataset, json) &&
	       network_build_training(&m->network, &m->plan.arch, plan_input_channels(&m->plan, &m->dataset.labels),
	                              m->dataset.labels.n_outputs, m->plan.patch_size));
	m->plans = json_object_from_file(plans);
	m->json = json_object_from_file(json);
	m->trained = xcalloc((size_t)m->network.n_parameters, sizeof *m->trained);
	for (int i = 0; i < m->network.n_parameters; i++)
		m->trained[i] = m->network.n_heads == 1 || strncmp(m->network.parameter[i].name, "decoder.seg_layers.0.", 21);
	checkpoint_close(&c);
	free(folder);
	free(plans);
	free(json);
}

static void read_state(struct training_state *s, const struct model *m, const char *path)
{
	*s = (struct training_state){ .network = &m->network, .trained = m->trained, .plans = m->plans, .dataset = m->json };
	s->weights = xcalloc(m->network.n_weights, sizeof *s->weights);
	s->momentum = xmalloc(m->network.n_weights, sizeof *s->momentum);
	s->log.n_structures = labels_n_structures(&m->dataset.labels);
	ensure(training_state_read(s, path));
}

static void free_state(struct training_state *s)
{
	free(s->weights);
	free(s->momentum);
	training_log_free(&s->log);
}

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void compare_logs(const struct training_log *a, const struct training_log *b, const char *path)
{
	check(a->n == b->n, path, "another number of epochs");
	for (int i = 0; i < a->n; i++) {
		const struct training_epoch *x = &a->epoch[i], *y = &b->epoch[i];
		bool ok = same(x->rate, y->rate) && same(x->train_loss, y->train_loss) && same(x->val_loss, y->val_loss) &&
		          same(x->mean_dice, y->mean_dice) && same(x->ema_dice, y->ema_dice) && same(x->begin_s, y->begin_s) &&
		          same(x->end_s, y->end_s);
		for (int k = 0; ok && k < a->n_structures; k++)
			ok = same(x->dice[k], y->dice[k]);
		check(ok, path, "the log differs");
	}
}

static void compare_tensors(const struct checkpoint *a, const struct checkpoint *b, const char *path)
{
	check(a->n_tensors == b->n_tensors, path, "another number of tensors");
	for (int i = 0; i < a->n_tensors; i++)
		check(!strcmp(a->tensor[i].name, b->tensor[i].name), path, a->tensor[i].name);
	for (int i = 0; i < a->n_tensors; i++)
		for (int k = 0; k < i; k++)
			check((a->tensor[i].storage == a->tensor[k].storage) == (b->tensor[i].storage == b->tensor[k].storage), path,
			      "other tensors share storages");
	check(!strcmp(a->weights_hash, b->weights_hash), path, "the weights differ");
}

static void compare_settings(const struct checkpoint *a, const struct checkpoint *b, const char *path)
{
	check(!strcmp(a->trainer_name, b->trainer_name) && !strcmp(a->configuration, b->configuration) && !strcmp(a->fold, b->fold) &&
	      a->n_mirror == b->n_mirror && !memcmp(a->mirror_axis, b->mirror_axis, sizeof a->mirror_axis), path, "settings differ");
}

static void try(const char *path)
{
	struct model m = {0};
	struct training_state s, t;
	struct checkpoint a, b;

	read_model(&m, path);
	read_state(&s, &m, path);
	ensure(checkpoint_open(&a, path));
	s.configuration = a.configuration;
	s.fold = a.fold;
	s.n_mirror = a.n_mirror;
	memcpy(s.mirror_axis, a.mirror_axis, sizeof s.mirror_axis);
	ensure(training_state_write("again.pth", &s));
	read_state(&t, &m, "again.pth");
	check(!memcmp(s.weights, t.weights, m.network.n_weights * sizeof *s.weights), path, "weights differ");
	check(!memcmp(s.momentum, t.momentum, m.network.n_weights * sizeof *s.momentum), path, "momentum differs");
	check(s.epoch == t.epoch && same(s.best_ema, t.best_ema), path, "epoch or best EMA differs");
	for (int i = 0; i < m.network.n_parameters; i++) {
		const struct parameter *p = &m.network.parameter[i];
		bool moves = false;
		for (size_t k = 0; k < p->count; k++)
			moves |= s.momentum[p->offset + k] != 0;
		check(moves == m.trained[i], path, p->name);            /* only what is trained has momentum */
	}
	compare_logs(&s.log, &t.log, path);
	ensure(checkpoint_open(&b, "again.pth"));
	compare_tensors(&a, &b, path);
	compare_settings(&a, &b, path);
	checkpoint_close(&a);
	checkpoint_close(&b);
	free_state(&s);
	free_state(&t);
	free(m.trained);
	json_object_put(m.plans);
	json_object_put(m.json);
	network_free(&m.network);
	plan_free(&m.plan);
	dataset_free(&m.dataset);
}

int main(int argc, char **argv)
{
	char *pattern = xasprintf("%s/golden/models/*/fold_*/checkpoint_final.pth", getenv("SHARED") ? getenv("SHARED") : "");
	glob_t g = {0};

	if (argc > 1) {
		try(argv[1]);
		return 0;
	}
	glob(pattern, 0, NULL, &g);
	if (g.gl_pathc == 0) {
		puts("no golden checkpoints (../shared is not there)");
		return 77;
	}
	for (size_t i = 0; i < g.gl_pathc; i++)
		try(g.gl_pathv[i]);
	printf("note: %zu checkpoints written again\n", g.gl_pathc);
	globfree(&g);
	free(pattern);
	return 0;
}
