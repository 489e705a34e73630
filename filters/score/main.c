/* score: table of the scores of every case, with Dice where reference labels are given. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/progress.h"
#include "common/reference.h"
#include "common/slices.h"
#include "filters/score/dice.h"
#include "filters/score/table.h"

static const char *references, *output;
static bool pass, per_slice, as_coded;
static const struct opt opts[] = {
	OPT_STRING('r', "references", &references, "LABELS", "folder of reference labels, or the label map of the only case; adds dice"),
	OPT_STRING('o', "output", &output, "FILE", "write the table into FILE, whole or not at all (standard output)"),
	OPT_FLAG('p', "pass", &pass, "pass the stream on to standard output; needs -o"),
	OPT_FLAG(0, "per-slice", &per_slice, "a row for each slice instead of each case; contour-norm or aggregate makes them"),
	OPT_FLAG(0, "as-coded", &as_coded, "compute Dice as UnnUNet's code does, see qualm-unnunet(7)"),
	OPT_PROGRESS,
	OPT_KEEP_GOING,
	OPT_END
};

static bool begin(struct dice *d, const struct frame *f, int n_cases)
{
	char *path;
	bool ok;

	*d = (struct dice){0};
	if (!references)
		return true;
	path = reference_path(references, f->name, n_cases);
	ok = path && dice_begin(d, f, path, as_coded);
	free(path);
	return ok;
}

static bool end_case(struct dice *d, struct frame *f)
{
	if (references)
		dice_end(d, f);
	if (!per_slice || f->failed)
		return true;
	if (references && !dice_slices(d, f))
		return false;
	return slices_of(f, "scores") ||
	       fail(XDATA, "it has no scores of slices; --per-slice of contour-norm or aggregate makes them");
}

/* One case through to out (NULL without -p); its scores are then in f. */
static void one_case(struct sink *out, struct source *in, struct frame *f, int n_cases)
{
	struct dice d;
	bool begun = false, ok;

	if (!begin(&d, f, n_cases)) {
		case_failed(out, in, f);
		dice_free(&d);
		return;
	}
	while (source_slab(in, f)) {
		if (references && !dice_slab(&d, f)) {
			case_failed(out, in, f);
			dice_free(&d);
			return;
		}
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	ok = end_case(&d, f);
	dice_free(&d);
	if (ok)
		sink_end(out, f);
	else
		case_failed(out, in, f);
}

/* The row of a case: its scores and flags. */
static void add_scores(struct table *t, const struct frame *f)
{
	const msgpack_object *scores = mpk_get_map(&f->closing, "scores");

	for (uint32_t i = 0; scores && i < scores->via.map.size; i++) {
		const char *name = mpk_as_str(&scores->via.map.ptr[i].key);
		double v;
		if (name && mpk_as_real(&scores->via.map.ptr[i].val, &v))
			table_put(t, name, v);
	}
}

static void add_slice(struct table *t, const struct frame *f, int64_t z)
{
	const msgpack_object *scores = slices_of(f, "scores");

	table_put(t, "slice", (double)z);
	for (uint32_t i = 0; scores && i < scores->via.map.size; i++) {
		const char *name = mpk_as_str(&scores->via.map.ptr[i].key);
		double v;
		if (name && slices_value(&v, &scores->via.map.ptr[i].val, f->shape[0], z))
			table_put(t, name, v);
	}
}

/* Flags of the case; z >= 0: those that slices do not have of their own, and those of the slice. */
static void add_flags(struct table *t, const struct frame *f, int64_t z)
{
	const msgpack_object *flags = mpk_get_array(&f->closing, "flags"), *own = z < 0 ? NULL : slices_of(f, "flags");

	for (uint32_t i = 0; flags && i < flags->via.array.size; i++) {
		const char *flag = mpk_as_str(&flags->via.array.ptr[i]);
		if (flag && !mpk_get(own, flag))
			table_flag(t, flag);
	}
	for (uint32_t i = 0; own && i < own->via.map.size; i++) {
		const char *flag = mpk_as_str(&own->via.map.ptr[i].key);
		double set;
		if (flag && slices_value(&set, &own->via.map.ptr[i].val, f->shape[0], z) && set > 0)
			table_flag(t, flag);
	}
}

static void add_rows(struct table *t, const struct frame *f)
{
	const char *subset = frame_subset(f);

	for (int64_t z = per_slice ? 0 : -1; z < (per_slice ? f->shape[0] : 0); z++) {
		table_row(t, f->name);
		if (subset)
			table_subset(t, subset);
		if (z < 0)
			add_scores(t, f);
		else
			add_slice(t, f, z);
		if (mpk_get(&f->header, "members"))
			table_put(t, "members", mpk_get_real(&f->header, "members", 0));
		add_flags(t, f, z);
	}
}

static void add_failed(struct table *t, const struct frame *f)
{
	table_row(t, f->name);
	table_flag(t, "failed");
	table_reason(t, f->failed);
}

static void write_table(struct table *t, struct outfile *file)
{
	size_t n;
	char *text = table_text(t, &n);

	if (!output) {
		fwrite(text, 1, n, stdout);
		io_close_stdout();
	} else {
		if (!io_write(file->fd, text, n))
			die_sys("cannot write %s", output);
		if (!outfile_commit(file))
			die_failed();
	}
	free(text);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct table table = {0};
	struct outfile file = {0};
	struct sink *out = NULL;
	bool failed = false;
	char *last = NULL;

	opt_parse(&argc, &argv, opts, "", "table of the scores of every case, with Dice where reference labels are given");
	if (pass && !output)
		opt_usage("-p needs -o FILE for the table, since the stream goes to standard output");
	if (per_slice && as_coded)
		opt_usage("UnnUNet's code (--as-coded) sees one slice of a case");
	struct source *in = source_open(NULL);
	if (pass)
		out = sink_open(in);
	if (output && !outfile_open(&file, output))
		die_failed();
	if (per_slice)
		table_column(&table, "slice");
	if (references)
		table_column(&table, "dice");
	progress_begin(source_cases(in));
	for (int n = 0; source_next(in, &f);) {
		n += !last || strcmp(last, f.name);     /* subsets of the members are frames of one case */
		free(last);
		last = xstrdup(f.name);
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, n);
		failed |= f.failed != NULL;
		if (f.failed)
			add_failed(&table, &f);
		else
			add_rows(&table, &f);
		progress_step(f.name);
	}
	progress_end();
	free(last);
	write_table(&table, &file);
	table_free(&table);
	frame_free(&f);
	int status = filter_end(in, out);
	return failed ? XDATA : status;
}
