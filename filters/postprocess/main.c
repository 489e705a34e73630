/* postprocess: remove all but the largest component of classes where that improves Dice. */
#include <string.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/postprocess/postprocess.h"

static const char *references, *dataset_json, *file, *output;
static bool remove_files;

static const struct opt opts[] = {
	OPT_STRING('l', "labels", &references, "LABELS", "determine: folder of reference label maps"),
	OPT_STRING(0, "dataset", &dataset_json, "FILE", "determine: dataset.json with the labels (PREDICTIONS/dataset.json)"),
	OPT_FLAG(0, "remove-postprocessed", &remove_files, "determine: write no label maps, only the decisions"),
	OPT_STRING('p', "postprocessing", &file, "FILE", "apply: postprocessing.json or postprocessing.pkl"),
	OPT_STRING('o', "output", &output, "FOLDER", "apply: where the label maps go; it is made if it is missing"),
	OPT_KEEP_GOING,
	OPT_END
};

static void without_slashes(char *folder)
{
	for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
		folder[n - 1] = 0;
}

int main(int argc, char **argv)
{
	bool ok = true;

	opt_parse(&argc, &argv, opts, "determine|apply PREDICTIONS",
	          "remove all but the largest component of classes where that improves Dice");
	if (argc != 2 || (strcmp(argv[0], "determine") && strcmp(argv[0], "apply")))
		opt_usage("two operands are needed: 'determine' or 'apply', and a folder of label maps");
	without_slashes(argv[1]);
	if (!strcmp(argv[0], "determine")) {
		if (!references)
			opt_usage("determine needs -l LABELS");
		if (file || output || keep_going)
			opt_usage("-p, -o and -k belong to apply");
		postprocess_determine(argv[1], references, dataset_json, !remove_files);
	} else {
		if (!file || !output)
			opt_usage("apply needs -p FILE and -o FOLDER");
		if (references || dataset_json || remove_files)
			opt_usage("-l, --dataset and --remove-postprocessed belong to determine");
		ok = postprocess_apply(argv[1], file, output);
	}
	io_close_stdout();
	return ok ? XOK : XDATA;
}
