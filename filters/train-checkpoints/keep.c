#include "common/as_coded.h"
#include "filters/train-checkpoints/keep.h"

/* Whole parts of k->sparse numbers in even distances from 0.7 T_c (down to a whole epoch) to the last epoch, T_c - 1; a single one
 * is the last. */
static bool is_sparse(const struct keep *k, int t, int length)
{
	int first = length * 7 / 10, last = length - 1;

	if (k->sparse == 1)
		return t == last;
	for (int i = 0; i < k->sparse; i++)
		if (t == first + (int)((long long)i * (last - first) / (k->sparse - 1)))
			return true;
	return false;
}

int keep_epoch(const struct keep *k, int epoch)
{
	int length = k->epochs / k->cycles, t = epoch % length;
	bool late = k->rule == KEEP_LATE || k->rule == KEEP_BOTH, sparse = k->rule == KEEP_SPARSE || k->rule == KEEP_BOTH;

	if (k->as_coded)
		return (late && coded_keeps_late(epoch, k->epochs, k->cycles) ? KEPT : 0) |
		       (sparse && coded_keeps_sparse(epoch, k->epochs, k->cycles) ? KEPT_APART : 0);
	return (late && t >= length - k->late) || (sparse && is_sparse(k, t, length)) ? KEPT : 0;
}
