#include <stdlib.h>
#include "common/components.h"
#include "common/die.h"

/* The runs of one row, appended. */
static void find_runs(struct components *c, size_t *capacity, const unsigned char *row, int64_t first, int64_t width)
{
	for (int64_t x = 0; x < width;) {
		int64_t begin;
		while (x < width && !row[x])
			x++;
		if (x == width)
			return;
		for (begin = x; x < width && row[x];)
			x++;
		if (c->n_runs == *capacity)
			c->run = xrealloc(c->run, *capacity = *capacity ? 2 * *capacity : 256, sizeof *c->run);
		c->run[c->n_runs] = (struct run){ first + begin, x - begin, c->n_runs };
		c->n_runs++;
	}
}

/* While components grow, a run's `component` is a run of the same component with a lower or the same number. */
static size_t root_of(struct run *run, size_t i)
{
	while (run[i].component != i)
		i = run[i].component = run[run[i].component].component;
	return i;
}

static void join(struct run *run, size_t a, size_t b)
{
	a = root_of(run, a);
	b = root_of(run, b);
	if (a < b)
		run[b].component = a;
	else
		run[a].component = b;
}

/* Joins the runs of two rows that touch, also by a corner; both rows are sorted, so one walk suffices. */
static void join_rows(struct run *run, size_t a, size_t a_end, int64_t a_first, size_t b, size_t b_end, int64_t b_first)
{
	while (a < a_end && b < b_end) {
		int64_t x = run[a].first - a_first, y = run[b].first - b_first;
		int64_t x_end = x + run[a].n, y_end = y + run[b].n;
		if (x <= y_end && y <= x_end)
			join(run, a, b);
		if (x_end < y_end)
			a++;
		else
			b++;
	}
}

static void number(struct components *c)
{
	size_t *name = xmalloc(c->n_runs + 1, sizeof *name);

	c->size = xcalloc(c->n_runs + 1, sizeof *c->size);
	for (size_t i = 0; i < c->n_runs; i++) {
		size_t root = root_of(c->run, i);
		if (root == i)
			name[i] = c->n++;        /* a root is the lowest run of its component */
		c->size[name[root]] += c->run[i].n;
	}
	for (size_t i = c->n_runs; i-- > 0;)
		c->run[i].component = name[root_of(c->run, i)];
	free(name);
}

void components_find(struct components *c, const unsigned char *mask, const int64_t shape[3])
{
	int64_t rows = shape[0] * shape[1], w = shape[2];
	size_t *begin = xmalloc((size_t)rows + 1, sizeof *begin);   /* row r holds runs begin[r] .. begin[r + 1] - 1 */
	size_t capacity = 0;

	*c = (struct components){0};
	for (int64_t i = 0; i < rows; i++) {
		int64_t y = i % shape[1], z = i / shape[1];
		begin[i] = c->n_runs;
		find_runs(c, &capacity, mask + i * w, i * w, w);
		begin[i + 1] = c->n_runs;
		for (int k = 0; k < 4; k++) {    /* the rows before it that it touches: above, and three of the slice below */
			static const int back[4][2] = { { 0, -1 }, { -1, -1 }, { -1, 0 }, { -1, 1 } };
			int64_t j = i + back[k][0] * shape[1] + back[k][1];
			if (z + back[k][0] >= 0 && y + back[k][1] >= 0 && y + back[k][1] < shape[1])
				join_rows(c->run, begin[i], begin[i + 1], i * w, begin[j], begin[j + 1], j * w);
		}
	}
	number(c);
	free(begin);
}

int64_t components_largest(const struct components *c)
{
	int64_t most = 0;

	for (size_t i = 0; i < c->n; i++)
		most = c->size[i] > most ? c->size[i] : most;
	return most;
}

void components_free(struct components *c)
{
	free(c->run);
	free(c->size);
	*c = (struct components){0};
}
