/* Simulated cohorts of 200 cases of 50 patients, 1,000 draws: how often the 95 % interval of AURC, AUGRC, Spearman and of the
 * difference of two AURCs holds the value of the whole population.  (Other flavors than release: a few cohorts, to look for
 * errors only.) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/bootstrap.h"
#include "common/parallel.h"
#include "common/random.h"
#include "common/risk.h"

enum { PATIENTS = 50, EACH = 4, CASES = PATIENTS * EACH, COHORTS = 600, POPULATION = 400000, FIGURES = 4 };
static const char *const names[FIGURES] = { "aurc", "augrc", "spearman", "difference of aurc" };

static double normal(uint64_t stream, uint64_t i)
{
	return sqrt(-2 * log(random_unit(5, stream, 2 * i))) * cos(2 * acos(-1.0) * random_unit(5, stream, 2 * i + 1));
}

/* Dice from the quality of the patient and of the case, a score that follows quality but for an error of the patient and one
 * of the case, and a worse one.  x, z, y: [patients * each]. */
static void simulate(double *x, double *z, double *y, int patients, int each, uint64_t stream)
{
	uint64_t at = 0;

	for (int p = 0, i = 0; p < patients; p++) {
		double quality = normal(stream, at++), error = normal(stream, at++);
		for (int k = 0; k < each; k++, i++) {
			double q = sqrt(0.5) * quality + sqrt(0.5) * normal(stream, at++);
			x[i] = -q + 0.45 * error + 0.6 * normal(stream, at++);
			z[i] = x[i] + 0.5 * normal(stream, at++);
			y[i] = 1 - 1 / (1 + exp(1.8 + 1.2 * q));
		}
	}
}

static void compute(const void *arg, const unsigned *w, double *out)
{
	const struct rated *r = arg;
	double (*aurc)(const struct rated *, const unsigned *) = metric_named("aurc", 4)->of;

	out[0] = aurc(&r[0], w);
	out[1] = metric_named("augrc", 5)->of(&r[0], w);
	out[2] = metric_named("spearman", 8)->of(&r[0], w);
	out[3] = aurc(&r[1], w);
}

static void both(struct rated r[2], const double *x, const double *z, const double *y, size_t n)
{
	rated_make(&r[0], x, y, n, (struct reading){0});
	rated_make(&r[1], z, y, n, (struct reading){0});
}

static void population(double *truth)
{
	double *x = malloc(3 * POPULATION * sizeof *x);
	struct rated r[2];

	simulate(x, x + POPULATION, x + 2 * POPULATION, POPULATION, 1, 1u << 30);
	both(r, x, x + POPULATION, x + 2 * POPULATION, POPULATION);
	compute(r, NULL, truth);
	truth[3] -= truth[0];
	rated_free(&r[0]);
	rated_free(&r[1]);
	free(x);
}

int main(void)
{
	double truth[FIGURES], x[CASES], z[CASES], y[CASES];
	unsigned patient[CASES], cohorts = getenv("FLAVOR") && strcmp(getenv("FLAVOR"), "release") ? 10 : COHORTS;
	int below[FIGURES] = {0}, above[FIGURES] = {0}, wrong = 0;
	struct resampling how = { .cluster = patient, .n = CASES, .n_clusters = PATIENTS, .draws = 1000, .threads = parallel_cpus() };

	population(truth);
	for (unsigned i = 0; i < CASES; i++)
		patient[i] = i / EACH;
	for (uint64_t c = 0; c < cohorts; c++) {
		struct rated r[2];
		struct figures f;
		simulate(x, z, y, PATIENTS, EACH, c);
		both(r, x, z, y, CASES);
		how.seed = c;
		figures_make(&f, FIGURES, &how, compute, r);
		for (int i = 0; i < FIGURES; i++) {
			struct interval v = figures_interval(&f, i, i == 3 ? 0 : -1, 0.95);
			below[i] += truth[i] < v.low;
			above[i] += truth[i] > v.high;
		}
		figures_free(&f);
		rated_free(&r[0]);
		rated_free(&r[1]);
	}
	for (int i = 0; i < FIGURES; i++) {
		double covered = 100 - 100.0 * (below[i] + above[i]) / cohorts;
		printf("note: %s %.4f is in %.1f %% of %u intervals, below %d, above %d\n", names[i], truth[i], covered, cohorts, below[i], above[i]);
		wrong += cohorts == COHORTS && !(covered >= 93 && covered <= 97);
	}
	return wrong != 0;
}
