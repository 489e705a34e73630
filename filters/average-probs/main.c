/* average-probs: mean of the members' probabilities, and maps of their disagreement. */
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/maps.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/average-probs/members.h"
#include "filters/average-probs/reduce.h"

static const char *map_list = "", *score_list = "";
static bool as_coded;

struct job {
	int n;                           /* streams */
	struct source **in;
	struct frame *f;                 /* [n]: the frames at the same place; f[0] becomes the result */
	struct frame ahead;              /* of a single stream: the frame after f[0] */
	struct sink *out;
	struct members members;
	struct reduce reduce;
	struct coded coded;              /* in place of its sums with --as-coded */
};

/* ---- as coded, in place of reduce_ ---- */

static bool coded_start(struct job *j, size_t voxels)
{
	return coded_begin(&j->coded, j->reduce.channels, j->reduce.sigmoid, voxels);
}

/* The mean and the maps into the layers that reduce_layers() made. */
static void coded_put(struct job *j)
{
	for (int i = 0; i < j->f->n_layers; i++) {
		struct layer *l = j->f->layer[i];
		if (!l->added)
			continue;
		if (!strcmp(l->kind, "probs"))
			coded_mean(l->data, &j->coded);
		else if (!strcmp(l->kind, "t_test"))
			coded_t_test(l->data, &j->coded);
		else
			coded_total_entropy(l->data, &j->coded);
	}
}

static bool coded_slab(struct job *j, struct layer *const *layers)
{
	if (!coded_start(j, frame_voxels(&j->f[0])))
		return false;
	for (int m = 0; m < j->members.n; m++)
		coded_add(&j->coded, layers[m]->data);
	coded_put(j);
	return true;
}

/* ---- frames ---- */

/* Drops the members of f[0] and adds what takes their place. */
static void add_results(struct job *j)
{
	struct frame *f = &j->f[0];

	for (int i = 0; i < f->n_layers; i++) {
		struct member id;
		if (!strcmp(f->layer[i]->kind, "probs") && layer_member(f->layer[i], &id))
			f->layer[i]->dropped = true;
	}
	reduce_layers(&j->reduce, f);
	frame_put(f, "members", mpk_int(j->members.n));
}

/* Says which member holds what is no probability. */
static void blame(const struct layer *l, const char *stream)
{
	struct member id = {0};

	layer_member(l, &id);
	fail_prefix("member %s of %s", id.name ? id.name : "without a name", stream);
}

/* Flags of the other streams' frames, and whether one failed, are those of the result. */
static void merge_closing(struct frame *f, const struct frame *other)
{
	const msgpack_object *flags = mpk_get_array(&other->closing, "flags");

	for (uint32_t i = 0; flags && i < flags->via.array.size; i++)
		if (mpk_as_str(&flags->via.array.ptr[i]))
			frame_flag(f, mpk_as_str(&flags->via.array.ptr[i]));
	if (other->failed && !f->failed) {
		mpk_put(f->zone, &f->closing, "failed", mpk_copy(f->zone, *mpk_get(&other->closing, "failed")));
		f->failed = mpk_get_str(mpk_get(&f->closing, "failed"), "reason", "?");
	}
}

static bool learn_case(struct job *j)
{
	struct layer *first = NULL;

	members_in(&first, 1, &j->f[0]);
	return reduce_begin(&j->reduce, &j->f[0], first);
}

/* What the members as such give to the closing map. */
static void put_scores(struct job *j)
{
	if (j->members.n == 1)
		frame_flag(&j->f[0], "one_member");
	reduce_scores(&j->reduce, &j->f[0]);
}

static void skip_all(struct job *j)
{
	for (int k = 0; k < j->n; k++)
		source_skip(j->in[k], &j->f[k]);
}

/* ---- slab by slab: every member lies at hand in each of the streams' slabs ---- */

/* Of the streams after the first, which tells whether there is a slab. */
static void read_slab(void *arg, int k, int worker)
{
	struct job *j = arg;

	(void)worker;
	source_slab(j->in[k + 1], &j->f[k + 1]);
}

static bool reduce_streams(struct job *j, struct layer *const *layers)
{
	int bad;

	if (as_coded)
		return coded_slab(j, layers);
	if (reduce_slab(&j->reduce, &j->f[0], layers, &bad))
		return true;
	if (bad >= 0)
		blame(layers[bad], j->members.stream[j->members.seen[bad].stream]);
	return false;
}

static void by_slabs(struct job *j)
{
	struct layer *layers[MEMBERS_MAX];
	int at = 0;
	bool begun = false, ok;

	for (int k = 0; k < j->n; k++)
		at += members_in(layers + at, MEMBERS_MAX - at, &j->f[k]);
	add_results(j);
	ok = reduce_members(&j->reduce, j->members.n);
	while (ok && source_slab(j->in[0], &j->f[0])) {
		parallel_for(j->reduce.threads, j->n - 1, read_slab, j);
		ok = reduce_streams(j, layers);
		if (!ok)
			break;
		if (!begun)
			sink_begin(j->out, &j->f[0]);
		begun = true;
		sink_slab(j->out, &j->f[0]);
	}
	if (!ok) {
		skip_all(j);
		case_failed(j->out, NULL, &j->f[0]);
		return;
	}
	for (int k = 1; k < j->n; k++) {
		source_skip(j->in[k], &j->f[k]);
		merge_closing(&j->f[0], &j->f[k]);
	}
	put_scores(j);
	sink_end(j->out, &j->f[0]);
}

/* ---- the whole case at once: members in consecutive frames, or in streams of different slabs ---- */

static bool begin_whole(struct job *j)
{
	const struct frame *f = &j->f[0];
	size_t voxels = frame_grid_voxels(f), each, bytes;

	each = as_coded ? (size_t)j->reduce.channels * 4 + MEMBERS_MAX * 8 : reduce_bytes(&j->reduce, members_known(&j->members));
	each += reduce_result_bytes(&j->reduce);
	for (int i = 0; i < f->n_layers; i++)                   /* the first frame and the one that is added */
		each += 2 * (size_t)f->layer[i]->channels * dtype_size(f->layer[i]->type);
	if (__builtin_mul_overflow(voxels, each, &bytes) || bytes > memory_limit)
		return fail(XDATA, "its members do not come side by side, so the whole case must be held: %.1f MiB, over the limit of %.1f MiB; "
		            "give the members as several streams of equal slabs (average-probs A.frames B.frames ...), or raise --memory",
		            (double)bytes / 0x1p20, (double)memory_limit / 0x1p20);
	if (as_coded)
		return coded_start(j, voxels);
	reduce_whole(&j->reduce, voxels);
	return true;
}

static bool add_volume(struct job *j, struct source *in, struct frame *f, int stream)
{
	struct layer *layers[MEMBERS_MAX];
	int n = members_in(layers, MEMBERS_MAX, f);

	if (!source_volume(in, f))
		return false;
	for (int i = 0; i < n && !f->failed; i++) {
		if (as_coded) {
			coded_add(&j->coded, layers[i]->data);
		} else if (!reduce_add(&j->reduce, layers[i]->data, frame_grid_voxels(f))) {
			blame(layers[i], j->members.stream[stream]);
			return false;
		}
	}
	return true;
}

static void put_whole(struct job *j)
{
	struct frame *f = &j->f[0];

	add_results(j);
	if (!frame_alloc_volume(f) || (!as_coded && !reduce_put(&j->reduce, f))) {
		case_failed(j->out, NULL, f);
		return;
	}
	if (as_coded)
		coded_put(j);
	put_scores(j);
	sink_volume(j->out, f);
}

/* The case of f[0] has failed, or ok says that it fails here, or other is why it failed in another frame. */
static bool finish_failed(struct job *j, bool ok, const char *other)
{
	if (j->f[0].failed && !mpk_get(&j->f[0].header, "failed")) {    /* its closing map says so */
		sink_failed(j->out, &j->f[0], j->f[0].failed);
	} else if (j->f[0].failed) {
		sink_begin(j->out, &j->f[0]);
		sink_end(j->out, &j->f[0]);
	} else if (!ok) {
		case_failed(j->out, NULL, &j->f[0]);
	} else if (other) {
		sink_failed(j->out, &j->f[0], other);
	} else {
		return false;
	}
	return true;
}

/* A frame without any probabilities, averaged or not, passes. */
static bool concerns_us(const struct job *j)
{
	for (int k = 0; k < j->n; k++)
		if (j->f[k].failed || frame_layer(&j->f[k], "probs"))
			return true;
	return false;
}

/* One case of a single stream, of which f[0] is the first frame.  Leaves the next frame in ahead; false if there is none. */
static bool one_stream(struct job *j)
{
	struct frame *f = &j->f[0], *g = &j->ahead;
	char *other = NULL;
	bool ok, next;

	if (!concerns_us(j)) {
		sink_pass(j->out, j->in[0], f);
		return source_next(j->in[0], g);
	}
	ok = f->failed || members_take(&j->members, f, f, 0);

	ok = ok && (f->failed || learn_case(j));
	if (ok && !f->failed) {
		if (!members_missing(&j->members)) {
			ok = members_whole(&j->members);
			if (ok)
				by_slabs(j);
			else
				case_failed(j->out, j->in[0], f);
			next = source_next(j->in[0], g);
			if (next && !strcmp(g->name, f->name))
				die(XDATA, "%s: case %s comes again after its %d members; -n tells how many to expect",
				    source_name(j->in[0]), f->name, j->members.n);
			return next;
		}
		ok = begin_whole(j) && add_volume(j, j->in[0], f, 0);
	}
	source_skip(j->in[0], f);
	while ((next = source_next(j->in[0], g)) && !strcmp(g->name, f->name)) {
		if (f->failed || !ok || other)
			continue;
		ok = g->failed || (members_take(&j->members, f, g, 0) && add_volume(j, j->in[0], g, 0));
		if (g->failed)
			other = xasprintf("a member failed: %s", g->failed);
	}
	ok = ok && (f->failed || other || members_whole(&j->members));
	if (!finish_failed(j, ok, other))
		put_whole(j);
	free(other);
	return next;
}

/* The next frame of every stream; false when all have ended. */
static bool next_of_all(struct job *j)
{
	int ended = -1, going = -1;

	for (int k = 0; k < j->n; k++)
		*(source_next(j->in[k], &j->f[k]) ? &going : &ended) = k;
	if (going >= 0 && ended >= 0)
		die(XDATA, "%s has ended where %s goes on with case %s", j->members.stream[ended], j->members.stream[going], j->f[going].name);
	for (int k = 1; going >= 0 && k < j->n; k++)
		if (strcmp(j->f[0].name, j->f[k].name))
			die(XDATA, "the streams do not hold the same cases in the same order: case %s of %s stands where case %s of %s does",
			    j->f[0].name, j->members.stream[0], j->f[k].name, j->members.stream[k]);
	return going >= 0;
}

static void several_streams(struct job *j)
{
	char *other = NULL;
	bool ok = true, same_slabs = true;

	if (!concerns_us(j)) {
		sink_pass(j->out, j->in[0], &j->f[0]);
		skip_all(j);
		return;
	}
	for (int k = 0; k < j->n && !other; k++)
		if (j->f[k].failed)
			other = xasprintf("member stream %s: %s", j->members.stream[k], j->f[k].failed);
	for (int k = 0; k < j->n && ok && !other; k++) {
		ok = members_take(&j->members, &j->f[0], &j->f[k], k);
		same_slabs &= j->f[k].slab[0] == j->f[0].slab[0] && j->f[k].slab[1] == j->f[0].slab[1];
	}
	ok = ok && (other || (members_whole(&j->members) && learn_case(j)));
	if (ok && !other) {
		if (same_slabs) {
			by_slabs(j);
			return;
		}
		ok = begin_whole(j);
		for (int k = 0; k < j->n && ok; k++) {
			ok = add_volume(j, j->in[k], &j->f[k], k);
			if (k)
				merge_closing(&j->f[0], &j->f[k]);
		}
	}
	skip_all(j);
	if (!finish_failed(j, ok, other))
		put_whole(j);
	free(other);
}

/* The set of the names in a list; "all" stands for the set `all`. */
static unsigned parse_names(const char *list, const char *const *names, unsigned all, char option)
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
			opt_usage("-%c: there is no '%.*s' of members; average-probs(1) has the list", option, (int)n, list);
		set |= one;
	}
	return set;
}

static void parse_lists(struct reduce *r)
{
	enum { CODED = 1u << MAP_TOTAL_ENTROPY | 1u << MAP_T_TEST, ALL = (1u << N_MAPS) - 2, VOTES = 1u << N_MAPS };
	const char *names[N_MAPS + 1] = { [N_MAPS - 1] = "votes" };     /* no class_entropy: entropy makes it of the mean */

	for (int i = 1; i < N_MAPS; i++)
		names[i - 1] = map_kinds[i];
	r->maps = parse_names(map_list, names, (as_coded ? CODED : ALL) >> 1, 'm') << 1;
	r->scores = parse_names(score_list, score_names, (1u << N_SCORES) - 1, 's');
	if (as_coded && (r->maps & ~CODED || r->scores || r->per_region || *r->base != '2'))
		opt_usage("UnnUNet's code (--as-coded) has the maps total_entropy and t_test alone, in bits, and no scores");
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
		OPT_INT('j', "threads", &j.reduce.threads, "N", 0, 1024, "threads; 0: one for each processor"),
		OPT_FLAG(0, "allow-equal", &j.members.allow_equal, "accept members of equal weights"),
		OPT_FLAG(0, "as-coded", &as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
		OPT_KEEP_GOING,
		OPT_END
	};

	opt_parse(&argc, &argv, opts, "[FILE ...]", "mean of the members' probabilities, and maps of their disagreement");
	parse_lists(&j.reduce);
	if (!j.reduce.threads)
		j.reduce.threads = parallel_cpus();
	open_streams(&j, argc, argv);
	if (j.n > 1) {
		for (; next_of_all(&j); members_begin(&j.members))
			several_streams(&j);
	} else {
		for (bool more = source_next(j.in[0], &j.f[0]); more; members_begin(&j.members)) {
			more = one_stream(&j);
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
