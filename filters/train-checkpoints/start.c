#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "filters/train-checkpoints/init.h"
#include "filters/train-checkpoints/sgd.h"
#include "filters/train-checkpoints/train.h"

static bool read_json(json_object **o, const char *path)
{
	*o = json_object_from_file(path);
	return *o || fail(XDATA, "%s is no JSON file", path);
}

static bool read_files(struct training *t)
{
	char *plans = xasprintf("%s/%s.json", t->preprocessed, t->plans), *dataset = xasprintf("%s/dataset.json", t->preprocessed);
	bool ok = dataset_read(&t->dataset, dataset) && plan_read(&t->plan, plans, t->configuration) &&
	          read_json(&t->state.plans, plans) && read_json(&t->state.dataset, dataset);

	free(plans);
	free(dataset);
	return ok;
}

bool training_open(struct training *t)
{
	struct training_state *s = &t->state;
	bool *trained;

	if (!read_files(t) ||
	    !network_build_training(&t->network, &t->plan.arch, plan_input_channels(&t->plan, &t->dataset.labels),
	                            t->dataset.labels.n_outputs, t->plan.patch_size))
		return false;
	t->folder = xasprintf("%s/fold_%s", t->model, t->fold);
	s->trained = trained = xcalloc((size_t)t->network.n_parameters, sizeof *trained);
	for (int i = 0; i < t->network.n_parameters; i++)
		trained[i] = sgd_trains(&t->network, i);
	s->network = &t->network;
	s->configuration = t->configuration;
	s->fold = t->fold;
	s->best_ema = NAN;
	s->initial_rate = t->schedule.rate;
	s->momentum_factor = sgd_nnunet.momentum;
	s->weight_decay = sgd_nnunet.weight_decay;
	s->log.n_structures = labels_n_structures(&t->dataset.labels);
	s->n_mirror = t->plan.is_2d ? 2 : 3;            /* all axes are mirrored in training, and may be at inference */
	for (int i = 0; i < s->n_mirror; i++)
		s->mirror_axis[i] = i;
	s->weights = xaligned(t->network.n_weights, sizeof *s->weights);
	s->momentum = xaligned(t->network.n_weights, sizeof *s->momentum);
	memset(s->momentum, 0, t->network.n_weights * sizeof *s->momentum);
	return true;
}

/* nnU-Net's load_pretrained_weights: every weight but those of the heads, which must be there and have its shape. */
static bool load_pretrained(struct training *t, const char *path)
{
	struct checkpoint c;
	bool ok;

	if (!checkpoint_open(&c, path))
		return false;
	ok = true;
	for (int i = 0; i < t->network.n_parameters && ok; i++) {
		const struct parameter *p = &t->network.parameter[i];
		const struct checkpoint_tensor *w = checkpoint_find(&c, p->name);
		if (!strncmp(p->name, "decoder.seg_layers.", 19))
			continue;
		if (!w)
			ok = fail(XDATA, "%s: has no weight %s; it is of another network", path, p->name);
		else if (w->n_dims != p->n_dims || memcmp(w->dim, p->dim, (size_t)p->n_dims * sizeof *p->dim))
			ok = fail(XDATA, "%s: weight %s has another shape than in this network", path, p->name);
		else
			ok = checkpoint_load(t->state.weights + p->offset, &c, w);
	}
	checkpoint_close(&c);
	return ok;
}

bool training_begin(struct training *t, uint64_t seed, const char *pretrained)
{
	init_weights(t->state.weights, &t->network, seed);
	return !pretrained || load_pretrained(t, pretrained);
}

/* A rate of the log that the schedule does not give is one of other options. */
static void compare_rates(const struct training *t, const char *path)
{
	for (int i = 0; i < t->state.log.n; i++) {
		double was = t->state.log.epoch[i].rate, is = schedule_rate(&t->schedule, i);
		if (!(fabs(was - is) <= 1e-9 * is)) {
			warn("%s: epoch %d had learning rate %g; with the options now given it is %g", path, i, was, is);
			return;
		}
	}
}

bool training_continue(struct training *t, bool *found)
{
	static const char *const names[] = { "final", "latest", "best" };
	bool ok = true;

	*found = false;
	for (size_t i = 0; i < sizeof names / sizeof *names && !*found; i++) {
		char *path = xasprintf("%s/checkpoint_%s.pth", t->folder, names[i]);
		if (!access(path, F_OK)) {
			*found = true;
			ok = training_state_read(&t->state, path);
			if (ok) {
				say("goes on from %s, %d epochs are done", path, t->state.epoch);
				compare_rates(t, path);
			}
		}
		free(path);
	}
	return ok;
}

void training_free(struct training *t)
{
	free((bool *)t->state.trained);
	free(t->state.weights);
	free(t->state.momentum);
	training_log_free(&t->state.log);
	json_object_put(t->state.plans);
	json_object_put(t->state.dataset);
	free(t->folder);
	network_free(&t->network);
	plan_free(&t->plan);
	dataset_free(&t->dataset);
}
