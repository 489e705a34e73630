/* calibrate: how well probabilities agree with reference labels, and the temperature at which they agree best. */
#include <stdlib.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/progress.h"
#include "common/reference.h"
#include "filters/calibrate/count.h"
#include "filters/calibrate/report.h"

enum { BINS = 15 };

static const char *references, *reliability, *fit, *sums;
static int bins = BINS;
static bool foreground, per_case, merge;
static const struct opt opts[] = {
	OPT_STRING('r', "references", &references, "LABELS", "folder of reference labels, or the label map of the only case"),
	OPT_INT(0, "bins", &bins, "N", 1, BINS_MAX, "bins of the calibration errors"),
	OPT_FLAG(0, "foreground", &foreground, "count only voxels that are foreground in the reference or the segmentation"),
	OPT_FLAG(0, "per-case", &per_case, "add rows for each case"),
	OPT_STRING(0, "reliability", &reliability, "FILE", "write the table of a reliability diagram into FILE"),
	OPT_STRING(0, "fit", &fit, "FILE", "fit a temperature and write it into FILE, for temper"),
	OPT_STRING(0, "sums", &sums, "FILE", "write what was counted into FILE, for --merge"),
	OPT_FLAG(0, "merge", &merge, "read no stream but the sums in files SUMS, made from parts of the cases, and add them"),
	OPT_PROGRESS,
	OPT_KEEP_GOING,
	OPT_END
};

static bool count_case(struct counter *c, struct counts *s, struct source *in, struct frame *f, int n)
{
	char *path = reference_path(references, f->name, n);
	bool ok = path && count_begin(c, s, f, path);

	while (ok && source_slab(in, f))
		ok = count_slab(c, s, f);
	free(path);
	return ok;
}

/* Counts every case of the stream on standard input. */
static int count_stream(struct counts *s)
{
	struct frame f = {0};
	struct counter c = {0};
	struct source *in = source_open(NULL);

	progress_begin(source_cases(in));
	for (int n = 1; source_next(in, &f); n++) {
		if (!f.failed && count_case(&c, s, in, &f, n) && !f.failed) {
			counts_add(s, f.name, &c.part);
		} else if (f.failed) {
			counts_row(s, f.name, f.failed);
		} else {
			counts_row(s, f.name, failed_text());
			case_failed(NULL, in, &f);
		}
		count_end(&c);
		progress_step(f.name);
	}
	progress_end();
	count_free(&c, s);
	frame_free(&f);
	return filter_end(in, NULL);
}

static void read_sums(struct counts *s, char *const *path, int n)
{
	for (int i = 0; i < n; i++)
		if (!counts_read(s, path[i]))
			die_failed();
	for (int i = 0; i < s->n_cases; i++)
		if (s->row[i].reason)
			warn("%s: %s", s->row[i].name, s->row[i].reason);
}

/* Frees text. */
static void write_file(struct outfile *file, char *text, size_t n)
{
	if (!io_write(file->fd, text, n))
		die_sys("cannot write %s", file->path);
	if (!outfile_commit(file))
		die_failed();
	free(text);
}

static void open_file(struct outfile *file, const char *path)
{
	if (path && !outfile_open(file, path))
		die_failed();
}

/* The files that were asked for. */
static void write_files(struct outfile *reliability_out, struct outfile *fit_out, struct outfile *sums_out, const struct counts *s)
{
	char *text;
	size_t n;

	if (reliability) {
		text = report_reliability(&n, s);
		write_file(reliability_out, text, n);
	}
	if (fit) {
		text = report_fit(&n, s);
		write_file(fit_out, text, n);
	}
	if (sums) {
		text = counts_text(s, &n);
		write_file(sums_out, text, n);
	}
}

static void check_options(int operands)
{
	if (!merge && operands)
		opt_usage("files of sums are read with --merge only");
	if (!merge && !references)
		opt_usage("-r LABELS is needed to compare with");
	if (merge && !operands)
		opt_usage("--merge needs the files of sums");
	if (merge && (references || keep_going || foreground || bins != BINS))
		opt_usage("--merge takes neither -r nor -k, and --bins and --foreground are in the sums already");
}

int main(int argc, char **argv)
{
	struct outfile reliability_out = {0}, fit_out = {0}, sums_out = {0};
	int status = XOK;
	char *text;
	size_t n;

	opt_parse(&argc, &argv, opts, "[SUMS ...]",
	          "how well probabilities agree with reference labels, and the temperature at which they agree best");
	check_options(argc);
	struct counts s = { .n_bins = merge ? 0 : bins, .foreground = foreground, .with_fit = fit != NULL };
	open_file(&reliability_out, reliability);
	open_file(&fit_out, fit);
	open_file(&sums_out, sums);
	if (merge)
		read_sums(&s, argv, argc);
	else
		status = count_stream(&s);
	if (!counts_sort(&s))
		die_failed();
	if (fit && !s.with_fit)
		die(XDATA, "these sums were made without --fit");
	for (int i = 0; i < s.n_cases; i++)
		status = s.row[i].reason ? XDATA : status;
	write_files(&reliability_out, &fit_out, &sums_out, &s);
	text = report_measures(&n, &s, per_case);
	if (!io_write(STDOUT_FILENO, text, n))
		die_sys("cannot write standard output");
	free(text);
	counts_free(&s);
	return status;
}
