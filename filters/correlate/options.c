#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/correlate/correlate.h"

char *next_word(char **list)
{
	char *s = *list;

	if (s && (*list = strchr(s, ',')))
		*(*list)++ = 0;
	return s;
}

const char *limit_text[N_LIMITS];
static const char *const limit_option[N_LIMITS] = { NULL, "--failure", "--at-risk", "--at-coverage" };

static double one_limit(const char *s, enum limit limit)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !isfinite(v))
		opt_usage("%s: '%s' is not a number", limit_option[limit], s);
	if (limit == AT_COVERAGE && !(v > 0 && v <= 1))
		opt_usage("%s: %s is no share of the cases, above 0 and at most 1", limit_option[limit], s);
	return v;
}

/* Adds a metric at each of its limits. */
static void add(struct figure **list, int *n, const struct metric *m)
{
	char *copy = xstrdup(m->limit == AT_NOTHING ? "" : limit_text[m->limit]), *rest = copy;

	for (char *s; (s = next_word(&rest));) {
		*list = xrealloc(*list, (size_t)*n + 1, sizeof **list);
		(*list)[(*n)++] = (struct figure){ m, m->limit == AT_NOTHING ? NAN : one_limit(s, m->limit) };
	}
	free(copy);
}

int figures_named(struct figure **list, const char *names)
{
	char *copy = xstrdup(names), *rest = copy;
	int n = 0;

	*list = NULL;
	if (!strcmp(names, "all")) {
		for (const struct metric *m = metrics; m->name; m++)
			if (m->limit == AT_NOTHING || limit_text[m->limit])
				add(list, &n, m);
		rest = NULL;
	}
	for (char *s; (s = next_word(&rest));) {
		const struct metric *m = metric_named(s, strlen(s));
		if (!m)
			opt_usage("'%s' is no metric", s);
		if (m->limit != AT_NOTHING && !limit_text[m->limit])
			opt_usage("%s needs %s", m->name, limit_option[m->limit]);
		add(list, &n, m);
	}
	free(copy);
	return n;
}
