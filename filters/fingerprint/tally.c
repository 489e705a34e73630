#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/fingerprint/fingerprint.h"

/* Bits that are ordered as the numbers are, and back. */
static uint32_t ordered(float v)
{
	uint32_t u;

	memcpy(&u, &v, sizeof u);
	return u >> 31 ? ~u : u | 0x80000000u;
}

static double value_of(uint64_t element)
{
	uint32_t u = (uint32_t)(element >> 32);
	float v;

	u = u >> 31 ? u ^ 0x80000000u : ~u;
	memcpy(&v, &u, sizeof v);
	return v;
}

static uint32_t count_of(uint64_t element) { return (uint32_t)element; }

/* By the upper half, 8 bits a pass, lowest first. */
static void sort(uint64_t *a, uint64_t *spare, size_t n)
{
	for (int shift = 32; shift < 64; shift += 8) {
		size_t begin[257] = {0};
		for (size_t i = 0; i < n; i++)
			begin[(a[i] >> shift & 255) + 1]++;
		for (int b = 0; b < 256; b++)
			begin[b + 1] += begin[b];
		for (size_t i = 0; i < n; i++)
			spare[begin[a[i] >> shift & 255]++] = a[i];
		uint64_t *t = a;                        /* four passes: the last one ends in the caller's array */
		a = spare;
		spare = t;
	}
}

/* Appends an element whose value is not below those of r. */
static void append(struct run *r, uint64_t element)
{
	if (r->n && r->at[r->n - 1] >> 32 == element >> 32)
		r->at[r->n - 1] += count_of(element);
	else
		r->at[r->n++] = element;
}

struct run run_of(const float *value, const uint32_t *count, size_t n)
{
	uint64_t *all = xmalloc(n, sizeof *all), *spare = xmalloc(n, sizeof *spare);
	struct run r = { 0, all };
	size_t drawn = 0;

	for (size_t i = 0; i < n; i++)
		if (count[i])
			all[drawn++] = (uint64_t)ordered(value[i]) << 32 | count[i];
	sort(all, spare, drawn);
	free(spare);
	for (size_t i = 0; i < drawn; i++)
		append(&r, all[i]);                     /* in place: never ahead of i */
	r.at = xrealloc(all, r.n ? r.n : 1, sizeof *all);
	return r;
}

static struct run merge(struct run a, struct run b)
{
	struct run r = { 0, xmalloc(a.n + b.n, sizeof *r.at) };
	size_t i = 0, j = 0;

	while (i < a.n || j < b.n)
		append(&r, j == b.n || (i < a.n && a.at[i] <= b.at[j]) ? a.at[i++] : b.at[j++]);
	free(a.at);
	free(b.at);
	r.at = xrealloc(r.at, r.n ? r.n : 1, sizeof *r.at);
	return r;
}

void tally_add(struct tally *t, struct run r)
{
	while (t->n && t->run[t->n - 1].n < 2 * r.n)
		r = merge(t->run[--t->n], r);
	t->run[t->n++] = r;
}

/* numpy.percentile, linear between ranks; q: 0 to 1. */
static double percentile(const struct run *r, uint64_t total, double q)
{
	double place = (double)(total - 1) * q, share = place - floor(place), v[2] = { 0, 0 };
	uint64_t seen = 0, rank[2] = { (uint64_t)place, (uint64_t)place + (share > 0) };

	for (size_t i = 0, k = 0; i < r->n && k < 2; i++)
		for (seen += count_of(r->at[i]); k < 2 && rank[k] < seen; k++)
			v[k] = value_of(r->at[i]);
	return share < 0.5 ? v[0] + (v[1] - v[0]) * share : v[1] - (v[1] - v[0]) * (1 - share);
}

struct intensities tally_statistics(struct tally *t, bool exact)
{
	struct intensities s = {0};
	double sum = 0, squares = 0;
	uint64_t total = 0;
	struct run *r = &t->run[0];

	while (t->n > 1) {
		t->run[t->n - 2] = merge(t->run[t->n - 2], t->run[t->n - 1]);
		t->n--;
	}
	for (size_t i = 0; i < r->n; i++) {
		sum += value_of(r->at[i]) * count_of(r->at[i]);
		total += count_of(r->at[i]);
	}
	s.mean = sum / (double)total;
	for (size_t i = 0; i < r->n; i++)
		squares += pow(value_of(r->at[i]) - s.mean, 2) * count_of(r->at[i]);
	s.std = sqrt(squares / (double)total);
	if (!exact) {
		s.mean = (float)s.mean;
		s.std = (float)s.std;
	}
	s.min = value_of(r->at[0]);
	s.max = value_of(r->at[r->n - 1]);
	s.median = percentile(r, total, 0.5);
	s.percentile_00_5 = percentile(r, total, 0.005);
	s.percentile_99_5 = percentile(r, total, 0.995);
	return s;
}

void tally_free(struct tally *t)
{
	while (t->n)
		free(t->run[--t->n].at);
}
