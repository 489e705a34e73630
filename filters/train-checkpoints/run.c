#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/progress.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/sgd.h"
#include "filters/train-checkpoints/train.h"

/* What is computed with while training runs: opened with the size of the first batch. */
struct work {
	struct training *t;
	int batch;
	void *engine;
	struct loss *loss;
	float **logits, **d_logits;      /* [n_heads]; NULL for a head without loss */
	float *gradients;
	double *tp, *fp, *fn;            /* [n_structures] of an epoch's validation */
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool open_work(struct work *w, int batch)
{
	const struct network *n = &w->t->network;
	size_t structures = (size_t)w->t->state.log.n_structures;

	w->batch = batch;
	w->logits = xcalloc((size_t)n->n_heads, sizeof *w->logits);
	w->d_logits = xcalloc((size_t)n->n_heads, sizeof *w->d_logits);
	w->gradients = xaligned(n->n_weights, sizeof *w->gradients);
	w->tp = xcalloc(structures, sizeof *w->tp);
	w->fp = xcalloc(structures, sizeof *w->fp);
	w->fn = xcalloc(structures, sizeof *w->fn);
	for (int i = 0; i < n->n_heads; i++) {
		const struct value *v = network_head_value(n, i);
		size_t bytes;
		if (loss_weight(n->n_heads, i) == 0)
			continue;
		if (!size_of_block(&bytes, DT_F4, (int64_t)batch * v->channels, v->size[0], v->size[1], v->size[2]) || bytes > memory_limit)
			return fail(XDATA, "the outputs of %d patches need more than %zu MiB (--memory raises it)", batch, memory_limit >> 20);
		w->logits[i] = xaligned(bytes, 1);
		w->d_logits[i] = xaligned(bytes, 1);
	}
	w->loss = loss_open(n, &w->t->dataset.labels, batch, w->t->plan.batch_dice, w->t->threads);
	w->engine = w->loss ? w->t->engine->open(n, batch, w->t->threads) : NULL;
	return w->engine != NULL;
}

static void close_work(struct work *w)
{
	for (int i = 0; w->logits && i < w->t->network.n_heads; i++) {
		free(w->logits[i]);
		free(w->d_logits[i]);
	}
	free(w->logits);
	free(w->d_logits);
	free(w->gradients);
	free(w->tp);
	free(w->fp);
	free(w->fn);
	if (w->loss)
		loss_close(w->loss);
	if (w->engine)
		w->t->engine->close(w->engine);
}

/* The loss of a batch, after forward. */
static bool value_of(double *value, struct work *w, const struct batches *b, bool derivative)
{
	if (!w->engine && !open_work(w, b->n))
		return false;
	if (b->n != w->batch)
		return fail(XDATA, "a batch of %d patches for validation, but %d for training", b->n, w->batch);
	if (!loss_targets(w->loss, b->label))
		return false;
	w->t->engine->forward(w->engine, w->t->state.weights, b->image, w->logits);
	*value = loss_value(w->loss, (const float *const *)w->logits, derivative ? w->d_logits : NULL);
	return isfinite(*value) ||
	       fail(XDATA, "epoch %d, iteration %d: the loss is %g; a lower --rate may help", b->epoch, b->iteration, *value);
}

static bool train_epoch(struct training_epoch *e, struct work *w, struct batches *b, int epoch)
{
	struct training *t = w->t;
	double sum = 0, value, norm;
	int n = 0;
	char text[128], dice[32] = "";

	if (epoch && !isnan(e[-1].mean_dice))
		snprintf(dice, sizeof dice, ", pseudo-Dice %.4f", e[-1].mean_dice);
	while (batches_next(b, epoch)) {
		if (!value_of(&value, w, b, true))
			return false;
		if (n == 0 && epoch == t->state.epoch && b->in)
			progress_expect(batches_expected(b));
		t->engine->backward(w->engine, w->d_logits, w->gradients);
		norm = sgd_step(&sgd_nnunet, &t->network, t->state.weights, t->state.momentum, w->gradients, e->rate, t->threads);
		if (!isfinite(norm))
			return fail(XDATA, "epoch %d, iteration %d: the gradient is not finite; a lower --rate may help", b->epoch, b->iteration);
		sum += value;
		n++;
		snprintf(text, sizeof text, "epoch %d of %d, rate %.5f, loss %.4f%s", epoch, t->schedule.epochs, e->rate, sum / n, dice);
		progress_step(text);
	}
	e->train_loss = sum / n;
	return true;
}

/* nnU-Net's pseudo-Dice: of the sums over all patches of an epoch (contract 8.5). */
static bool validate_epoch(struct training_epoch *e, struct work *w, struct batches *b, int epoch)
{
	int structures = w->t->state.log.n_structures, n = 0, there = 0;
	double sum = 0, value, dice = 0;

	memset(w->tp, 0, (size_t)structures * sizeof *w->tp);
	memset(w->fp, 0, (size_t)structures * sizeof *w->fp);
	memset(w->fn, 0, (size_t)structures * sizeof *w->fn);
	while (batches_next(b, epoch)) {
		if (!value_of(&value, w, b, false))
			return false;
		loss_count(w->loss, w->logits[0], w->tp, w->fp, w->fn);
		sum += value;
		n++;
	}
	if (!n)
		return fail(XDATA, "%s has no patches of epoch %d", source_name(b->in), epoch);
	e->val_loss = sum / n;
	for (int k = 0; k < structures; k++) {
		e->dice[k] = 2 * w->tp[k] / (2 * w->tp[k] + w->fp[k] + w->fn[k]);
		if (!isnan(e->dice[k])) {
			dice += e->dice[k];
			there++;
		}
	}
	e->mean_dice = there ? dice / there : NAN;
	return true;
}

/* Moving average of the pseudo-Dice, over the epochs that have one. */
static double average(const struct training_log *log)
{
	double before = log->n > 1 ? log->epoch[log->n - 2].ema_dice : NAN, now = log->epoch[log->n - 1].mean_dice;

	return isnan(before) ? now : isnan(now) ? before : 0.9 * before + 0.1 * now;
}

static bool run_epoch(struct work *w, struct batches *train, struct batches *validation)
{
	struct training *t = w->t;
	struct training_state *s = &t->state;
	struct training_epoch *e = training_log_add(&s->log);
	int epoch = s->epoch;
	bool best;

	s->rate = e->rate = schedule_rate(&t->schedule, epoch);
	e->begin_s = now_s();
	if (!train_epoch(e, w, train, epoch) || (validation && !validate_epoch(e, w, validation, epoch)))
		return false;
	e->ema_dice = average(&s->log);
	e->end_s = now_s();
	s->epoch++;
	best = e->ema_dice > s->best_ema || (isnan(s->best_ema) && !isnan(e->ema_dice));
	if (best)
		s->best_ema = e->ema_dice;
	say("epoch %d: rate %.5f, loss %.4f, validation %.4f, pseudo-Dice %.4f (%.4f on average), %.1f s", epoch, e->rate, e->train_loss,
	    e->val_loss, e->mean_dice, e->ema_dice, e->end_s - e->begin_s);
	return training_save(t, best);
}

bool training_run(struct training *t, struct batches *train, struct batches *validation)
{
	struct work w = { .t = t };
	bool ok = true;

	progress_begin_of(-1, "iterations");
	while (ok && t->state.epoch < t->schedule.epochs && !batches_ended(train))
		ok = run_epoch(&w, train, validation);
	progress_end();
	close_work(&w);
	if (ok && t->state.epoch < t->schedule.epochs) {
		warn("the patches end after %d of %d epochs; --continue goes on from there", t->state.epoch, t->schedule.epochs);
		ok = training_save_latest(t);
	}
	return ok;
}
