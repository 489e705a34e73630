#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/checkpoint-out.h"
#include "common/checkpoint-store.h"
#include "common/die.h"
#include "common/parameters.h"
#include "common/state-dict.h"
#include "common/training-state.h"

/* ---- what was measured ---- */

struct training_epoch *training_log_add(struct training_log *log)
{
	struct training_epoch *e;

	log->epoch = xrealloc(log->epoch, (size_t)log->n + 1, sizeof *log->epoch);
	e = &log->epoch[log->n++];
	*e = (struct training_epoch){ NAN, NAN, NAN, NAN, NAN, NAN, NAN, xcalloc((size_t)log->n_structures + 1, sizeof *e->dice) };
	for (int i = 0; i < log->n_structures; i++)
		e->dice[i] = NAN;
	return e;
}

void training_log_free(struct training_log *log)
{
	for (int i = 0; i < log->n; i++)
		free(log->epoch[i].dice);
	free(log->epoch);
	*log = (struct training_log){0};
}

/* nnU-Net's lists, and where each number stands. */
static const struct { const char *key; size_t at; } lists[] = {
	{ "mean_fg_dice", offsetof(struct training_epoch, mean_dice) },
	{ "ema_fg_dice", offsetof(struct training_epoch, ema_dice) },
	{ "train_losses", offsetof(struct training_epoch, train_loss) },
	{ "val_losses", offsetof(struct training_epoch, val_loss) },
	{ "lrs", offsetof(struct training_epoch, rate) },
	{ "epoch_start_timestamps", offsetof(struct training_epoch, begin_s) },
	{ "epoch_end_timestamps", offsetof(struct training_epoch, end_s) },
};
enum { N_LISTS = sizeof lists / sizeof *lists };

static double *number(struct training_epoch *e, int list) { return (double *)(void *)((char *)e + lists[list].at); }

static void put_log(struct pickle_out *p, const struct training_log *log)
{
	pickle_open_dict(p);
	for (int k = 0; k < N_LISTS; k++) {
		pickle_put_text(p, lists[k].key);
		pickle_open_list(p);
		for (int i = 0; i < log->n; i++)
			pickle_put_real(p, *number(&log->epoch[i], k));
		pickle_close_list(p);
	}
	pickle_put_text(p, "dice_per_class_or_region");
	pickle_open_list(p);
	for (int i = 0; i < log->n; i++) {
		pickle_open_list(p);
		for (int k = 0; k < log->n_structures; k++)
			pickle_put_real(p, log->epoch[i].dice[k]);
		pickle_close_list(p);
	}
	pickle_close_list(p);
	pickle_close_dict(p);
}

/* ---- writing ---- */

static void put_weights(struct checkpoint_out *o, const struct training_state *s, const struct state_dict *d)
{
	pickle_open_ordered_dict(&o->pickle);
	for (int i = 0; i < d->n; i++) {
		const struct parameter *p = &s->network->parameter[d->entry[i].parameter];
		pickle_put_text(&o->pickle, d->entry[i].key);
		checkpoint_put_tensor(o, p->n_dims, p->dim, s->weights + p->offset);
	}
	pickle_close_dict(&o->pickle);
}

/* torch.optim.SGD's state_dict(): a buffer for each parameter that has been stepped, and one group of all of them. */
static void put_optimizer(struct checkpoint_out *o, const struct training_state *s, const struct state_dict *d)
{
	struct pickle_out *p = &o->pickle;
	const struct { const char *key; double v; } reals[] = {
		{ "lr", s->rate }, { "momentum", s->momentum_factor }, { "dampening", 0 }, { "weight_decay", s->weight_decay },
		{ "initial_lr", s->initial_rate } };
	const struct { const char *key; int v; } flags[] = {
		{ "nesterov", 1 }, { "maximize", 0 }, { "foreach", -1 }, { "differentiable", 0 }, { "fused", -1 } };

	pickle_open_dict(p);
	pickle_put_text(p, "state");
	pickle_open_dict(p);
	for (int i = 0; i < s->network->n_parameters; i++) {
		const struct parameter *q = &s->network->parameter[d->order[i]];
		if (!s->trained[d->order[i]])
			continue;
		pickle_put_int(p, i);
		pickle_open_dict(p);
		pickle_put_text(p, "momentum_buffer");
		checkpoint_put_tensor(o, q->n_dims, q->dim, s->momentum + q->offset);
		pickle_close_dict(p);
	}
	pickle_close_dict(p);
	pickle_put_text(p, "param_groups");
	pickle_open_list(p);
	pickle_open_dict(p);
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		pickle_put_text(p, reals[i].key);
		pickle_put_real(p, reals[i].v);
	}
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		pickle_put_text(p, flags[i].key);
		if (flags[i].v < 0)
			pickle_put_none(p);
		else
			pickle_put_bool(p, flags[i].v);
	}
	pickle_put_text(p, "params");
	pickle_open_list(p);
	for (int i = 0; i < s->network->n_parameters; i++)
		pickle_put_int(p, i);
	pickle_close_list(p);
	pickle_close_dict(p);
	pickle_close_list(p);
	pickle_close_dict(p);
}

/* The trainer's arguments.  The device is the one on which nnU-Net can always load the file. */
static void put_arguments(struct pickle_out *p, const struct training_state *s)
{
	pickle_open_dict(p);
	pickle_put_text(p, "plans");
	pickle_put_json(p, s->plans);
	pickle_put_text(p, "configuration");
	pickle_put_text(p, s->configuration);
	pickle_put_text(p, "fold");
	if (s->fold[strspn(s->fold, "0123456789")])
		pickle_put_text(p, s->fold);
	else
		pickle_put_int(p, atoi(s->fold));
	pickle_put_text(p, "dataset_json");
	pickle_put_json(p, s->dataset);
	pickle_put_text(p, "device");
	pickle_put_global(p, "torch", "device");
	pickle_open_tuple(p);
	pickle_put_text(p, "cpu");
	pickle_close_tuple(p);
	pickle_call(p);
	pickle_close_dict(p);
}

bool training_state_write(const char *path, const struct training_state *s)
{
	struct checkpoint_out o;
	struct pickle_out *p = &o.pickle;
	struct state_dict d;

	state_dict_make(&d, s->network);
	checkpoint_begin(&o);
	pickle_put_text(p, "network_weights");
	put_weights(&o, s, &d);
	pickle_put_text(p, "optimizer_state");
	put_optimizer(&o, s, &d);
	pickle_put_text(p, "grad_scaler_state");
	pickle_put_none(p);
	pickle_put_text(p, "logging");
	put_log(p, &s->log);
	pickle_put_text(p, "_best_ema");
	if (isnan(s->best_ema))
		pickle_put_none(p);
	else
		pickle_put_real(p, s->best_ema);
	pickle_put_text(p, "current_epoch");
	pickle_put_int(p, s->epoch);
	pickle_put_text(p, "init_args");
	put_arguments(p, s);
	pickle_put_text(p, "trainer_name");
	pickle_put_text(p, "nnUNetTrainer");
	pickle_put_text(p, "inference_allowed_mirroring_axes");
	pickle_open_tuple(p);
	for (int i = 0; i < s->n_mirror; i++)
		pickle_put_int(p, s->mirror_axis[i]);
	pickle_close_tuple(p);
	state_dict_free(&d);
	return checkpoint_commit(&o, path);
}

/* ---- reading ---- */

static bool read_log(struct training_log *log, const struct pickle_value *v, const char *path)
{
	const struct pickle_value *first = pickle_get(v, lists[0].key), *dice = pickle_get(v, "dice_per_class_or_region");
	size_t n = first && first->kind == PICKLE_LIST ? first->n : 0;

	for (int k = 0; k < N_LISTS; k++) {
		const struct pickle_value *list = pickle_get(v, lists[k].key);
		if (!list || list->kind != PICKLE_LIST || list->n != n)
			return fail(XDATA, "%s: logging has no list %s of as many epochs as the others", path, lists[k].key);
	}
	if (!dice || dice->kind != PICKLE_LIST || dice->n != n)
		return fail(XDATA, "%s: logging has no list dice_per_class_or_region of as many epochs as the others", path);
	for (size_t i = 0; i < n; i++) {
		struct training_epoch *e = training_log_add(log);
		for (int k = 0; k < N_LISTS; k++)
			if (!pickle_real(number(e, k), pickle_get(v, lists[k].key)->item[i]))
				return fail(XDATA, "%s: what logging has in %s for epoch %zu is no number", path, lists[k].key, i);
		if (!pickle_reals(e->dice, log->n_structures, dice->item[i]))
			return fail(XDATA, "%s: logging has not the Dice of %d classes or regions for epoch %zu", path, log->n_structures, i);
	}
	return true;
}

/* optimizer_state.state: {i: {"momentum_buffer": tensor}}. */
static bool read_momentum(struct training_state *s, const struct checkpoint *c, const struct pickle_value *state,
                          const struct state_dict *d)
{
	const char *path = c->store->path;
	int64_t i;

	if (!state || state->kind != PICKLE_DICT)
		return fail(XDATA, "%s: has no optimizer_state; a training cannot go on from it (--pretrained can begin with it)", path);
	memset(s->momentum, 0, s->network->n_weights * sizeof *s->momentum);
	for (size_t k = 0; k < state->n; k += 2) {
		const struct pickle_value *buffer = pickle_get(state->item[k + 1], "momentum_buffer");
		const struct parameter *p;
		struct checkpoint_tensor t = {0};
		bool same;

		if (buffer && buffer->kind == PICKLE_NONE)
			continue;
		if (!pickle_int(&i, state->item[k]) || i < 0 || i >= s->network->n_parameters || !buffer)
			return fail(XDATA, "%s: optimizer_state is not that of SGD with momentum on this network", path);
		p = &s->network->parameter[d->order[i]];
		t.name = p->name;
		if (!checkpoint_tensor_read(&t, c->store, buffer))
			return false;
		same = t.n_dims == p->n_dims;
		for (int a = 0; same && a < t.n_dims; a++)
			same = t.dim[a] == p->dim[a];
		if (!same)
			return fail(XDATA, "%s: the momentum of parameter %lld has not the shape of %s", path, (long long)i, p->name);
		checkpoint_load(s->momentum + p->offset, c, &t);
	}
	return true;
}

static bool read_all(struct training_state *s, const struct checkpoint *c)
{
	const struct pickle_value *root = c->store->tree.root, *best = pickle_get(root, "_best_ema");
	const char *path = c->store->path;
	struct state_dict d;
	int64_t epoch;
	bool ok;

	if (!pickle_int(&epoch, pickle_get(root, "current_epoch")) || epoch < 0 || epoch > INT32_MAX)
		return fail(XDATA, "%s: has no current_epoch", path);
	s->epoch = (int)epoch;
	if (!best || !pickle_real(&s->best_ema, best))
		s->best_ema = NAN;
	state_dict_make(&d, s->network);
	ok = read_momentum(s, c, pickle_get(pickle_get(root, "optimizer_state"), "state"), &d);
	state_dict_free(&d);
	return ok && read_log(&s->log, pickle_get(root, "logging"), path) && parameters_copy(s->weights, s->network, c);
}

bool training_state_read(struct training_state *s, const char *path)
{
	struct checkpoint c;
	bool ok;

	if (!checkpoint_open(&c, path))
		return false;
	ok = read_all(s, &c);
	checkpoint_close(&c);
	if (ok && s->epoch != s->log.n && s->epoch != s->log.n + 1)     /* older versions count one too many at the end */
		ok = fail(XDATA, "%s: %d epochs are finished, but logging has %d", path, s->epoch, s->log.n);
	s->epoch = s->log.n;
	return ok;
}
