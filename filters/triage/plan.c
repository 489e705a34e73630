#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/triage/triage.h"

void labelled_make(struct labelled *l, const struct triage *how, const struct tsv *t, const char *file)
{
	int cx = column_needed(t, how->score, file), cy = column_needed(t, how->against, file);
	size_t *order = cohort_order(t), n = 0;
	double *x = xmalloc(2 * t->n_rows + 1, sizeof *x), *y = x + t->n_rows;
	struct reading reading = { .confident = how->confident, .large_is_bad = how->large_is_bad };
	struct clusters clusters;

	*l = (struct labelled){ .file = file, .cluster = xmalloc(t->n_rows + 1, sizeof *l->cluster) };
	if (!clusters_find(&clusters, t, file))
		die_failed();
	for (size_t i = 0; i < t->n_rows; i++) {
		x[n] = tsv_number(t, order[i], cx);
		y[n] = tsv_number(t, order[i], cy);
		if (!isnan(x[n]) && isfinite(y[n]))
			order[n++] = order[i];
	}
	l->dropped = t->n_rows - n;
	l->n_clusters = clusters_among(l->cluster, &clusters, order, n);
	rated_make(&l->rated, x, y, n, reading);
	for (size_t i = 0; i < n; i++)
		l->failed += risk_failed(&l->rated, i, how->failure);
	if (!l->failed)
		die(XDATA, "no case of %s has %s %s %g, so it cannot tell how to find such cases", file, how->against,
		    how->large_is_bad ? "above" : "below", how->failure);
	clusters_free(&clusters);
	free(order);
	free(x);
}

void labelled_free(struct labelled *l)
{
	rated_free(&l->rated);
	free(l->cluster);
}

static double share_of(struct budget b, size_t n)
{
	return b.share ? b.amount : fmin(1, b.amount / (double)n);
}

size_t budget_cases(struct budget b, size_t n)
{
	size_t k = (size_t)ceil(share_of(b, n) * (double)n * (1 - 1e-12));

	return k > n ? n : k;
}

double labelled_threshold(const struct labelled *l, struct budget b)
{
	size_t n = l->rated.n, k = budget_cases(b, n);

	return l->rated.x[l->rated.by_doubt[n - (k ? k : 1)]];
}

struct task { const struct rated *rated; const struct triage *how; };

/* What each budget finds, then the budget that finds enough. */
static void compute(const void *arg, const unsigned *w, double *out)
{
	const struct task *k = arg;

	for (int i = 0; i < k->how->n_budgets; i++)
		out[i] = risk_caught(k->rated, w, k->how->failure, share_of(k->how->budget[i], k->rated->n));
	if (k->how->catch > 0)
		out[k->how->n_budgets] = risk_budget(k->rated, w, k->how->failure, k->how->catch);
}

static void figures_of(struct figures *f, const struct labelled *l, const struct triage *how)
{
	struct task task = { &l->rated, how };
	struct resampling resampling = { .cluster = l->cluster, .n = l->rated.n, .n_clusters = l->n_clusters, .draws = how->draws,
		.threads = how->threads, .seed = (uint64_t)how->seed };

	figures_make(f, how->n_budgets + (how->catch > 0), &resampling, compute, &task);
}

/* What a share of the cases finds, and the interval of that. */
static struct interval found(double *caught, const struct labelled *l, const struct triage *how, struct budget b)
{
	struct triage one = *how;
	struct figures f;
	struct interval v;

	one.n_budgets = 1;
	one.budget[0] = b;
	one.catch = 0;
	figures_of(&f, l, &one);
	*caught = f.value[0];
	v = figures_interval(&f, 0, -1, how->level);
	figures_free(&f);
	return v;
}

static void line(const struct labelled *l, const struct triage *how, struct budget b, const struct interval *of_share, double caught, struct interval v)
{
	double share = share_of(b, l->rated.n);

	printf("%.4g", share);
	tsv_put_digits(stdout, of_share ? of_share->low : share, 4);
	tsv_put_digits(stdout, of_share ? of_share->high : share, 4);
	printf("\t%zu", budget_cases(b, l->rated.n));
	tsv_put(stdout, labelled_threshold(l, b));
	tsv_put_digits(stdout, caught, 4);
	tsv_put_digits(stdout, v.low, 4);
	tsv_put_digits(stdout, v.high, 4);
	tsv_put_digits(stdout, l->failed * (1 - caught), 4);
	printf("\t%zu\t%d\t%zu\t%u", l->rated.n, l->failed, l->dropped, l->n_clusters);
	printf("\t%s\t%s %s %.9g", how->score, how->against, how->large_is_bad ? ">" : "<", how->failure);
	put_note(stdout, l->n_clusters, v.undefined);
}

void print_plan(const struct labelled *l, const struct triage *how)
{
	struct figures f;

	figures_of(&f, l, how);
	puts("budget\tbudget_low\tbudget_high\tcases\tthreshold\tcaught\tcaught_low\tcaught_high\tmissed\tn\tfailed\tdropped\tclusters\tscore\tfailure\tnote");
	for (int i = 0; i < how->n_budgets; i++)
		line(l, how, how->budget[i], NULL, f.value[i], figures_interval(&f, i, -1, how->level));
	if (how->catch > 0) {
		struct budget b = { f.value[how->n_budgets], true };
		double caught;
		struct interval of_share = figures_interval(&f, how->n_budgets, -1, how->level), v = found(&caught, l, how, b);
		line(l, how, b, &of_share, caught, v);
	}
	figures_free(&f);
}

struct budget plan_catch(const struct labelled *l, const struct triage *how)
{
	struct triage alone = *how;
	struct figures f;
	struct interval of_share, v;
	struct budget b;
	double caught;

	alone.n_budgets = 0;
	figures_of(&f, l, &alone);
	b = (struct budget){ f.value[0], true };
	of_share = figures_interval(&f, 0, -1, how->level);
	v = found(&caught, l, how, b);
	warn("%s: reading %.1f %% of the cases (%.1f to %.1f), %s %s %g, finds %.1f %% (%.1f to %.1f) of the %d with %s %s %g; %u patients%s",
	     l->file, 100 * b.amount, 100 * of_share.low, 100 * of_share.high, how->score, how->confident ? "not above" : "not below",
	     labelled_threshold(l, b), 100 * caught, 100 * v.low, 100 * v.high, l->failed, how->against,
	     how->large_is_bad ? "above" : "below", how->failure, l->n_clusters, l->n_clusters < CLUSTERS_FEW ? ": indicative" : "");
	figures_free(&f);
	return b;
}
