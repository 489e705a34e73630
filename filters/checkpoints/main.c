/* checkpoints: list, shrink, average and compare checkpoints of a training. */
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/checkpoints/checkpoints.h"

static const char *output;
static double tolerance;
static bool tolerance_given;

static const struct opt opts[] = {
	OPT_STRING('o', "output", &output, "FILE", "strip, average: where the weights go"),
	{ OPT_T_DOUBLE, 't', "tolerance", &tolerance, "SHARE", "compare: of a tensor's largest weight that may differ", 0, 1e9, NULL,
	  &tolerance_given },
	OPT_END
};

int main(int argc, char **argv)
{
	const char *command;
	bool ok, same = true;

	opt_parse(&argc, &argv, opts, "list|strip|average|compare FILE ...",
	          "list, shrink, average and compare checkpoints of a training");
	command = argc ? argv[0] : "";
	if (strcmp(command, "list") && strcmp(command, "strip") && strcmp(command, "average") && strcmp(command, "compare"))
		opt_usage("the first operand is one of list, strip, average and compare");
	if (argc < 2 || (!strcmp(command, "compare") && argc != 3) || (!strcmp(command, "strip") && argc != 2))
		opt_usage("%s needs %s", command, !strcmp(command, "compare") ? "two files" : !strcmp(command, "strip") ? "one file" : "files");
	if ((*command == 's' || *command == 'a') != (output != NULL))
		opt_usage(output ? "-o belongs to strip and average" : "%s needs -o FILE", command);
	if (tolerance_given && strcmp(command, "compare"))
		opt_usage("-t belongs to compare");
	if (!strcmp(command, "list"))
		ok = checkpoints_list(argc - 1, argv + 1);
	else if (!strcmp(command, "compare"))
		ok = checkpoints_compare(&same, argv[1], argv[2], tolerance);
	else
		ok = checkpoints_mean(output, argc - 1, argv + 1);
	if (!ok)
		die_failed();
	io_close_stdout();
	return same ? XOK : XNO;
}
