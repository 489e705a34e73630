#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsonfile.h"
#include "common/opt.h"
#include "filters/plan/plan.h"

static bool copy(const char *from, const char *to)
{
	struct outfile out;
	char *bytes;
	size_t n;
	bool ok;

	if (!io_slurp(from, memory_limit, &bytes, &n))
		return false;
	ok = outfile_open(&out, to);
	if (ok && !io_write(out.fd, bytes, n)) {
		ok = fail_sys("cannot write %s", to);
		outfile_abort(&out);
	}
	free(bytes);
	return ok && outfile_commit(&out);
}

static bool same_file(const char *a, const char *b)
{
	char *x = realpath(a, NULL), *y = realpath(b, NULL);
	bool same = x && y && !strcmp(x, y);

	free(x);
	free(y);
	return same;
}

bool beside_plans(const struct training_set *s)
{
	char *to = xasprintf("%s/dataset.json", s->preprocessed), *splits = xasprintf("%s/splits_final.json", s->raw);
	char *splits_to = xasprintf("%s/splits_final.json", s->preprocessed), *a = NULL, *b = NULL;
	size_t n, m;
	bool ok = same_file(s->dataset_json, to) || copy(s->dataset_json, to);

	if (ok && !access(splits, F_OK) && !same_file(splits, splits_to)) {
		if (access(splits_to, F_OK))
			ok = copy(splits, splits_to);
		else if ((ok = io_slurp(splits, memory_limit, &a, &n) && io_slurp(splits_to, memory_limit, &b, &m)) &&
		         (n != m || memcmp(a, b, n)))
			ok = fail(XDATA, "%s is not what %s of the data set is; one of them is out of date", splits_to, splits);
	}
	free(a);
	free(b);
	free(to);
	free(splits);
	free(splits_to);
	return ok;
}
