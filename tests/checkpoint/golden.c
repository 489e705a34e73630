/* Every tensor and setting of the checkpoints that nnU-Net wrote is what an independent Python reader finds. */
#include <glob.h>
#include "tests/checkpoint/second.h"

int main(void)
{
	static const char *const patterns[] = {
		"golden/architectures/*/checkpoint_final.pth", "golden/models/*/fold_*/checkpoint_*.pth",
		"golden/train-steps/*/step_*.pth", "data/torch-legacy-pth/checkpoint_final.pth"
	};
	const char *shared = getenv("SHARED");
	char *files = xstrdup("");
	char hash[17];
	glob_t g = { 0 };
	FILE *second;

	for (size_t i = 0; shared && i < sizeof patterns / sizeof *patterns; i++) {
		char *pattern = xasprintf("%s/%s", shared, patterns[i]);
		glob(pattern, i ? GLOB_APPEND : 0, NULL, &g);
		free(pattern);
	}
	if (g.gl_pathc == 0) {
		puts("no golden checkpoints (../shared is not there)");
		return 77;
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *more = xasprintf("%s '%s'", files, g.gl_pathv[i]);
		free(files);
		files = more;
	}
	second = second_reading(files);
	for (size_t i = 0; i < g.gl_pathc; i++)
		compare_file(g.gl_pathv[i], second, hash);
	if (pclose(second))
		die(XNO, "reader.py failed");
	printf("note: %zu checkpoints read alike\n", g.gl_pathc);
	globfree(&g);
	free(files);
	return 0;
}
