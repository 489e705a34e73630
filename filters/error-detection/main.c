/* error-detection: how well each uncertainty map finds the voxels that are segmented wrongly. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/reference.h"
#include "common/scoring.h"
#include "common/tsv.h"
#include "filters/error-detection/detection.h"

static const char *references, *curves;
static double highest = NAN;
static const struct opt opts[] = {
	OPT_STRING('r', "references", &references, "LABELS", "folder of reference labels, or the label map of the only case"),
	OPT_DOUBLE(0, "highest", &highest, "U", 1e-30, 1e30, "highest threshold (the largest value of each map and case)"),
	OPT_STRING(0, "curves", &curves, "FILE", "write what lies below and above each threshold into FILE"),
	OPT_KEEP_GOING,
	OPT_END
};

/* One case while its slabs go by; kept for the next. */
struct job {
	struct scoring scoring;
	uint16_t *reference;             /* [z][y][x] */
	int room;                        /* counts allocated */
	struct cell *count;              /* [n_maps][n_parts][CELLS] */
	float *largest;                  /* [n_maps][n_parts] */
	FILE *curves;                    /* NULL if not wanted */
};

static int n_counts(const struct job *j) { return j->scoring.n_maps * j->scoring.n_parts; }

static bool begin(struct job *j, const struct frame *f, int n_case)
{
	char *path = NULL;
	size_t need;
	bool ok = scoring_begin(&j->scoring, f, false, false) && (path = reference_path(references, f->name, n_case)) &&
	          reference_read(&j->reference, path, f, &j->scoring.segmentation.labels);

	free(path);
	if (!ok)
		return false;
	need = (size_t)n_counts(j) * CELLS * sizeof *j->count;
	if (frame_grid_voxels(f) > UINT32_MAX)
		return fail(XDATA, "it has more voxels than can be counted, 2^32");
	if (need > memory_limit)
		return fail(XDATA, "counts for %d maps of %d classes need %zu MiB, over the limit of %zu MiB (--memory raises it, "
		            "'frames -L' chooses maps)", j->scoring.n_maps, j->scoring.n_parts, need >> 20, memory_limit >> 20);
	if (n_counts(j) > j->room) {
		j->room = n_counts(j);
		j->count = xrealloc(j->count, (size_t)j->room * CELLS, sizeof *j->count);
		j->largest = xrealloc(j->largest, (size_t)j->room, sizeof *j->largest);
	}
	memset(j->count, 0, need);
	memset(j->largest, 0, (size_t)n_counts(j) * sizeof *j->largest);
	return true;
}

/* Adds a slab to the counts of one map and part; u: [voxels], value of the map. */
static bool count(struct cell *cell, float *largest, const struct job *j, const struct part *p, const float *u, const uint16_t *truth,
                  size_t voxels)
{
	const uint16_t *seg = j->scoring.seg;
	int ignore = j->scoring.segmentation.labels.ignore;

	for (size_t v = 0; v < voxels; v++) {
		struct cell *c;
		bool in, should;
		if (truth[v] == ignore)
			continue;
		if (u[v] < 0)
			return false;
		c = &cell[cell_of(u[v])];
		in = p->has[seg[v]];
		should = p->has[truth[v]];
		c->wrong += p->label ? in != should : seg[v] != truth[v];
		c->tp += in && should;
		c->fp += in && !should;
		c->fn += !in && should;
		c->tn += !in && !should;
		*largest = u[v] > *largest ? u[v] : *largest;
	}
	return true;
}

static bool take_slab(struct job *j, const struct frame *f)
{
	const struct scoring *s = &j->scoring;
	const uint16_t *truth = j->reference + ((size_t)f->z * (size_t)f->shape[1] + (size_t)f->y) * (size_t)f->shape[2];

	for (int m = 0; m < s->n_maps; m++)
		for (int p = 0; p < s->n_parts; p++) {
			int i = m * s->n_parts + p;
			if (!count(j->count + (size_t)i * CELLS, &j->largest[i], j, &s->part[p], s->value[scoring_view(s, m, p)], truth, frame_voxels(f)))
				return fail(XDATA, "its map %s holds a negative value", s->map[m]->kind);
		}
	return true;
}

/* Cells of the table of curves; a tab in a name would be one too many. */
static void put_name(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == '\t' || *name == '\n' || *name == '\r' ? ' ' : *name, out);
	fputc('\t', out);
}

static void put_names(FILE *out)
{
	fputs("case\tmap\tname\tstep", out);
	for (int i = 0; i < N_COLUMNS; i++)
		fprintf(out, "\t%s", column_name[i]);
	fputc('\n', out);
}

static void put_curve(const struct job *j, const char *name, const char *map, const char *part, const struct curve *curve)
{
	for (int k = 0; k < THRESHOLDS; k++) {
		put_name(j->curves, name);
		put_name(j->curves, map);
		put_name(j->curves, part ? part : "-");
		fprintf(j->curves, "%d", k);
		for (int i = 0; i < N_COLUMNS; i++)
			tsv_put(j->curves, curve->column[i][k]);
		fputc('\n', j->curves);
	}
}

static void put_scores(struct job *j, struct frame *f)
{
	struct scoring *s = &j->scoring;
	struct curve curve;
	double value[N_MEASURES];

	for (int m = 0; m < s->n_maps; m++) {
		for (int p = 0; p < s->n_parts; p++) {
			int i = m * s->n_parts + p;
			const struct cell *cell = j->count + (size_t)i * CELLS;
			detection_curve(&curve, cell, j->largest[i], highest);
			detection_measures(value, cell, &curve);
			for (int k = 0; k < N_MEASURES; k++) {
				char *name = xasprintf("%s.%s", s->map[m]->kind, measure_name[k]);
				scoring_put(s, -1, name, p, value[k]);
				free(name);
			}
			if (j->curves)
				put_curve(j, f->name, s->map[m]->kind, s->part[p].name, &curve);
		}
	}
}

static bool slabs(struct sink *out, struct source *in, struct frame *f, struct job *j)
{
	bool begun = false;

	while (source_slab(in, f)) {
		if (!scoring_slab(&j->scoring, f) || !take_slab(j, f))
			return false;
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	if (!f->failed)
		put_scores(j, f);
	return scoring_done(&j->scoring, f, false);
}

static void one_case(struct sink *out, struct source *in, struct frame *f, struct job *j, int n_case)
{
	bool ok = scoring_find(&j->scoring, f, false);

	if (ok && (!scoring_any(&j->scoring) || !j->scoring.n_maps)) {          /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (ok && begin(j, f, n_case) && slabs(out, in, f, j))
		sink_end(out, f);
	else
		case_failed(out, in, f);
	scoring_end(&j->scoring);
	free(j->reference);
	j->reference = NULL;
}

static void write_curves(struct outfile *file, const char *text, size_t n)
{
	if (!io_write(file->fd, text, n))
		die_sys("cannot write %s", curves);
	if (!outfile_commit(file))
		die_failed();
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct job j = {0};
	struct outfile file = {0};
	char *text = NULL;
	size_t n_text;

	opt_parse(&argc, &argv, opts, "", "how well each uncertainty map finds the voxels that are segmented wrongly");
	if (!references)
		opt_usage("-r LABELS is needed to tell what is wrong");
	if (curves && !outfile_open(&file, curves))
		die_failed();
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	if (curves && !(j.curves = open_memstream(&text, &n_text)))
		die_sys("cannot make a table");
	if (curves)
		put_names(j.curves);
	for (int n = 1; source_next(in, &f); n++) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, &j, n);
	}
	if (curves) {
		if (fclose(j.curves))
			die_sys("cannot make a table");
		write_curves(&file, text, n_text);
	}
	free(text);
	scoring_free(&j.scoring);
	free(j.count);
	free(j.largest);
	frame_free(&f);
	return filter_end(in, out);
}
