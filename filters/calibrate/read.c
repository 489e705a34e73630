#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/calibrate/counts.h"

enum { CELLS_MOST = 2 + FIT_STEPS };                    /* of a line */

struct reader {
	const char *path;
	char *text, *at;
	int line, n;
	char *cell[CELLS_MOST];
};

static bool wrong(const struct reader *r)
{
	return fail(XDATA, "%s, line %d: this is not what calibrate writes as sums", r->path, r->line);
}

/* The next line, cut into cells. */
static bool next(struct reader *r)
{
	char *end = strchr(r->at, '\n');

	if (!end)
		return fail(XDATA, "%s is cut short after line %d", r->path, r->line);
	*end = 0;
	r->line++;
	r->n = 0;
	for (char *s = r->at, *tab; s; s = tab ? tab + 1 : NULL) {
		tab = strchr(s, '\t');
		if (tab)
			*tab = 0;
		if (r->n == CELLS_MOST)
			return wrong(r);
		r->cell[r->n++] = s;
	}
	r->at = end + 1;
	return true;
}

static bool is(const struct reader *r, const char *what, int n) { return r->n == n && !strcmp(r->cell[0], what); }

static bool get_count(uint64_t *v, const struct reader *r, int cell, uint64_t most)
{
	char *end;

	errno = 0;
	*v = strtoull(r->cell[cell], &end, 10);
	return (r->cell[cell][0] >= '0' && r->cell[cell][0] <= '9' && !*end && !errno && *v <= most) || wrong(r);
}

static bool get_index(size_t *i, const struct reader *r, size_t n)
{
	uint64_t v;

	if (!get_count(&v, r, 1, n - 1))
		return false;
	*i = (size_t)v;
	return true;
}

/* Adds to *v. */
static bool add_count(uint64_t *v, const struct reader *r, int cell)
{
	uint64_t more;

	if (!get_count(&more, r, cell, UINT64_MAX >> 8))        /* a count that a computer can reach; sums of them stay whole */
		return false;
	return !__builtin_add_overflow(*v, more, v) || wrong(r);
}

static bool add_wide(unsigned __int128 *v, const struct reader *r, int cell)
{
	static const char digits[] = "0123456789abcdef";
	unsigned __int128 more = 0;
	const char *s = r->cell[cell];

	if (!*s || strlen(s) > 32)
		return wrong(r);
	for (; *s; s++) {
		const char *d = strchr(digits, *s);
		if (!d)
			return wrong(r);
		more = more << 4 | (unsigned)(d - digits);
	}
	*v += more;
	return true;
}

static bool add_real(double *v, const struct reader *r, int cell)
{
	char *end;

	*v = strtod(r->cell[cell], &end);
	return (end != r->cell[cell] && !*end) || wrong(r);
}

static bool add_bin(struct bin *b, const struct reader *r)
{
	return add_count(&b->n, r, 2) && add_count(&b->events, r, 3) && (b->events <= b->n || wrong(r)) && add_wide(&b->p, r, 4);
}

static bool add_cell(struct tally *t, size_t i, const struct reader *r)
{
	struct cell part = {0};
	uint64_t low, high;

	if (!add_count(&part.n, r, 2) || !add_count(&part.events, r, 3) || !add_count(&part.offset, r, 4) ||
	    !get_count(&low, r, 5, UINT32_MAX) || !get_count(&high, r, 6, UINT32_MAX))
		return false;
	if (part.events > part.n || low > high || part.n > UINT64_MAX - t->cell[i].n)
		return wrong(r);
	part.low = (uint32_t)low;
	part.high = (uint32_t)high;
	tally_join_cell(t, (int)i, &part);
	return true;
}

/* The first line; what several files must have in common. */
static bool read_settings(int *n_targets, struct counts *s, struct reader *r)
{
	uint64_t bins, targets;
	bool foreground, with_fit;

	if (!next(r))
		return false;
	if (!is(r, "calibration", 6) || strcmp(r->cell[1], "1"))
		return wrong(r);
	foreground = !strcmp(r->cell[3], "foreground");
	with_fit = !strcmp(r->cell[4], "fit");
	if (!get_count(&bins, r, 2, BINS_MAX) || !get_count(&targets, r, 5, 65537))
		return false;
	if (bins < 1)
		return wrong(r);
	*n_targets = (int)targets;
	if (s->n_bins && (s->n_bins != (int)bins || s->foreground != foreground || s->with_fit != with_fit))
		return fail(XDATA, "%s was made with other options (--bins, --foreground, --fit) than the sums before it", r->path);
	s->n_bins = (int)bins;
	s->foreground = foreground;
	s->with_fit = with_fit;
	return true;
}

static bool read_targets(struct counts *s, struct reader *r, int n)
{
	struct target *target = xcalloc((size_t)n, sizeof *target);
	bool ok = true;

	for (int t = 0; ok && t < n; t++) {
		ok = next(r) && (is(r, "target", 3) || wrong(r));
		if (ok)
			target[t] = (struct target){ target_word(r->cell[1]), xstrdup(r->cell[2]) };
		ok = ok && (target[t].of || wrong(r));
	}
	if (!ok || !n) {
		targets_free(target, n);
		return ok;
	}
	ok = counts_targets(s, target, n);
	if (!ok)
		fail_prefix("%s", r->path);
	return ok;
}

static bool read_case(struct counts *s, struct reader *r)
{
	struct case_row *row = counts_row(s, r->cell[1], r->n == 3 ? r->cell[2] : NULL);

	if (row->reason)
		return true;
	row->m = xcalloc((size_t)s->n_targets, sizeof *row->m);
	for (int t = 0; t < s->n_targets; t++) {
		struct measures *m = &row->m[t];
		if (!next(r) || (!is(r, "of-case", 3 + N_MEASURES) && !wrong(r)) || !add_count(&m->n, r, 1) || !add_count(&m->zeros, r, 2))
			return false;
		for (int i = 0; i < N_MEASURES; i++)
			if (!add_real(&m->value[i], r, 3 + i))
				return false;
	}
	return true;
}

/* The line "tally" has come. */
static bool read_tally(struct tally *t, struct reader *r)
{
	size_t i;

	if (!add_count(&t->zeros, r, 1) || !add_wide(&t->brier, r, 2) || !add_wide(&t->nll, r, 3))
		return false;
	for (;;) {
		if (!next(r))
			return false;
		if (is(r, "bin", 5)) {
			if (!get_index(&i, r, (size_t)t->n_bins) || !add_bin(&t->bin[i], r))
				return false;
		} else if (is(r, "cell", 7)) {
			if (!get_index(&i, r, CELLS) || !add_cell(t, i, r))
				return false;
		} else {
			return tally_whole(t) || wrong(r);
		}
	}
}

static bool read_fit(struct fit *f, struct reader *r)
{
	size_t i;

	if (!is(r, "fit", 2 + FIT_STEPS))
		return wrong(r);
	if (!add_count(&f->n, r, 1))
		return false;
	for (int k = 0; k < FIT_STEPS; k++)
		if (!add_wide(&f->nll[k], r, 2 + k))
			return false;
	while (next(r)) {
		if (!is(r, "step", 5))
			return true;
		if (!get_index(&i, r, fit_n_bins(f)) || !add_bin(&f->bin[i], r))
			return false;
	}
	return false;
}

static bool read_lines(struct counts *s, struct reader *r)
{
	int n = 0;

	if (!read_settings(&n, s, r) || !read_targets(s, r, n))
		return false;
	for (;;) {
		if (!next(r))
			return false;
		if (!is(r, "failed", 3) && !(n && is(r, "case", 2)))
			break;
		if (!read_case(s, r))
			return false;
	}
	for (int t = 0; t < n; t++)
		if ((!is(r, "tally", 4) && !wrong(r)) || !read_tally(&s->all.tally[t], r))
			return false;
	if (n && s->with_fit && !read_fit(&s->all.fit, r))
		return false;
	return (is(r, "end", 1) && !*r->at) || wrong(r);
}

bool counts_read(struct counts *s, const char *path)
{
	struct reader r = { .path = path };
	size_t n;
	bool ok;

	if (!io_slurp(path, memory_limit, &r.text, &n))
		return false;
	r.at = r.text;
	ok = read_lines(s, &r);
	free(r.text);
	return ok;
}
