/* Five training steps of stock nnU-Net on a fixed batch are followed: outputs, targets, losses, gradients, weights, momentum.
 * release only: training/gradients and training/loss run the same code under the sanitizers */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/checkpoint-store.h"
#include "common/checkpoint.h"
#include "common/die.h"
#include "common/jsonfile.h"
#include "common/npz.h"
#include "common/parameters.h"
#include "filters/train-checkpoints/engine.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/sgd.h"
#include "filters/train-checkpoints/targets.h"

static const struct train_engine *const engines[] = { &train_ref, &train_fast };

/* A conv's bias before a norm has no effect: its derivative is what rounding leaves of a sum of terms that cancel, here
 * exactly so, in fp32 some 1e-7 of the largest derivative. */
static const double noise = 1e-6;

struct golden {
	char *folder;
	struct plan plan;
	struct dataset data;
	struct network n;
	int batch, threads;
	bool in_double;                         /* the engine's sums */
	struct npy in;
	uint16_t *labels;
	struct json steps;
};

/* In the record of regions3d one voxel came to lie on the other side of 0 before a leaky ReLU: PyTorch itself, run again or in
 * double, has another momentum after five steps, by 1.3e-3 of the largest.  regions3d.tsv is what it has in double. */
static const double other_side = 2e-3;

static int failures;
static double worst_output, worst_loss, worst_gradient, worst_state;

/* Valid until the fourth call from here on. */
static const char *file(const struct golden *g, const char *name)
{
	static char *path[4];
	static int at;

	at = (at + 1) % 4;
	free(path[at]);
	return path[at] = xasprintf("%s/%s", g->folder, name);
}

static const char *numbered(const struct golden *g, const char *name, int i, const char *ending)
{
	char *numbered_name = xasprintf("%s_%d.%s", name, i, ending);
	const char *path = file(g, numbered_name);

	free(numbered_name);
	return path;
}

/* Notes the difference and complains when it is over the limit; NaN is. */
static void check(const struct golden *g, const char *what, double difference, double limit, double *worst)
{
	*worst = fmax(*worst, isnan(difference) ? INFINITY : difference);
	if (difference <= limit)
		return;
	printf("%s: %s is off by %.3g\n", g->folder, what, difference);
	failures++;
}

static double largest(const float *x, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)x[i]));
	return most;
}

/* Largest difference relative to the largest value, or to `least` when that is more. */
static double difference(const float *x, const float *want, size_t n, double least)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)x[i] - (double)want[i]);
		most = d <= most ? most : d;            /* a NaN stays */
	}
	return most / fmax(least, largest(want, n));
}

static void open_golden(struct golden *g, const char *name, int threads)
{
	struct npy labels;
	char **configuration;
	size_t count;

	*g = (struct golden){ .folder = xasprintf("%s/golden/train-steps/%s", getenv("SHARED"), name), .threads = threads };
	if (!(configuration = plans_configurations(file(g, "plans.json"))) ||
	    !plan_read(&g->plan, file(g, "plans.json"), configuration[0]) || !dataset_read(&g->data, file(g, "dataset.json")) ||
	    !npy_read(&g->in, file(g, "data.npy")) || !npy_read(&labels, file(g, "labels.npy")) ||
	    !json_read(&g->steps, file(g, "steps.json")))
		die_failed();
	g->batch = (int)g->in.dim[0];
	if (!network_build_training(&g->n, &g->plan.arch, g->data.n_channels, g->data.labels.n_outputs, g->plan.patch_size))
		die_failed();
	count = (size_t)(g->batch * g->n.patch[0] * g->n.patch[1] * g->n.patch[2]);
	g->labels = xmalloc(count, sizeof *g->labels);
	for (size_t i = 0; i < count; i++)
		g->labels[i] = (uint16_t)((int16_t *)labels.data)[i];
	npy_free(&labels);
	free(configuration);
}

static void close_golden(struct golden *g)
{
	json_free(&g->steps);
	npy_free(&g->in);
	network_free(&g->n);
	dataset_free(&g->data);
	plan_free(&g->plan);
	free(g->labels);
	free(g->folder);
}

static size_t head_count(const struct golden *g, int head, int channels)
{
	const struct value *v = network_head_value(&g->n, head);

	return (size_t)g->batch * (size_t)channels * (size_t)(v->size[0] * v->size[1] * v->size[2]);
}

/* target_I.npy holds labels, or a truth value for each region. */
static void check_targets(const struct golden *g)
{
	const struct labels *l = &g->data.labels;

	for (int h = 0; h < g->n.n_heads; h++) {
		size_t count = head_count(g, h, 1), voxels = count / (size_t)g->batch, wrong = 0;
		uint16_t *t = xmalloc(count, sizeof *t);
		struct npy want;
		if (!npy_read(&want, numbered(g, "target", h, "npy")))
			die_failed();
		targets_shrink(t, g->labels, g->batch, network_head_value(&g->n, h)->size, g->n.patch, g->threads);
		for (size_t i = 0; i < count; i++)
			for (int r = 0; r < (l->has_regions ? l->n_outputs : 1); r++) {
				size_t at = (i / voxels * (size_t)l->n_outputs + (size_t)r) * voxels + i % voxels;
				if (l->has_regions)
					wrong += ((bool *)want.data)[at] != label_has(labels_structure(l, r), t[i]);
				else
					wrong += ((int16_t *)want.data)[i] != t[i];
			}
		if (wrong) {
			printf("%s: %zu voxels of target %d are wrong\n", g->folder, wrong, h);
			failures++;
		}
		npy_free(&want);
		free(t);
	}
}

/* The optimiser's order is that of the checkpoint's tensors, without their second names. */
static void check_order(const struct golden *g, const struct checkpoint *c)
{
	int *order = xmalloc((size_t)g->n.n_parameters, sizeof *order), at = 0;

	network_order(order, &g->n);
	for (int i = 0; i < c->n_tensors; i++) {
		const char *name = c->tensor[i].name;
		if (strstr(name, "decoder.encoder.") || strstr(name, ".all_modules."))
			continue;
		if (at == g->n.n_parameters || strcmp(name, g->n.parameter[order[at++]].name)) {
			printf("%s: parameter %d should be %s\n", g->folder, at - 1, name);
			failures++;
			break;
		}
	}
	free(order);
}

static float *load_weights(const struct golden *g, int step, bool with_order)
{
	float *w = xmalloc(g->n.n_weights, sizeof *w);
	struct checkpoint c;

	if (!checkpoint_open(&c, numbered(g, "step", step, "pth")) || !parameters_copy(w, &g->n, &c))
		die_failed();
	if (with_order)
		check_order(g, &c);
	checkpoint_close(&c);
	return w;
}

static void check_outputs(const struct golden *g, float *const *logits)
{
	for (int h = 0; h < g->n.n_heads; h++) {
		struct npy want;
		if (!npy_read(&want, numbered(g, "output", h, "npy")))
			die_failed();
		check(g, "an output", difference(logits[h], want.data, head_count(g, h, g->n.n_outputs), 0), 1e-5, &worst_output);
		npy_free(&want);
	}
}

/* Whether parameter p is the bias of a convolution before a norm. */
static bool cancels(const struct network *n, int p)
{
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].bias == p)
			return n->node[i].norm;
	return false;
}

static void check_parameter(const struct golden *g, int p, const float *x, const float *want, double most, double limit,
                            double *worst)
{
	const struct parameter *q = &g->n.parameter[p];
	double least = cancels(&g->n, p) ? most * noise / limit : 0;

	check(g, q->name, difference(x + q->offset, want, q->count, least), limit, worst);
}

static void check_gradients(const struct golden *g, const float *gradients)
{
	double most = largest(gradients, g->n.n_weights);

	for (int p = 0; p < g->n.n_parameters; p++) {
		struct npy want;
		if (npz_read(&want, file(g, "gradients_step_0.npz"), g->n.parameter[p].name)) {
			check_parameter(g, p, gradients, want.data, most, 1e-4, &worst_gradient);
			npy_free(&want);
		} else if (sgd_trains(&g->n, p) || largest(gradients + g->n.parameter[p].offset, g->n.parameter[p].count) > 0) {
			printf("%s: %s has no gradient in nnU-Net\n", g->folder, g->n.parameter[p].name);
			failures++;
		}
	}
}

/* optimizer_state["state"][i]["momentum_buffer"], numbered in the optimiser's order. */
static void check_momentum(const struct golden *g, int step, const float *momentum)
{
	struct checkpoint_store s = {0};
	const struct pickle_value *state;
	int *order = xmalloc((size_t)g->n.n_parameters, sizeof *order);
	double most = largest(momentum, g->n.n_weights);
	int found = 0, trained = 0;
	bool flipped = step == 5 && strstr(g->folder, "regions3d");
	double unused = 0;

	network_order(order, &g->n);
	for (int p = 0; p < g->n.n_parameters; p++)
		trained += sgd_trains(&g->n, p);
	if (!store_open(&s, numbered(g, "step", step, "pth")))
		die_failed();
	state = pickle_get(pickle_get(s.tree.root, "optimizer_state"), "state");
	for (size_t i = 0; i + 1 < state->n; i += 2, found++) {
		const struct pickle_value *call = pickle_get(state->item[i + 1], "momentum_buffer");
		int p = order[state->item[i]->i], at = store_find(&s, call->args->item[0]);
		if (at < 0 || !store_read(&s, at) || s.storage[at].n != (int64_t)g->n.parameter[p].count)
			die(XDATA, "the momentum of %s is not there", g->n.parameter[p].name);
		check_parameter(g, p, momentum, (float *)s.storage[at].data, most, flipped ? other_side : 1e-4,
		                flipped ? &unused : &worst_state);
	}
	if (found != trained) {
		printf("%s: %d parameters have momentum, here %d\n", g->folder, found, trained);
		failures++;
	}
	store_close(&s);
	free(order);
}

/* regions3d.tsv: of each parameter's momentum v after five steps its length and the sum of v_i cos(i). */
static void check_against_double(const struct golden *g, const float *momentum)
{
	char name[128], *path = xasprintf("%s/training/regions3d.tsv", getenv("TESTS"));
	double length, sum, unused = 0, *worst = g->in_double ? &worst_state : &unused;
	FILE *f = fopen(path, "r");
	int read = 0;

	if (!f)
		die_sys("cannot open %s", path);
	for (; fscanf(f, "%127s %lf %lf", name, &length, &sum) == 3; read++)
		for (int p = 0; p < g->n.n_parameters; p++) {
			const struct parameter *q = &g->n.parameter[p];
			double squares = 0, cosines = 0;
			if (strcmp(q->name, name) || cancels(&g->n, p))
				continue;
			for (size_t i = 0; i < q->count; i++) {
				double v = (double)momentum[q->offset + i];
				squares += v * v;
				cosines += v * cos((double)i);
			}
			check(g, name, fabs(sqrt(squares) - length) / length, g->in_double ? 1e-4 : other_side, worst);
			check(g, name, fabs(cosines - sum) / length, g->in_double ? 1e-4 : other_side, worst);
		}
	check(g, "the number of lines of regions3d.tsv", fabs(read - 46.0), 0, worst);
	fclose(f);
	free(path);
}

static void check_state(const struct golden *g, int step, const float *weights, const float *momentum)
{
	float *want = load_weights(g, step, false);
	double most = largest(want, g->n.n_weights);

	for (int p = 0; p < g->n.n_parameters; p++)
		check_parameter(g, p, weights, want + g->n.parameter[p].offset, most, 1e-4, &worst_state);
	check_momentum(g, step, momentum);
	if (step == 5 && strstr(g->folder, "regions3d"))
		check_against_double(g, momentum);
	free(want);
}

static double recorded(const struct golden *g, int step, const char *key)
{
	struct json list, one, v;
	double x;

	if (!json_get(&list, &g->steps, "steps") || !json_at(&one, &list, step) || !json_get(&v, &one, key) || !json_real(&x, &v))
		die_failed();
	return x;
}

static void follow(struct golden *g, const struct train_engine *engine)
{
	float *weights = load_weights(g, 0, true), *gradients = xmalloc(g->n.n_weights, sizeof *gradients);
	float *momentum = xcalloc(g->n.n_weights, sizeof *momentum), *logits[MAX_STAGES], *d_logits[MAX_STAGES];
	struct loss *loss = loss_open(&g->n, &g->data.labels, g->batch, g->plan.batch_dice, g->threads);
	void *e = engine->open(&g->n, g->batch, g->threads);

	if (!e || !loss_targets(loss, g->labels))
		die_failed();
	for (int h = 0; h < g->n.n_heads; h++) {
		logits[h] = xmalloc(head_count(g, h, g->n.n_outputs), sizeof(float));
		d_logits[h] = loss_weight(g->n.n_heads, h) > 0 ? xmalloc(head_count(g, h, g->n.n_outputs), sizeof(float)) : NULL;
	}
	for (int step = 0; step < 5; step++) {
		double value, alone, norm, want_norm = recorded(g, step, "gradient_norm_before_clipping");
		engine->forward(e, weights, g->in.data, logits);
		value = loss_value(loss, (const float *const *)logits, d_logits);
		alone = loss_value(loss, (const float *const *)logits, NULL);
		check(g, "the loss without derivatives", fabs(alone - value), 0, &worst_loss);
		check(g, "a loss", fabs(value - recorded(g, step, "loss")), 1e-5, &worst_loss);
		engine->backward(e, d_logits, gradients);
		norm = sgd_step(&sgd_nnunet, &g->n, weights, momentum, gradients, recorded(g, step, "lr"), g->threads);
		check(g, "the gradient's norm", fabs(norm / want_norm - 1), 1e-4, &worst_gradient);
		if (step == 0) {
			check_outputs(g, logits);
			check_gradients(g, gradients);
		}
		if (step == 0 || step == 4)
			check_state(g, step + 1, weights, momentum);
	}
	engine->close(e);
	loss_close(loss);
	for (int h = 0; h < g->n.n_heads; h++) {
		free(logits[h]);
		free(d_logits[h]);
	}
	free(weights);
	free(momentum);
	free(gradients);
}

int main(void)
{
	static const char *const name[] = { "plain2d", "resenc3d", "regions3d", "ignore2d" };
	const char *shared = getenv("SHARED");
	char *folder = xasprintf("%s/golden/train-steps", shared ? shared : "");

	if (access(folder, R_OK)) {
		puts("no golden training steps (../shared is not there)");
		return 77;
	}
	for (size_t k = 0; k < sizeof engines / sizeof *engines; k++) {
		worst_output = worst_loss = worst_gradient = worst_state = 0;
		for (int i = 0; i < 4; i++) {
			struct golden g;
			open_golden(&g, name[i], 1 + i % 2);
			g.in_double = engines[k] == &train_ref;
			check_targets(&g);
			follow(&g, engines[k]);
			close_golden(&g);
		}
		printf("note: %s: outputs off by %.1e, losses %.1e, gradients %.1e, weights and momentum %.1e\n",
		       engines[k]->name, worst_output, worst_loss, worst_gradient, worst_state);
	}
	free(folder);
	return failures > 0;
}
