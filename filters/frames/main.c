/* frames: list, select and compare streams of frames. */
#include <float.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/opt.h"
#include "filters/frames/frames.h"

static bool header, only_data;
static const char *other, *case_glob, *kinds;
static double tolerance;
static int planes;

static const struct opt opts[] = {
	OPT_FLAG('H', "header", &header, "print every key of the headers and closing maps as JSON, a line each"),
	OPT_STRING('c', "case", &case_glob, "GLOB", "write a stream of the cases whose names match"),
	OPT_STRING('L', "layers", &kinds, "KINDS", "write a stream of the layers of these kinds (patterns, separated by commas)"),
	OPT_INT('s', "slab", &planes, "PLANES", 1, 1 << 30, "write a stream with that many planes a slab"),
	OPT_STRING('d', "diff", &other, "FILE", "compare with the stream in FILE: exit 0 if equal, 1 with the differences"),
	OPT_DOUBLE('t', "tolerance", &tolerance, "NUMBER", 0, DBL_MAX, "with -d: a equals b if |a-b| <= NUMBER max(1, |a|)"),
	OPT_FLAG(0, "data", &only_data, "with -d: compare cases, grids and values only, no other keys"),
	OPT_END
};

bool case_wanted(const struct frame *f) { return !case_glob || !fnmatch(case_glob, f->name, 0); }

bool layer_wanted(const struct layer *l)
{
	bool wanted = !kinds;
	char *list = wanted ? NULL : xstrdup(kinds);

	for (char *save, *k = list ? strtok_r(list, ",", &save) : NULL; k && !wanted; k = strtok_r(NULL, ",", &save))
		wanted = !fnmatch(k, l->kind, 0);
	free(list);
	return wanted;
}

/* Foreign text may hold anything; a line of TSV stays one. */
void put_text(const char *s)
{
	for (; *s; s++)
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static int select_frames(struct source *in)
{
	struct sink *out = sink_open(in);
	struct frame f = {0};

	if (case_glob)
		sink_expect(out, -1);
	while (source_next(in, &f)) {
		if (!case_wanted(&f))
			continue;
		for (int i = 0; i < f.n_layers; i++)
			f.layer[i]->dropped = !layer_wanted(f.layer[i]);
		if (!planes) {
			sink_pass(out, in, &f);
			continue;
		}
		if (!source_volume(in, &f))
			die(failed_code(), "%s: %s", f.name, failed_text());
		if (!f.failed)
			frame_grid(&f, f.shape, f.spacing_mm, planes);
		sink_volume(out, &f);
	}
	frame_free(&f);
	return filter_end(in, out);
}

int main(int argc, char **argv)
{
	const char *path;
	bool writes;

	opt_parse(&argc, &argv, opts, "[FILE]", "list, select and compare streams of frames");
	if (argc > 1)
		opt_usage("one stream at a time; -d compares two");
	path = argc ? argv[0] : "-";
	writes = case_glob || kinds || planes;
	if (header && (writes || other))
		opt_usage("-H only lists");
	if (other && planes)
		opt_usage("-s and -d exclude each other");
	if (!other && (tolerance > 0 || only_data))
		opt_usage("-t and --data belong to -d");
	if (other && !strcmp(other, path))
		opt_usage("-d needs another stream to compare with");
	if (other)
		return compare(source_open(other), source_open(path), tolerance, only_data);
	return writes ? select_frames(source_open(path)) : list(source_open(path), header);
}
