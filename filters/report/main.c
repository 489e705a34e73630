/* report: one page with the cases of a table, the most doubtful first, their pictures and what is known of the score. */
#include <stdlib.h>
#include <string.h>
#include "common/cohort.h"
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/report/page.h"

static const char *output, *pictures, *plots, *score = "class_entropy", *title, *correlation, *triage, *commands, *history;
static const char *orientation;
static const struct opt opts[] = {
	OPT_STRING('o', "output", &output, "FILE", "write the page into FILE (else to standard output)"),
	OPT_STRING('x', "score", &score, "COLUMN", "the score that puts cases in order"),
	OPT_CHOICE(0, "orient", &orientation, "WAY", "uncertainty|confidence", "read the score so, not by the rule of correlate"),
	OPT_STRING(0, "title", &title, "TEXT", "heading of the page"),
	OPT_STRING(0, "pictures", &pictures, "FOLDER", "show the CASE_thumbnail.png that render left there"),
	OPT_STRING(0, "plots", &plots, "FOLDER", "show the SVG files that plot left there"),
	OPT_STRING(0, "correlation", &correlation, "FILE", "show the table of correlate"),
	OPT_STRING(0, "triage", &triage, "FILE", "show the table of triage"),
	OPT_STRING(0, "history", &history, "FILE", "show the command lines that made this stream"),
	OPT_STRING(0, "commands", &commands, "FILE", "show this text as command lines that made the table"),
	OPT_END
};

/* A page in memory, so that nothing partial is ever written. */
static char *make_page(const struct report *r, size_t *length)
{
	char *text;
	FILE *out = open_memstream(&text, length);

	if (!out)
		die_sys("cannot make a page");
	page_write(out, r);
	if (fclose(out))
		die_sys("cannot make a page");
	return text;
}

static void write_page(const char *text, size_t n)
{
	struct outfile f;

	if (!output) {
		fwrite(text, 1, n, stdout);
		io_close_stdout();
		return;
	}
	if (!outfile_open(&f, output))
		die_failed();
	if (!io_write(f.fd, text, n))
		die_sys("cannot write %s", output);
	if (!outfile_commit(&f))
		die_failed();
}

/* The command lines in a stream's header, a line each. */
static char *read_history(const char *path)
{
	struct source *in = source_open(path);
	const msgpack_object *lines = mpk_get_array(source_header(in), "history");
	size_t n;
	char *text;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		die_sys("cannot read %s", path);
	for (uint32_t i = 0; lines && i < lines->via.array.size; i++) {
		const char *line = mpk_as_str(&lines->via.array.ptr[i]);
		fprintf(out, "%s\n", line ? line : "");
	}
	source_close(in);
	if (fclose(out))
		die_sys("cannot read %s", path);
	return text;
}

static void read_tables(struct report *r, const char *file)
{
	size_t n;

	if (!tsv_read(&r->table, file) || !report_order(r, score))
		die_failed();
	flags_count(r);
	if ((correlation && !tsv_read(&r->correlation, correlation)) || (triage && !(tsv_read(&r->triage, triage) && decision_check(&r->triage, triage))))
		die_failed();
	if (commands && !io_slurp(commands, memory_limit, &r->commands, &n))
		die_failed();
	if (history)
		r->history = read_history(history);
	if ((pictures && !pictures_read(r, pictures)) || (plots && !plots_read(r, plots)))
		die_failed();
}

int main(int argc, char **argv)
{
	struct report r = { .title = "Segmentation review list" };
	const char *file;
	char *text;
	size_t n;

	opt_parse(&argc, &argv, opts, "[FILE]",
	          "one page with the cases of a table, the most doubtful first, their pictures and what is known of the score");
	if (argc > 1)
		opt_usage("there are %d operands where one table is read", argc);
	file = argc && strcmp(argv[0], "-") ? argv[0] : NULL;
	r.file = file ? file : "standard input";
	r.title = title ? title : r.title;
	r.confident = orientation ? *orientation == 'c' : column_confident(score);
	read_tables(&r, file);
	text = make_page(&r, &n);
	write_page(text, n);
	free(text);
	report_free(&r);
	return XOK;
}
