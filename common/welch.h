/* welch: Welch's test of the members' background probabilities against those of the foreground. */
#ifndef COMMON_WELCH_H
#define COMMON_WELCH_H
#include <stddef.h>
#include <stdint.h>

struct welch { uint64_t sum[2]; unsigned __int128 square[2]; };  /* of background and foreground, in quanta of 2^-56 */

/* Adds the probabilities, in 0 to 1, that a member gives to background and foreground. */
void welch_add(struct welch *w, double background, double foreground);
/* Two-sided p of the test for n members; NaN when it is undefined. */
double welch_of(const struct welch *w, int n);

/* Welch's two-sided p from n values each of two groups: difference of means, variances (n - 1 in the denominator).
 * NaN when it is undefined, as scipy.stats.ttest_ind(equal_var=False) has it. */
double welch_p(double difference, double variance0, double variance1, int n);
#endif
