#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "common/stats.h"

static const double quantum_p = 0x1p-56;        /* every fp32 in [2^-32, 1] is a multiple; smaller ones round to it */
static const double quantum_bits = 0x1p-50;     /* 255 members of at most 16 bits stay below 2^64 */
static const double significance = 0.05;        /* UnnUNet's README: lower p values are set to null */

const char *const map_kinds[] = { "class_entropy", "total_entropy", "t_test", "expected_entropy", NULL };

unsigned map_of_members(const char *kind)
{
	if (!strcmp(kind, "total_entropy"))
		return MAP_TOTAL_ENTROPY;
	if (!strcmp(kind, "t_test"))
		return MAP_T_TEST;
	return strcmp(kind, "expected_entropy") ? 0 : MAP_EXPECTED_ENTROPY;
}

size_t sums_bytes(int64_t channels, unsigned maps)
{
	return (size_t)channels * sizeof(uint64_t) + (maps & MAP_TOTAL_ENTROPY ? sizeof(uint64_t) : 0) +
	       (maps & MAP_EXPECTED_ENTROPY ? sizeof(uint64_t) : 0) + (maps & MAP_T_TEST ? sizeof(struct welch) : 0);
}

void sums_begin(struct sums *s, int64_t channels, bool sigmoid, unsigned maps, size_t voxels)
{
	if (s->channels != channels || s->maps != maps || s->room < voxels) {
		sums_free(s);
		s->p = xaligned(voxels, (size_t)channels * sizeof *s->p);
		if (maps & MAP_TOTAL_ENTROPY)
			s->total = xaligned(voxels, sizeof *s->total);
		if (maps & MAP_EXPECTED_ENTROPY)
			s->expected = xaligned(voxels, sizeof *s->expected);
		if (maps & MAP_T_TEST)
			s->welch = xaligned(voxels, sizeof *s->welch);
		s->room = voxels;
	}
	s->channels = channels;
	s->sigmoid = sigmoid;
	s->maps = maps;
	s->voxels = voxels;
	s->members = 0;
	memset(s->p, 0, voxels * (size_t)channels * sizeof *s->p);
	if (s->total)
		memset(s->total, 0, voxels * sizeof *s->total);
	if (s->expected)
		memset(s->expected, 0, voxels * sizeof *s->expected);
	if (s->welch)
		memset(s->welch, 0, voxels * sizeof *s->welch);
}

void sums_free(struct sums *s)
{
	free(s->p);
	free(s->total);
	free(s->expected);
	free(s->welch);
	*s = (struct sums){0};
}

static uint64_t quanta_p(double p)
{
	return (uint64_t)llrint((p < 1 ? p : 1) / quantum_p);
}

static double plogp(double p) { return p > 0 ? -p * log2(p) : 0; }
static double binary_entropy(double p) { return plogp(p) + plogp(1 - p); }

static bool add_probs(struct sums *s, const float *probs)
{
	size_t n = (size_t)s->channels * s->voxels;
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		double p = (double)probs[i];
		ok &= p >= 0 && p <= 1.0001;            /* a softmax in fp32 may round to a little over 1 */
		s->p[i] += quanta_p(ok ? p : 0);
	}
	return ok || fail(XDATA, "its probabilities hold a value that is not in 0 to 1");
}

static void add_total(struct sums *s, const float *probs)
{
	for (size_t v = 0; v < s->voxels; v++) {
		double h = 0;
		for (int64_t c = !s->sigmoid; c < s->channels; c++)
			h += plogp((double)probs[(size_t)c * s->voxels + v]);
		s->total[v] += (uint64_t)llrint(fmax(h, 0) / quantum_bits);
	}
}

/* Entropy over all channels of one voxel; p steps by stride. */
static double entropy_bits(const float *p, int64_t channels, size_t stride, bool sigmoid)
{
	double h = 0;

	for (int64_t c = 0; c < channels; c++, p += stride)
		h = sigmoid ? fmax(h, binary_entropy(fmin((double)*p, 1))) : h + plogp((double)*p);
	return fmax(h, 0);
}

static void add_expected(struct sums *s, const float *probs)
{
	for (size_t v = 0; v < s->voxels; v++)
		s->expected[v] += (uint64_t)llrint(entropy_bits(probs + v, s->channels, s->voxels, s->sigmoid) / quantum_bits);
}

static void add_welch(struct sums *s, const float *probs)
{
	for (size_t v = 0; v < s->voxels; v++) {
		struct welch *w = &s->welch[v];
		double group[2] = { (double)probs[v], 0 };
		for (int64_t c = !s->sigmoid; c < s->channels; c++) {
			double p = (double)probs[(size_t)c * s->voxels + v];
			group[1] = s->sigmoid ? fmax(group[1], p) : group[1] + p;
		}
		if (s->sigmoid)
			group[0] = fmax(1 - group[1], 0);
		for (int g = 0; g < 2; g++) {
			uint64_t q = quanta_p(group[g]);
			w->sum[g] += q;
			w->square[g] += (unsigned __int128)q * q;
		}
	}
}

bool sums_add(struct sums *s, const float *probs)
{
	if (s->members == MEMBERS_MAX)
		return fail(XDATA, "there are more than %d members", MEMBERS_MAX);
	if (!add_probs(s, probs))
		return false;
	if (s->total)
		add_total(s, probs);
	if (s->expected)
		add_expected(s, probs);
	if (s->welch)
		add_welch(s, probs);
	s->members++;
	return true;
}

void sums_mean(float *out, const struct sums *s)
{
	double scale = quantum_p / s->members;
	size_t n = (size_t)s->channels * s->voxels;

	for (size_t i = 0; i < n; i++)
		out[i] = (float)((double)s->p[i] * scale);
}

double welch_p(double difference, double variance0, double variance1, int n)
{
	double a = variance0 / n, b = variance1 / n;
	double df = (a + b) * (a + b) / (a * a / (n - 1) + b * b / (n - 1));
	double t = difference / sqrt(a + b);

	return stats_student_two_sided(t, isnan(df) ? 1 : df);
}

static double welch_of(const struct welch *w, int n)
{
	double variance[2], difference = w->sum[0] > w->sum[1] ? (double)(w->sum[0] - w->sum[1]) : (double)(w->sum[1] - w->sum[0]);
	double far;

	for (int g = 0; g < 2; g++) {                   /* n sum x^2 - (sum x)^2 is exact: below 255^2 2^112 */
		unsigned __int128 square = (unsigned __int128)w->sum[g] * w->sum[g];
		variance[g] = (double)((unsigned __int128)n * w->square[g] - square) * quantum_p * quantum_p / n / (n - 1);
	}
	difference *= quantum_p / n;
	/* |t| > 12.8 is p < 0.05 for every df >= 1, and Welch's df is never less than n - 1: no need of the distribution. */
	far = 12.8 * sqrt((variance[0] + variance[1]) / n);
	return n > 1 && difference > far ? 0 : welch_p(difference, variance[0], variance[1], n);
}

void sums_map(float *out, const struct sums *s, unsigned map)
{
	for (size_t v = 0; v < s->voxels; v++) {
		if (map == MAP_TOTAL_ENTROPY) {
			out[v] = (float)((double)s->total[v] * quantum_bits);
		} else if (map == MAP_EXPECTED_ENTROPY) {
			out[v] = (float)((double)s->expected[v] * quantum_bits / s->members);
		} else {
			double p = welch_of(&s->welch[v], s->members);
			out[v] = p > significance ? (float)p : 0;       /* NaN, too, becomes 0 */
		}
	}
}

void class_entropy(float *out, const float *probs, int64_t channels, bool sigmoid, double per_bit, size_t voxels)
{
	for (size_t v = 0; v < voxels; v++)
		out[v] = (float)(entropy_bits(probs + v, channels, voxels, sigmoid) * per_bit);
}
