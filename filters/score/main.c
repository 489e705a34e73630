/* score: table of the scores of every case, with Dice where reference labels are given. */
#include <stdlib.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/progress.h"
#include "common/reference.h"
#include "filters/score/dice.h"
#include "filters/score/table.h"

static const char *references, *output;
static bool pass, as_coded;
static const struct opt opts[] = {
	OPT_STRING('r', "references", &references, "LABELS", "folder of reference labels, or the label map of the only case; adds dice"),
	OPT_STRING('o', "output", &output, "FILE", "write the table into FILE, whole or not at all (standard output)"),
	OPT_FLAG('p', "pass", &pass, "pass the stream on to standard output; needs -o"),
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

/* One case through to out (NULL without -p); its scores are then in f. */
static void one_case(struct sink *out, struct source *in, struct frame *f, int n_cases)
{
	struct dice d;
	bool begun = false;

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
	if (references)
		dice_end(&d, f);
	dice_free(&d);
	sink_end(out, f);
}

static void add_row(struct table *t, const struct frame *f)
{
	const msgpack_object *scores = mpk_get_map(&f->closing, "scores"), *flags = mpk_get_array(&f->closing, "flags");

	table_row(t, f->name);
	if (f->failed) {
		table_flag(t, "failed");
		table_reason(t, f->failed);
		return;
	}
	for (uint32_t i = 0; scores && i < scores->via.map.size; i++) {
		const char *name = mpk_as_str(&scores->via.map.ptr[i].key);
		double v;
		if (name && mpk_as_real(&scores->via.map.ptr[i].val, &v))
			table_put(t, name, v);
	}
	if (mpk_get(&f->header, "members"))
		table_put(t, "members", mpk_get_real(&f->header, "members", 0));
	for (uint32_t i = 0; flags && i < flags->via.array.size; i++)
		if (mpk_as_str(&flags->via.array.ptr[i]))
			table_flag(t, mpk_as_str(&flags->via.array.ptr[i]));
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

	opt_parse(&argc, &argv, opts, "", "table of the scores of every case, with Dice where reference labels are given");
	if (pass && !output)
		opt_usage("-p needs -o FILE for the table, since the stream goes to standard output");
	struct source *in = source_open(NULL);
	if (pass)
		out = sink_open(in);
	if (output && !outfile_open(&file, output))
		die_failed();
	if (references)
		table_column(&table, "dice");
	progress_begin(source_cases(in));
	for (int n = 1; source_next(in, &f); n++) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, n);
		failed |= f.failed != NULL;
		add_row(&table, &f);
		progress_step(f.name);
	}
	progress_end();
	write_table(&table, &file);
	table_free(&table);
	frame_free(&f);
	int status = filter_end(in, out);
	return failed ? XDATA : status;
}
