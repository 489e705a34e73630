#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/tsv.h"
#include "filters/checkpoints/checkpoints.h"

/* The weight of the same name in b; NULL after fail(). */
static const struct checkpoint_tensor *partner(const struct checkpoint_tensor *t, const struct checkpoint *b, const char *path)
{
	const struct checkpoint_tensor *u = checkpoint_find(b, t->name);

	if (!u)
		fail(XDATA, "%s: has no weight %s; it is of another network", path, t->name);
	else if (u->n_dims != t->n_dims || memcmp(u->dim, t->dim, (size_t)t->n_dims * sizeof *t->dim))
		fail(XDATA, "%s: weight %s has another shape; it is of another network", path, t->name);
	else
		return u;
	return NULL;
}

static bool compare(bool *same, const struct checkpoint *a, const struct checkpoint_tensor *t, const struct checkpoint *b,
                    const struct checkpoint_tensor *u, double tolerance)
{
	double most = 0, largest = 0;
	float *x, *y;
	size_t n = 0;

	checkpoint_count(&n, t);
	x = xmalloc(n, sizeof *x);
	y = xmalloc(n, sizeof *y);
	checkpoint_load(x, a, t);
	checkpoint_load(y, b, u);
	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)x[i] - (double)y[i]);
		most = d > most || isnan(d) ? d : most;
		largest = fmax(largest, fabs((double)x[i]));
	}
	free(x);
	free(y);
	printf("%s\t%zu", t->name, n);
	tsv_put(stdout, most);
	tsv_put(stdout, most == 0 ? 0 : most / largest);
	putchar('\n');
	if (!(most <= tolerance * largest))
		*same = false;
	return true;
}

bool checkpoints_compare(bool *same, const char *path_a, const char *path_b, double tolerance)
{
	struct checkpoint a, b = {0};
	bool ok;

	if (!checkpoint_open(&a, path_a))
		return false;
	*same = true;
	ok = checkpoint_open(&b, path_b);
	if (ok && a.n_tensors != b.n_tensors)
		ok = fail(XDATA, "%s has %d tensors, %s %d; they are of different networks", path_a, a.n_tensors, path_b, b.n_tensors);
	if (ok)
		puts("weight\telements\tdifference\trelative");
	for (int i = 0; i < a.n_tensors && ok; i++) {
		const struct checkpoint_tensor *t = &a.tensor[i], *u;
		if (checkpoint_is_second_name(t->name))
			continue;
		ok = (u = partner(t, &b, path_b)) && compare(same, &a, t, &b, u, tolerance);
	}
	checkpoint_close(&a);
	checkpoint_close(&b);
	return ok;
}
