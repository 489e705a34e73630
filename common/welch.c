#include <math.h>
#include "common/stats.h"
#include "common/welch.h"

static const double quantum = 0x1p-56;          /* every fp32 in [2^-32, 1] is a multiple; others are cut to one */

void welch_add(struct welch *w, double background, double foreground)
{
	double group[2] = { background, foreground };

	for (int g = 0; g < 2; g++) {
		uint64_t q = (uint64_t)(int64_t)((group[g] < 1 ? group[g] : 1) * 0x1p56);
		w->sum[g] += q;
		w->square[g] += (unsigned __int128)q * q;
	}
}

double welch_p(double difference, double variance0, double variance1, int n)
{
	double a = variance0 / n, b = variance1 / n;
	double df = (a + b) * (a + b) / (a * a / (n - 1) + b * b / (n - 1));
	double t = difference / sqrt(a + b);

	return stats_student_two_sided(t, isnan(df) ? 1 : df);
}

double welch_of(const struct welch *w, int n)
{
	double variance[2], difference = w->sum[0] > w->sum[1] ? (double)(w->sum[0] - w->sum[1]) : (double)(w->sum[1] - w->sum[0]);
	double far;

	for (int g = 0; g < 2; g++) {                   /* n sum x^2 - (sum x)^2 is exact: below 255^2 2^112 */
		unsigned __int128 square = (unsigned __int128)w->sum[g] * w->sum[g];
		variance[g] = (double)((unsigned __int128)n * w->square[g] - square) * quantum * quantum / n / (n - 1);
	}
	difference *= quantum / n;
	/* |t| > 12.8 is p < 0.05 for every df >= 1, and Welch's df is never less than n - 1: no need of the distribution. */
	far = 12.8 * sqrt((variance[0] + variance[1]) / n);
	return n > 1 && difference > far ? 0 : welch_p(difference, variance[0], variance[1], n);
}
