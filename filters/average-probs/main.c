/* average-probs: mean of the members' probabilities, and maps of their disagreement. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/maps.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/average-probs/job.h"

static const char *map_list = "", *score_list = "", *subset_list = "";

/* The set of the names in a list; "all" stands for the set `all`. */
static unsigned parse_names(const char *list, const char *const *names, unsigned all, const char *option)
{
	unsigned set = 0;

	for (size_t n; *list; list += n + (list[n] == ',')) {
		unsigned one = 0;
		n = strcspn(list, ",");
		if (n == 3 && !strncmp(list, "all", n))
			one = all;
		for (int i = 0; names[i]; i++)
			if (strlen(names[i]) == n && !strncmp(names[i], list, n))
				one = 1u << i;
		if (!one)
			opt_usage("-%s: there is no '%.*s' of members; average-probs(1) has the list", option, (int)n, list);
		set |= one;
	}
	return set;
}

static void parse_lists(struct job *j)
{
	struct reduce *r = &j->reduce;
	enum { CODED = 1u << MAP_TOTAL_ENTROPY | 1u << MAP_T_TEST, ALL = (1u << N_MAPS) - 2, VOTES = 1u << N_MAPS };
	const char *names[N_MAPS + 1] = { [N_MAPS - 1] = "votes" };     /* no class_entropy: entropy makes it of the mean */

	for (int i = 1; i < N_MAPS; i++)
		names[i - 1] = map_kinds[i];
	r->maps = parse_names(map_list, names, (j->as_coded ? CODED : ALL) >> 1, "m") << 1;
	r->scores = parse_names(score_list, score_names, (1u << N_SCORES) - 1, "s");
	j->subsets = parse_names(subset_list, subset_kinds, (1u << N_SUBSETS) - 1, "-subsets");
	if (j->as_coded && (r->maps & ~CODED || r->scores || r->per_region || j->subsets || *r->base != '2'))
		opt_usage("UnnUNet's code (--as-coded) has the maps total_entropy and t_test alone, in bits, no scores and no subsets");
	r->votes = r->maps & VOTES;
	r->maps &= ALL;
}

static void open_streams(struct job *j, int n, char **paths)
{
	const char **names;

	j->n = n ? n : 1;
	j->in = xcalloc((size_t)j->n, sizeof *j->in);
	j->f = xcalloc((size_t)j->n, sizeof *j->f);
	names = xcalloc((size_t)j->n, sizeof *names);
	for (int k = 0; k < j->n; k++) {
		j->in[k] = source_open(n ? paths[k] : NULL);
		names[k] = source_name(j->in[k]);
	}
	j->members.stream = names;
	j->members.n_streams = j->n;
	j->out = sink_open(j->in[0]);
	if (j->subsets)
		sink_expect(j->out, -1);                /* how many frames a case becomes depends on its members */
}

int main(int argc, char **argv)
{
	struct job j = { .reduce.base = "2" };
	const struct opt opts[] = {
		OPT_INT('n', "members", &j.members.expected, "N", 1, MEMBERS_MAX, "refuse a case that has another number of members"),
		OPT_STRING('m', "maps", &map_list, "MAP,...", "add maps that need the members, of those in average-probs(1), or all"),
		OPT_STRING('s', "scores", &score_list, "SCORE,...", "add scores that need the members, of those in average-probs(1), or all"),
		OPT_CHOICE('b', "base", &j.reduce.base, "BASE", "2|e|C", "base of the logarithm in entropies; C is the number of classes"),
		OPT_FLAG(0, "per-region", &j.reduce.per_region, "maps of networks with regions get a channel for each region"),
		OPT_STRING(0, "subsets", &subset_list, "KIND,...", "a frame also for each subset of the members: prefix, cycles, cycle, folds, members"),
		OPT_INT('j', "threads", &j.reduce.threads, "N", 0, 1024, "threads; 0: one for each processor"),
		OPT_FLAG(0, "allow-equal", &j.members.allow_equal, "accept members of equal weights"),
		OPT_FLAG(0, "as-coded", &j.as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
		OPT_KEEP_GOING,
		OPT_END
	};

	opt_parse(&argc, &argv, opts, "[FILE ...]", "mean of the members' probabilities, and maps of their disagreement");
	parse_lists(&j);
	if (!j.reduce.threads)
		j.reduce.threads = parallel_cpus();
	open_streams(&j, argc, argv);
	if (j.n > 1) {
		while (job_several_streams(&j))
			members_begin(&j.members);
	} else {
		for (bool more = source_next(j.in[0], &j.f[0]); more; members_begin(&j.members)) {
			more = job_one_stream(&j);
			struct frame done = j.f[0];
			j.f[0] = j.ahead;
			j.ahead = done;
		}
	}
	members_free(&j.members);
	reduce_free(&j.reduce);
	coded_free(&j.coded);
	for (int k = 1; k < j.n; k++) {
		source_close(j.in[k]);
		frame_free(&j.f[k]);
	}
	frame_free(&j.f[0]);
	frame_free(&j.ahead);
	int status = filter_end(j.in[0], j.out);
	free(j.members.stream);
	free(j.in);
	free(j.f);
	return status;
}
