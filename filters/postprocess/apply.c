#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/opt.h"
#include "filters/postprocess/postprocess.h"
#include "filters/postprocess/rules.h"

/* What later programs look for beside label maps. */
static void copy_beside(const char *name, const char *from, const char *to)
{
	char *source = xasprintf("%s/%s", from, name), *path = xasprintf("%s/%s", to, name), *bytes;
	struct outfile out;
	size_t n;

	if (!access(source, F_OK)) {
		if (!io_slurp(source, memory_limit, &bytes, &n) || !outfile_open(&out, path))
			die_failed();
		if (!io_write(out.fd, bytes, n))
			die_sys("cannot write %s", path);
		if (!outfile_commit(&out))
			die_failed();
		free(bytes);
	}
	free(source);
	free(path);
}

static bool apply(const struct case_files *c, const struct rules *r, const char *output, struct labelmap *m)
{
	const char *slash = strrchr(c->path[0], '/');
	char *path = xasprintf("%s/%s", output, slash ? slash + 1 : c->path[0]);
	bool ok = labelmap_read(m, c->path[0]);

	if (ok) {
		int64_t removed = rules_apply(m, r);
		ok = labelmap_write(path, m);
		if (ok)
			printf("%s\t%lld\n", c->name, (long long)removed);
	}
	free(path);
	return ok;
}

bool postprocess_apply(const char *predictions, const char *file, const char *output)
{
	struct case_list cases;
	struct labelmap map = {0};
	struct rules rules;
	bool all = true;

	if (!rules_read(&rules, file) || !case_list_folder(&cases, predictions, true) || !io_mkdirs(output))
		die_failed();
	puts("case\tremoved");
	for (int i = 0; i < cases.n; i++) {
		if (apply(&cases.c[i], &rules, output, &map))
			continue;
		if (!keep_going)
			die(failed_code(), "%s: %s", cases.c[i].name, failed_text());
		warn("%s: %s", cases.c[i].name, failed_text());
		all = false;
	}
	copy_beside("dataset.json", predictions, output);
	copy_beside("plans.json", predictions, output);
	labelmap_free(&map);
	case_list_free(&cases);
	rules_free(&rules);
	return all;
}
