#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/loops.h"
#include "common/maps.h"

static const double quantum_entropy = 0x1p-46, quantum_square = 0x1p-50;       /* those of common/loops.h */
static const double significance = 0.05;        /* UnnUNet's README: lower p values are set to null */

const char *const map_kinds[] = {
	"class_entropy", "total_entropy", "t_test", "expected_entropy", "mutual_information", "variance",
	"vote_entropy", "variation_ratio", "margin", "max_softmax", "pairwise_kl", NULL
};

static unsigned bit(enum map map) { return 1u << map; }
static bool wants(const struct sums *s, enum map map) { return s->maps & bit(map); }

bool map_has_base(enum map map)
{
	return (bit(MAP_CLASS_ENTROPY) | bit(MAP_TOTAL_ENTROPY) | bit(MAP_EXPECTED_ENTROPY) | bit(MAP_MUTUAL_INFORMATION) |
	        bit(MAP_VOTE_ENTROPY) | bit(MAP_PAIRWISE_KL)) & bit(map);
}

bool map_has_regions(enum map map) { return map != MAP_TOTAL_ENTROPY && map != MAP_T_TEST; }

double map_units_per_bit(const char *base, int64_t channels, bool sigmoid)
{
	if (*base == 'e')
		return log(2);
	if (*base == 'C' && !sigmoid && channels > 1)
		return 1 / log2((double)channels);
	return 1;
}

/* ---- memory ---- */

static int64_t distributions(const struct sums *s) { return s->sigmoid ? s->channels : 1; }
static int outcomes(const struct sums *s) { return s->sigmoid ? 2 : (int)s->channels; }


/* The next array of the arena: `each` bytes a voxel behind the *bytes of those before. */
static void *place(const struct sums *s, size_t *bytes, bool wanted, size_t each)
{
	void *p = wanted && s->arena ? s->arena + *bytes * s->room : NULL;

	*bytes += wanted ? each : 0;
	return p;
}

static size_t lay_out(struct sums *s)
{
	size_t bytes = 0, word = sizeof(uint64_t), channels = (size_t)s->channels, n = (size_t)distributions(s);
	bool gain = wants(s, MAP_MUTUAL_INFORMATION), kl = wants(s, MAP_PAIRWISE_KL);

	s->welch = place(s, &bytes, wants(s, MAP_T_TEST), sizeof *s->welch);
	s->p = place(s, &bytes, true, channels * word);
	s->total = place(s, &bytes, wants(s, MAP_TOTAL_ENTROPY), word);
	s->expected = place(s, &bytes, gain || wants(s, MAP_EXPECTED_ENTROPY), n * word);
	s->square = place(s, &bytes, wants(s, MAP_VARIANCE), n * word);
	s->cross = place(s, &bytes, kl, n * word);
	s->logs = place(s, &bytes, kl, n * (size_t)outcomes(s) * word);
	s->vote = place(s, &bytes, s->votes || wants(s, MAP_VOTE_ENTROPY) || wants(s, MAP_VARIATION_RATIO), channels);
	return bytes;
}

size_t sums_bytes(struct sums s)
{
	s.arena = NULL;
	return lay_out(&s);
}

void sums_begin(struct sums *s, size_t voxels)
{
	size_t bytes = sums_bytes(*s);

	if (bytes != s->arena_bytes || s->room < voxels) {
		free(s->arena);
		s->room = (voxels + 63) / 64 * 64;
		s->arena = xaligned(s->room, bytes);
		s->arena_bytes = bytes;
	}
	lay_out(s);
	s->members = 0;
	memset(s->arena, 0, s->room * bytes);
}

void sums_free(struct sums *s)
{
	free(s->arena);
	*s = (struct sums){0};
}

/* ---- a member more ---- */

bool not_probabilities(void) { return fail(XDATA, "its probabilities hold a value that is not in 0 to 1"); }

static void segment_regions(uint16_t *label, const float *probs, const struct loops *l, size_t n)
{
	float half[LOOPS_RUN];

	for (size_t i = 0; i < n; i++)
		half[i] = 0.5f;
	memset(label, 0, n * sizeof *label);
	l->argmax(half, label, probs, 1, n);
}

static void segment_classes(uint16_t *label, const float *probs, size_t row, int64_t channels, const struct loops *l, size_t n)
{
	float best[LOOPS_RUN];

	memcpy(best, probs, n * sizeof *best);
	memset(label, 0, n * sizeof *label);
	for (int64_t c = 1; c < channels; c++)
		l->argmax(best, label, probs + (size_t)c * row, (int)c, n);
}

/* The segmentation of distribution e. */
static void segment(uint16_t *label, const float *probs, size_t row, const struct sums *s, int64_t e, size_t n)
{
	if (s->sigmoid)
		segment_regions(label, probs + (size_t)e * row, s->loops, n);
	else
		segment_classes(label, probs, row, s->channels, s->loops, n);
}

static void add_votes(struct sums *s, size_t at, const uint16_t *label, int64_t e, size_t n)
{
	for (int64_t c = s->sigmoid ? e : 0; c < (s->sigmoid ? e + 1 : s->channels); c++)
		s->loops->count(s->vote + (size_t)c * s->room + at, label, s->sigmoid ? 1 : (int)c, n);
}

static void add_welch(struct sums *s, size_t at, const float *probs, size_t row, size_t n)
{
	for (size_t v = 0; v < n; v++) {
		double background = (double)probs[v], foreground = 0;
		for (int64_t c = !s->sigmoid; c < s->channels; c++) {
			double p = (double)probs[(size_t)c * row + v];
			foreground = s->sigmoid ? fmax(foreground, p) : foreground + p;
		}
		if (s->sigmoid)
			background = fmax(1 - foreground, 0);
		welch_add(&s->welch[at + v], background, foreground);
	}
}

/* One distribution over its outcomes: 1, 2, ... and then 0, so that the foreground's part of the entropy is at hand. */
static bool add_distribution(struct sums *s, size_t at, const float *probs, size_t row, int64_t e, size_t n)
{
	const struct loops *l = s->loops;
	double d[LOOPS_RUN], h[LOOPS_RUN] = {0}, cross[LOOPS_RUN] = {0};
	int K = outcomes(s);
	size_t own = (size_t)e * s->room + at;
	bool ok = true;

	for (int k = 1; k <= K; k++) {
		size_t c = (size_t)(s->sigmoid ? e : k % K);
		if (s->sigmoid && k == K) {
			l->complement(d, n);
		} else {
			ok &= l->widen(d, probs + c * row, n);
			l->add_quanta(s->p + c * s->room + at, d, n);
		}
		if (s->square)
			l->add_square(s->square + own, d, n);
		if (s->total || s->expected)
			l->plogp(h, d, n);
		if (s->total && k == K - 1)
			l->add_entropy(s->total + at, h, n);
		if (s->logs)
			l->logs(s->logs + (size_t)(e * K + k % K) * s->room + at, cross, d, n);
	}
	if (s->expected)
		l->add_entropy(s->expected + own, h, n);
	if (s->cross)
		l->add_entropy(s->cross + own, cross, n);
	return ok;
}

static bool add_run(struct sums *s, size_t at, const float *probs, size_t row, size_t n, uint16_t *label, size_t label_row)
{
	uint16_t own[LOOPS_RUN];
	bool ok = true;

	for (int64_t e = 0; e < distributions(s); e++) {
		uint16_t *here = label ? label + (size_t)e * label_row : own;
		ok &= add_distribution(s, at, probs, row, e, n);
		if (label || s->vote)
			segment(here, probs, row, s, e, n);
		if (s->vote)
			add_votes(s, at, here, e, n);
	}
	if (s->welch && ok)
		add_welch(s, at, probs, row, n);
	return ok;
}

bool sums_add(struct sums *s, size_t at, const float *probs, size_t row, size_t n, uint16_t *label, size_t label_row)
{
	bool ok = true;

	for (size_t done = 0, m; done < n && ok; done += m) {
		m = n - done < LOOPS_RUN ? n - done : LOOPS_RUN;
		ok = add_run(s, at + done, probs + done, row, m, label ? label + done : NULL, label_row);
	}
	return ok || not_probabilities();
}

/* ---- results ---- */

/* The map's values x for distribution e into its row or, of regions that share one, where they are the largest. */
static void put(const struct results *r, size_t to, const struct sums *s, enum map map, int64_t e, const double *x, double scale, size_t n)
{
	if (r->map[map])
		s->loops->store(r->map[map] + (r->per_region ? (size_t)e * r->row : 0) + to, x,
		                map_has_base(map) ? scale * r->units_per_bit : scale, !r->per_region && e > 0, n);
}

static void put_votes(const struct results *r, size_t to, const struct sums *s, size_t at, int64_t e, const uint16_t *label, size_t n)
{
	const struct loops *l = s->loops;
	double share[2][MEMBERS_MAX + 1], entropy[2][MEMBERS_MAX + 1] = { {0} }, ratio[MEMBERS_MAX + 1], x[LOOPS_RUN] = {0}, y[LOOPS_RUN] = {0};
	uint8_t agree[LOOPS_RUN] = {0}, against[LOOPS_RUN], all[LOOPS_RUN];
	const uint8_t *vote = s->vote + at;

	for (int64_t c = s->sigmoid ? e : 0; c < (s->sigmoid ? e + 1 : s->channels); c++)
		l->pick(agree, vote + (size_t)c * s->room, label, s->sigmoid ? 1 : (int)c, n);
	if (s->sigmoid) {
		vote += (size_t)e * s->room;
		for (size_t v = 0; v < n; v++)
			against[v] = (uint8_t)(s->members - vote[v]);
		l->pick(agree, against, label, 0, n);
	}
	memset(all, s->members, n);
	if (memcmp(agree, all, n)) {                    /* where nobody differs both maps are 0 */
		for (int i = 0; i <= s->members; i++) {
			share[0][i] = ratio[i] = (double)(s->members - i) / s->members;
			share[1][i] = (double)i / s->members;
		}
		for (int k = 0; k < 2; k++)
			l->plogp(entropy[k], share[k], (size_t)s->members + 1);
		l->look_up(y, agree, ratio, n);
		for (int64_t c = 0; c < (s->sigmoid ? 1 : s->channels); c++)
			l->look_up(x, vote + (size_t)c * s->room, entropy[1], n);
		if (s->sigmoid)
			l->look_up(x, vote, entropy[0], n);
	}
	put(r, to, s, MAP_VOTE_ENTROPY, e, x, 1, n);
	put(r, to, s, MAP_VARIATION_RATIO, e, y, 1, n);
}

/* What is made of the mean's entropy h, sum of squares, most and second most probable outcome, and of sum mean * logs. */
static void put_moments(const struct results *r, size_t to, const struct sums *s, size_t own, int64_t e, const double *h, const double *square,
                        const double *first, const double *second, const double *cross, size_t n)
{
	const struct loops *l = s->loops;
	double x[LOOPS_RUN], y[LOOPS_RUN];
	int M = s->members, K = outcomes(s);

	if (s->expected) {
		l->average(x, s->expected + own, quantum_entropy, M, n);
		put(r, to, s, MAP_EXPECTED_ENTROPY, e, x, 1, n);
		l->gain(x, h, s->expected + own, M, n);
		put(r, to, s, MAP_MUTUAL_INFORMATION, e, x, 1, n);
	}
	if (s->square) {
		l->average(y, s->square + own, quantum_square, M, n);
		l->difference(x, y, square, 0x1p-49 * K, n);
		put(r, to, s, MAP_VARIANCE, e, x, 1.0 / K, n);
	}
	if (s->cross) {
		l->average(y, s->cross + own, quantum_entropy, 1, n);
		l->difference(x, cross, y, 0x1p-44 * M, n);
		put(r, to, s, MAP_PAIRWISE_KL, e, x, M > 1 ? 1.0 / (M - 1) : 0, n);
	}
	l->difference(x, first, second, 0, n);
	l->complement(x, n);
	put(r, to, s, MAP_MARGIN, e, x, 1, n);
	memcpy(x, first, n * sizeof *x);
	l->complement(x, n);
	put(r, to, s, MAP_MAX_SOFTMAX, e, x, 1, n);
}

static void results_distribution(const struct results *r, size_t to, const struct sums *s, size_t at, int64_t e, size_t n, uint16_t *label)
{
	const struct loops *l = s->loops;
	double mu[LOOPS_RUN], h[LOOPS_RUN] = {0}, square[LOOPS_RUN] = {0}, cross[LOOPS_RUN] = {0};
	double first[LOOPS_RUN] = {0}, second[LOOPS_RUN] = {0};
	uint16_t own[LOOPS_RUN];
	int K = outcomes(s);

	for (int k = 1; k <= K; k++) {
		size_t c = (size_t)(s->sigmoid ? e : k % K);
		if (s->sigmoid && k == K)
			l->complement(mu, n);
		else
			l->mean(mu, r->mean + c * r->row + to, s->p + c * s->room + at, s->members, n);
		if (r->map[MAP_MUTUAL_INFORMATION])
			l->plogp(h, mu, n);
		if (s->square)
			l->product(square, mu, mu, n);
		if (s->logs)
			l->cross_logs(cross, mu, s->logs + (size_t)(e * K + k % K) * s->room + at, n);
		if (r->map[MAP_MARGIN] || r->map[MAP_MAX_SOFTMAX])
			l->top_two(first, second, mu, n);
	}
	put_moments(r, to, s, (size_t)e * s->room + at, e, h, square, first, second, cross, n);
	if (label || s->vote)
		segment(label ? label : own, r->mean + to, r->row, s, e, n);
	if (s->vote)
		put_votes(r, to, s, at, e, label ? label : own, n);
}

static void results_run(const struct results *r, size_t to, const struct sums *s, size_t at, size_t n, uint16_t *label, size_t label_row)
{
	double x[LOOPS_RUN];

	for (int64_t e = 0; e < distributions(s); e++)
		results_distribution(r, to, s, at, e, n, label ? label + (size_t)e * label_row : NULL);
	if (r->map[MAP_TOTAL_ENTROPY]) {
		s->loops->average(x, s->total + at, quantum_entropy, 1, n);
		s->loops->store(r->map[MAP_TOTAL_ENTROPY] + to, x, r->units_per_bit, false, n);
	}
	for (size_t v = 0; r->map[MAP_T_TEST] && v < n; v++) {
		double p = welch_of(&s->welch[at + v], s->members);
		r->map[MAP_T_TEST][to + v] = p > significance ? (float)p : 0;           /* NaN, too, becomes 0 */
	}
	for (int64_t c = 0; r->votes && c < s->channels; c++)
		memcpy(r->votes + (size_t)c * r->row + to, s->vote + (size_t)c * s->room + at, n);
}

void sums_results(const struct results *r, size_t to, const struct sums *s, size_t at, size_t n, uint16_t *label, size_t label_row)
{
	for (size_t done = 0, m; done < n; done += m) {
		m = n - done < LOOPS_RUN ? n - done : LOOPS_RUN;
		results_run(r, to + done, s, at + done, m, label ? label + done : NULL, label_row);
	}
}

bool class_entropy(float *out, const float *probs, int64_t channels, bool sigmoid, bool per_region, double per_bit, size_t voxels)
{
	const struct loops *l = *loops_all();
	double d[LOOPS_RUN], h[LOOPS_RUN];
	bool ok = true;

	for (size_t at = 0, n; at < voxels && ok; at += n) {
		n = voxels - at < LOOPS_RUN ? voxels - at : LOOPS_RUN;
		for (int64_t c = 0; c < channels; c++) {
			if (sigmoid || c == 0)
				memset(h, 0, sizeof h);
			ok &= l->widen(d, probs + (size_t)c * voxels + at, n);
			l->plogp(h, d, n);
			if (sigmoid) {
				l->complement(d, n);
				l->plogp(h, d, n);
			}
			if (sigmoid || c == channels - 1)
				l->store(out + (per_region ? (size_t)c * voxels : 0) + at, h, per_bit, sigmoid && !per_region && c > 0, n);
		}
	}
	return ok || not_probabilities();
}
