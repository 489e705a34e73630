/* Every plans.json and dataset.json of nnU-Net that is there is read, and the legacy plan is the same as its original. */
#include <glob.h>
#include <unistd.h>
#include "tests/preprocess/equal-plans.h"

int main(void)
{
	static const char *const patterns[] = { "golden/models/*/plans.json", "golden/plans/*/*Plans.json",
		                                "data/nnunet-plans/*/*lans.json" };
	static const char *const sets[] = { "golden/models/*/dataset.json", "golden/plans/*/dataset.json",
		                            "data/nnunet-plans/*/dataset.json" };
	const char *folder = getenv("SHARED");
	char *path[2];
	struct plan p, q;
	struct dataset d;
	glob_t g;
	int n = 0;

	if (!folder || access(folder, R_OK)) {
		puts("no plans of nnU-Net's own (../shared is not there)");
		return 77;
	}
	path[0] = xasprintf("%s/golden/models/hippocampus_legacy_plans/plans.json", folder);
	path[1] = xasprintf("%s/golden/models/hippocampus_3d_fullres/plans.json", folder);
	for (int i = 0; i < 6; i++) {
		char *pattern = xasprintf("%s/%s", folder, i < 3 ? patterns[i] : sets[i - 3]);
		CHECK(!glob(pattern, 0, NULL, &g), "%s: nothing", pattern);
		for (size_t k = 0; k < g.gl_pathc; k++) {
			char **names = i < 3 ? plans_configurations(g.gl_pathv[k]) : NULL;
			for (char **name = names; name && *name; name++, n++) {
				CHECK(plan_read(&p, g.gl_pathv[k], *name), "%s", failed_text());
				plan_free(&p);
			}
			CHECK(i < 3 ? names != NULL : dataset_read(&d, g.gl_pathv[k]), "%s", failed_text());
			if (i >= 3)
				dataset_free(&d);
			free(names);
		}
		globfree(&g);
		free(pattern);
	}
	CHECK(plan_read(&p, path[0], "3d_fullres") && plan_read(&q, path[1], "3d_fullres"), "%s", failed_text());
	equal_plans(&p, &q, "hippocampus_legacy_plans");
	plan_free(&p);
	plan_free(&q);
	free(path[0]);
	free(path[1]);
	printf("note: %d configurations of nnU-Net's plans read\n", n);
	DONE();
}
