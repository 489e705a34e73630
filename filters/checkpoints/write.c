#include <stdlib.h>
#include <string.h>
#include "common/checkpoint-out.h"
#include "common/checkpoint-store.h"
#include "common/die.h"
#include "filters/checkpoints/checkpoints.h"

/* Adds the weights of another file to sum, [n_tensors] of those of c. */
static bool add(double **sum, const struct checkpoint *c, const char *path)
{
	struct checkpoint d;
	bool ok;

	if (!checkpoint_open(&d, path))
		return false;
	ok = d.n_tensors == c->n_tensors || fail(XDATA, "%s has %d tensors, the first file %d; they are of different networks", path,
	                                         d.n_tensors, c->n_tensors);
	for (int i = 0; i < c->n_tensors && ok; i++) {
		const struct checkpoint_tensor *t = &c->tensor[i], *u = checkpoint_find(&d, t->name);
		size_t n = 0;
		float *x;
		if (!u || u->n_dims != t->n_dims || memcmp(u->dim, t->dim, (size_t)t->n_dims * sizeof *t->dim)) {
			ok = fail(XDATA, "%s: has no weight %s of the first file's shape; it is of another network", path, t->name);
			break;
		}
		if (!sum[i])
			continue;
		checkpoint_count(&n, t);
		x = xmalloc(n, sizeof *x);
		checkpoint_load(x, &d, u);
		for (size_t k = 0; k < n; k++)
			sum[i][k] += (double)x[k];
		free(x);
	}
	checkpoint_close(&d);
	return ok;
}

/* The tensor that came before t with the same storage and place in it, or t itself. */
static int first_of(const struct checkpoint *c, int t)
{
	for (int i = 0; i < t; i++)
		if (c->tensor[i].storage == c->tensor[t].storage && c->tensor[i].offset == c->tensor[t].offset &&
		    c->tensor[i].n_dims == c->tensor[t].n_dims &&
		    !memcmp(c->tensor[i].dim, c->tensor[t].dim, (size_t)c->tensor[t].n_dims * sizeof *c->tensor[t].dim))
			return i;
	return t;
}

static bool write(const char *output, const struct checkpoint *c, float *const *values)
{
	static const char *const kept[] = {
		"_best_ema", "current_epoch", "init_args", "trainer_name", "inference_allowed_mirroring_axes" };
	const struct pickle_value *root = c->store->tree.root;
	struct checkpoint_out o;
	bool ok = true;

	checkpoint_begin(&o);
	pickle_put_text(&o.pickle, "network_weights");
	pickle_open_ordered_dict(&o.pickle);
	for (int i = 0; i < c->n_tensors; i++) {
		pickle_put_text(&o.pickle, c->tensor[i].name);
		checkpoint_put_tensor(&o, c->tensor[i].n_dims, c->tensor[i].dim, values[first_of(c, i)]);
	}
	pickle_close_dict(&o.pickle);
	for (size_t i = 0; i < sizeof kept / sizeof *kept && ok; i++) {
		const struct pickle_value *v = pickle_get(root, kept[i]);
		if (!v)
			continue;
		pickle_put_text(&o.pickle, kept[i]);
		if (!(ok = pickle_put_value(&o.pickle, v)))
			fail_prefix("%s: %s", c->store->path, kept[i]);
	}
	if (ok)
		return checkpoint_commit(&o, output);
	checkpoint_drop(&o);
	return false;
}

bool checkpoints_mean(const char *output, int n, char *const *path)
{
	struct checkpoint c;
	double **sum;
	float **values;
	bool ok = true;

	if (!checkpoint_open(&c, path[0]))
		return false;
	sum = xcalloc((size_t)c.n_tensors, sizeof *sum);
	values = xcalloc((size_t)c.n_tensors, sizeof *values);
	for (int i = 0; i < c.n_tensors && ok; i++) {
		size_t count = 0;
		if (n > 1 && strstr(c.tensor[i].name, ".running_mean"))
			ok = fail(XDATA, "%s: the mean of networks with batch norm needs their statistics measured again", path[0]);
		checkpoint_count(&count, &c.tensor[i]);
		if (first_of(&c, i) == i) {
			sum[i] = xcalloc(count, sizeof **sum);
			values[i] = xmalloc(count, sizeof **values);
		}
	}
	for (int i = 0; i < n && ok; i++)
		ok = add(sum, &c, path[i]);
	for (int i = 0; i < c.n_tensors && ok; i++) {
		size_t count = 0;
		checkpoint_count(&count, &c.tensor[i]);
		for (size_t k = 0; sum[i] && k < count; k++)
			values[i][k] = (float)(sum[i][k] / n);
	}
	ok = ok && write(output, &c, values);
	for (int i = 0; i < c.n_tensors; i++) {
		free(sum[i]);
		free(values[i]);
	}
	free(sum);
	free(values);
	checkpoint_close(&c);
	return ok;
}
