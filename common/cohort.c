#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include "common/cohort.h"
#include "common/die.h"

/* ---- columns ---- */

/* Is name one of the list, or one of it followed by ":CLASS"? */
static bool listed(const char *const *list, const char *name)
{
	size_t n = strcspn(name, ":");

	for (; *list; list++)
		if (!strncmp(*list, name, n) && !(*list)[n])
			return true;
	return false;
}

bool column_confident(const char *name)
{
	static const char *const list[] = { "pairwise_dice", "generalized_dice", "samples_iou", "sdc", "soft_dice_confidence",
		"expected_dice", "dice_lower", NULL };

	return listed(list, name);
}

enum bad column_bad(const char *name)
{
	static const char *const small[] = { "dice", "iou", "nsd", "surface_dice", "precision", "recall", NULL };
	static const char *const large[] = { "hd", "hd95", "assd", "masd", NULL };

	return listed(small, name) ? BAD_SMALL : listed(large, name) ? BAD_LARGE : BAD_UNKNOWN;
}

bool column_rates(const struct tsv *t, int c)
{
	static const char *const others[] = { "case", "slice", "patient", "subset", "members", NULL };
	/* What error-detection makes of a map and the reference. */
	static const char *const detection[] = { "error_auroc", "error_overlap", "avu", "ause", "qu_brats", "dice_auc", "ftp_auc", "ftn_auc", NULL };
	const char *name = t->name[c], *of_map = strchr(name, '.');

	return !t->is_text[c] && column_bad(name) == BAD_UNKNOWN && !listed(others, name) && !(of_map && listed(detection, of_map + 1));
}

int column_needed(const struct tsv *t, const char *name, const char *file)
{
	int c = tsv_column(t, name);

	if (c < 0)
		die(XDATA, "%s has no column %s%s", file, name, strcmp(name, "dice") ? "" : "; score -r makes it");
	if (t->is_text[c])
		die(XDATA, "%s: no cell of column %s is a number", file, name);
	return c;
}

/* ---- rows ---- */

static const char *cell(const struct tsv *t, size_t row, int c)
{
	return t->cell[row * (size_t)t->n_columns + (size_t)c];
}

struct line { const struct tsv *t; size_t row; int first; };

static int by_cells(const void *a, const void *b)
{
	const struct line *p = a, *q = b;
	int d = strcmp(cell(p->t, p->row, p->first), cell(q->t, q->row, q->first));

	for (int c = 0; !d && c < p->t->n_columns; c++)
		d = strcmp(cell(p->t, p->row, c), cell(q->t, q->row, c));
	return d;
}

size_t *cohort_order(const struct tsv *t)
{
	struct line *line = xmalloc(t->n_rows + 1, sizeof *line);
	size_t *order = xmalloc(t->n_rows + 1, sizeof *order);
	int c = tsv_column(t, "case");

	for (size_t r = 0; r < t->n_rows; r++)
		line[r] = (struct line){ t, r, c < 0 ? 0 : c };
	qsort(line, t->n_rows, sizeof *line, by_cells);
	for (size_t r = 0; r < t->n_rows; r++)
		order[r] = line[r].row;
	free(line);
	return order;
}

/* ---- patients ---- */

const char *cluster_regex, *cluster_column;

/* The patient of each row by the expression on its case name; name: [n_rows], strings to free. */
static bool by_regex(char **name, const struct tsv *t, const char *file)
{
	regex_t re;
	regmatch_t m[2];
	char why[200];
	int c = tsv_column(t, "case"), e = regcomp(&re, cluster_regex, REG_EXTENDED);

	if (e) {
		regerror(e, &re, why, sizeof why);
		return fail(XUSAGE, "--cluster: '%s' is no regular expression: %s", cluster_regex, why);
	}
	for (size_t r = 0; r < t->n_rows; r++) {
		const char *s = c < 0 ? NULL : cell(t, r, c);
		if (c < 0 || regexec(&re, s, 2, m, 0)) {
			regfree(&re);
			return c < 0 ? fail(XDATA, "%s has no column case that --cluster could look at", file) :
			               fail(XDATA, "%s: case %s does not match --cluster '%s'", file, s, cluster_regex);
		}
		regmatch_t *k = re.re_nsub && m[1].rm_so >= 0 ? &m[1] : &m[0];
		name[r] = xasprintf("%.*s", (int)(k->rm_eo - k->rm_so), s + k->rm_so);
	}
	regfree(&re);
	return true;
}

static bool by_column(char **name, const struct tsv *t, const char *file)
{
	const char *wanted = cluster_column ? cluster_column : tsv_column(t, "patient") >= 0 ? "patient" : "case";
	int c = tsv_column(t, wanted);

	if (c < 0 && cluster_column)
		return fail(XDATA, "%s has no column %s that --cluster-column names", file, wanted);
	size_t *order = cohort_order(t);
	for (size_t i = 0; i < t->n_rows; i++)           /* a table without names: each row is a case of its own */
		name[order[i]] = c < 0 ? xasprintf("%020zu", i) : xstrdup(cell(t, order[i], c));
	free(order);
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool clusters_find(struct clusters *k, const struct tsv *t, const char *file)
{
	size_t n = t->n_rows;
	char **name = xcalloc(n + 1, sizeof *name), **sorted = xmalloc(n + 1, sizeof *sorted);
	bool ok;

	*k = (struct clusters){ .of = xmalloc(n + 1, sizeof *k->of) };
	if (cluster_regex && cluster_column)
		ok = fail(XUSAGE, "--cluster and --cluster-column exclude each other");
	else
		ok = cluster_regex ? by_regex(name, t, file) : by_column(name, t, file);
	if (ok) {
		memcpy(sorted, name, n * sizeof *name);
		qsort(sorted, n, sizeof *sorted, by_text);
		for (size_t r = 0; r < n; r++)
			if (!r || strcmp(sorted[r], sorted[k->n - 1]))
				sorted[k->n++] = sorted[r];
		for (size_t r = 0; r < n; r++)
			k->of[r] = (unsigned)((char **)bsearch(&name[r], sorted, k->n, sizeof *sorted, by_text) - sorted);
	}
	for (size_t r = 0; r < n; r++)
		free(name[r]);
	free(name);
	free(sorted);
	return ok;
}

unsigned clusters_among(unsigned *out, const struct clusters *k, const size_t *row, size_t n)
{
	unsigned *number = xcalloc(k->n + 1, sizeof *number), count = 0;

	for (size_t i = 0; i < n; i++)
		number[k->of[row[i]]] = 1;
	for (unsigned c = 0; c < k->n; c++)
		number[c] = number[c] ? count++ : 0;
	for (size_t i = 0; i < n; i++)
		out[i] = number[k->of[row[i]]];
	free(number);
	return count;
}

void clusters_free(struct clusters *k)
{
	free(k->of);
	*k = (struct clusters){0};
}

void put_note(FILE *out, unsigned n_clusters, int undefined)
{
	const char *few = n_clusters < CLUSTERS_FEW ? "indicative" : "";

	if (undefined)
		fprintf(out, "\t%s%sundefined_draws:%d\n", few, *few ? "," : "", undefined);
	else
		fprintf(out, "\t%s\n", *few ? few : "-");
}
