#include <math.h>
#include <string.h>
#include "filters/error-detection/detection.h"

const char *const measure_name[N_MEASURES] = { "error_auroc", "error_overlap", "avu", "ause", "qu_brats", "dice_auc", "ftp_auc", "ftn_auc" };
const char *const column_name[N_COLUMNS] = { "threshold", "certain", "dice", "ftp", "ftn", "avu", "overlap" };

struct sum { double n, wrong, tp, fp, fn, tn; };         /* voxels; whole numbers */

int cell_of(float u)
{
	enum { STEPS = 1024, LOWEST = -40 };
	uint32_t bits;
	int step;

	if (u < 0x1p-40f)
		return u > 0;
	memcpy(&bits, &u, sizeof bits);
	step = 2 + (int)(bits >> 13) - (127 + LOWEST) * STEPS;
	return step < CELLS ? step : CELLS - 1;
}

static void add(struct sum *s, const struct cell *c)
{
	s->wrong += c->wrong;
	s->tp += c->tp;
	s->fp += c->fp;
	s->fn += c->fn;
	s->tn += c->tn;
	s->n = s->tp + s->fp + s->fn + s->tn;
}

static struct sum sum_of(const struct cell *cell)
{
	struct sum s = {0};

	for (int i = 0; i < CELLS; i++)
		add(&s, &cell[i]);
	return s;
}

/* Step k of the curve.  certain: the voxels at most the threshold; all: these and the rest. */
static void put_step(struct curve *curve, int k, const struct sum *certain, const struct sum *all, double threshold)
{
	double uncertain = all->n - certain->n, caught = all->wrong - certain->wrong, size = 2 * certain->tp + certain->fp + certain->fn;
	double (*column)[THRESHOLDS] = curve->column;

	column[THRESHOLD][k] = threshold;
	column[CERTAIN][k] = certain->n / all->n;
	column[DICE][k] = size > 0 ? 2 * certain->tp / size : 1;
	column[FTP][k] = all->tp > 0 ? 1 - certain->tp / all->tp : 0;
	column[FTN][k] = all->tn > 0 ? 1 - certain->tn / all->tn : 0;
	column[STEP_AVU][k] = (certain->n - certain->wrong + caught) / all->n;
	column[STEP_OVERLAP][k] = all->wrong > 0 ? 2 * caught / (uncertain + all->wrong) : NAN;
	for (int i = CERTAIN; i < N_COLUMNS && all->n <= 0; i++)
		column[i][k] = NAN;
}

void detection_curve(struct curve *curve, const struct cell *cell, float largest, double highest)
{
	struct sum all = sum_of(cell), certain = {0};
	int next = 0;

	if (isnan(highest))
		highest = (double)largest;
	for (int k = 0; k < THRESHOLDS; k++) {
		double threshold = highest * k / (THRESHOLDS - 1);
		int last = cell_of((float)threshold);
		for (; next <= last; next++)
			add(&certain, &cell[next]);
		put_step(curve, k, &certain, &all, threshold);
	}
}

/* Area under a column over 0 to 1, by trapezoids. */
static double area(const double column[THRESHOLDS])
{
	double sum = (column[0] + column[THRESHOLDS - 1]) / 2;

	for (int k = 1; k < THRESHOLDS - 1; k++)
		sum += column[k];
	return sum / (THRESHOLDS - 1);
}

/* The probability that a wrong voxel has a larger value than a right one; equal ones count a half (Mann and Whitney). */
static double auroc(const struct cell *cell, const struct sum *all)
{
	double right = all->n - all->wrong, below = 0, sum = 0;

	for (int i = 0; i < CELLS; i++) {
		double here = (double)cell[i].tp + cell[i].fp + cell[i].fn + cell[i].tn - cell[i].wrong;
		sum += cell[i].wrong * (below + here / 2);
		below += here;
	}
	return all->wrong > 0 && right > 0 ? sum / all->wrong / right : NAN;
}

/* The largest overlap of all thresholds. */
static double best_overlap(const struct cell *cell, const struct sum *all)
{
	double uncertain = 0, caught = 0, best = 0;

	for (int i = CELLS - 1; i >= 0; i--) {
		uncertain += (double)cell[i].tp + cell[i].fp + cell[i].fn + cell[i].tn;
		caught += cell[i].wrong;
		best = fmax(best, 2 * caught / (uncertain + all->wrong));
	}
	return all->wrong > 0 ? best : NAN;
}

/* Integral over r of e(r) / r, e the wrong voxels among the r most certain ones: e rises evenly by `wrong` from r to r + n. */
static double rejection_area(double r, double e, double n, double wrong)
{
	double slope = wrong / n;

	return r > 0 ? wrong + (e - slope * r) * log1p(n / r) : wrong;
}

/* Area between the error rate of what remains when the most uncertain voxels are taken away, from none to all of them, and the
 * same when wrong ones are taken first (Ilg et al. 2018).  Voxels of a cell go evenly. */
static double ause(const struct cell *cell, const struct sum *all)
{
	double right = all->n - all->wrong, r = 0, e = 0, own = 0, oracle;

	for (int i = 0; i < CELLS; i++) {
		double n = (double)cell[i].tp + cell[i].fp + cell[i].fn + cell[i].tn;
		if (n > 0)
			own += rejection_area(r, e, n, cell[i].wrong);
		r += n;
		e += cell[i].wrong;
	}
	oracle = all->wrong > 0 ? rejection_area(right, 0, all->wrong, all->wrong) : 0;
	return all->n > 0 ? (own - oracle) / all->n : NAN;
}

void detection_measures(double value[N_MEASURES], const struct cell *cell, const struct curve *curve)
{
	struct sum all = sum_of(cell);

	value[AUROC] = auroc(cell, &all);
	value[OVERLAP] = best_overlap(cell, &all);
	value[AVU] = area(curve->column[STEP_AVU]);
	value[AUSE] = ause(cell, &all);
	value[DICE_AUC] = area(curve->column[DICE]);
	value[FTP_AUC] = area(curve->column[FTP]);
	value[FTN_AUC] = area(curve->column[FTN]);
	value[QU_BRATS] = (value[DICE_AUC] + (1 - value[FTP_AUC]) + (1 - value[FTN_AUC])) / 3;
}
