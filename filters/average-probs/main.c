/* average-probs: mean of the members' probabilities, and maps of their disagreement. */
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/maps.h"
#include "common/opt.h"
#include "filters/average-probs/members.h"

static const char *map_list = "";
static bool as_coded;

struct job {
	int n;                           /* streams */
	struct source **in;
	struct frame *f;                 /* [n]: the frames at the same place; f[0] becomes the result */
	struct frame ahead;              /* of a single stream: the frame after f[0] */
	struct sink *out;
	struct members members;
	unsigned maps;
	int64_t channels;                /* of the case at hand */
	bool sigmoid;
	struct sums sums;
	struct coded coded;              /* in place of sums with --as-coded */
};

/* ---- the sums, as documented or as coded ---- */

static bool begin(struct job *j, size_t voxels)
{
	if (as_coded)
		return coded_begin(&j->coded, j->channels, j->sigmoid, voxels);
	sums_begin(&j->sums, j->channels, j->sigmoid, j->maps, voxels);
	return true;
}

/* Adds the members of a frame whose layers hold the slab, or the volume, that begin() was told of. */
static bool add(struct job *j, struct layer *const *layers, int n, const char *stream)
{
	for (int i = 0; i < n; i++) {
		if (as_coded) {
			coded_add(&j->coded, layers[i]->data);
		} else if (!sums_add(&j->sums, layers[i]->data)) {
			struct member id = {0};
			layer_member(layers[i], &id);
			fail_prefix("member %s of %s", id.name ? id.name : "without a name", stream);
			return false;
		}
	}
	return true;
}

/* The mean and the maps into the layers that add_results() made. */
static void put(struct job *j)
{
	for (int i = 0; i < j->f->n_layers; i++) {
		struct layer *l = j->f->layer[i];
		if (!l->added)
			continue;
		if (!strcmp(l->kind, "probs"))
			as_coded ? coded_mean(l->data, &j->coded) : sums_mean(l->data, &j->sums);
		else if (!as_coded)
			sums_map(l->data, &j->sums, map_of_members(l->kind));
		else if (map_of_members(l->kind) == MAP_T_TEST)
			coded_t_test(l->data, &j->coded);
		else
			coded_total_entropy(l->data, &j->coded);
	}
}

/* Drops the members of f[0] and adds what takes their place. */
static void add_results(struct job *j)
{
	struct frame *f = &j->f[0];
	struct layer *l;

	for (int i = 0; i < f->n_layers; i++) {
		struct member id;
		if (!strcmp(f->layer[i]->kind, "probs") && layer_member(f->layer[i], &id))
			f->layer[i]->dropped = true;
	}
	l = frame_add(f, "probs", DT_F4, j->channels);
	layer_put(f, l, "activation", mpk_str(f->zone, j->sigmoid ? "sigmoid" : "softmax"));
	for (int i = 0; map_kinds[i]; i++)
		if (map_of_members(map_kinds[i]) & j->maps)
			frame_add(f, map_kinds[i], DT_F4, 1);
	frame_put(f, "members", mpk_int(j->members.n));
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

static void learn_case(struct job *j)
{
	struct layer *first = NULL;

	members_in(&first, 1, &j->f[0]);
	j->channels = first->channels;
	j->sigmoid = mpk_is_str(mpk_get(&first->map, "activation"), "sigmoid");
}

static void end_case(struct job *j)
{
	if (j->members.n == 1)
		frame_flag(&j->f[0], "one_member");
	sink_end(j->out, &j->f[0]);
}

static void skip_all(struct job *j)
{
	for (int k = 0; k < j->n; k++)
		source_skip(j->in[k], &j->f[k]);
}

/* ---- slab by slab: every member lies at hand in each of the streams' slabs ---- */

static bool add_slabs(struct job *j, struct layer **layers, const int *count)
{
	if (!begin(j, frame_voxels(&j->f[0])))
		return false;
	for (int k = 0; k < j->n; layers += count[k++])
		if (!add(j, layers, count[k], j->members.stream[k]))
			return false;
	return true;
}

static void by_slabs(struct job *j)
{
	struct layer *layers[MEMBERS_MAX];
	int *count = xcalloc((size_t)j->n, sizeof *count), at = 0;
	bool begun = false;

	for (int k = 0; k < j->n; at += count[k++])
		count[k] = members_in(layers + at, MEMBERS_MAX - at, &j->f[k]);
	add_results(j);
	while (source_slab(j->in[0], &j->f[0])) {
		for (int k = 1; k < j->n; k++)
			source_slab(j->in[k], &j->f[k]);
		if (!add_slabs(j, layers, count)) {
			skip_all(j);
			case_failed(j->out, NULL, &j->f[0]);
			free(count);
			return;
		}
		put(j);
		if (!begun)
			sink_begin(j->out, &j->f[0]);
		begun = true;
		sink_slab(j->out, &j->f[0]);
	}
	for (int k = 1; k < j->n; k++) {
		source_skip(j->in[k], &j->f[k]);
		merge_closing(&j->f[0], &j->f[k]);
	}
	free(count);
	end_case(j);
}

/* ---- the whole case at once: members in consecutive frames, or in streams of different slabs ---- */

static bool begin_whole(struct job *j)
{
	const struct frame *f = &j->f[0];
	size_t voxels = frame_grid_voxels(f), each, bytes;

	each = as_coded ? (size_t)j->channels * 4 + MEMBERS_MAX * 8 : sums_bytes(j->channels, j->maps);
	each += 4 * ((size_t)j->channels + 3);                  /* the result */
	for (int i = 0; i < f->n_layers; i++)                   /* the first frame and the one that is added */
		each += 2 * (size_t)f->layer[i]->channels * dtype_size(f->layer[i]->type);
	if (__builtin_mul_overflow(voxels, each, &bytes) || bytes > memory_limit)
		return fail(XDATA, "its members do not come side by side, so the whole case must be held: %.1f MiB, over the limit of %.1f MiB; "
		            "give the members as several streams of equal slabs (average-probs A.frames B.frames ...), or raise --memory",
		            (double)bytes / 0x1p20, (double)memory_limit / 0x1p20);
	return begin(j, voxels);
}

static bool add_volume(struct job *j, struct source *in, struct frame *f, int stream)
{
	struct layer *layers[MEMBERS_MAX];
	int n = members_in(layers, MEMBERS_MAX, f);

	return source_volume(in, f) && (f->failed || add(j, layers, n, j->members.stream[stream]));
}

static void put_whole(struct job *j)
{
	struct frame *f = &j->f[0];

	add_results(j);
	if (!frame_alloc_volume(f)) {
		case_failed(j->out, NULL, f);
		return;
	}
	put(j);
	if (j->members.n == 1)
		frame_flag(f, "one_member");
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

	if (ok && !f->failed) {
		learn_case(j);
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
	ok = ok && (other || members_whole(&j->members));
	if (ok && !other) {
		learn_case(j);
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

static unsigned parse_maps(const char *list)
{
	unsigned maps = 0;

	while (*list) {
		size_t n = strcspn(list, ",");
		unsigned bit = 0;
		for (int i = 0; map_kinds[i]; i++)
			if (strlen(map_kinds[i]) == n && !strncmp(map_kinds[i], list, n))
				bit = map_of_members(map_kinds[i]);
		if (!bit)
			opt_usage("-m: there is no map '%.*s' of members; choose from total_entropy, t_test, expected_entropy", (int)n, list);
		if (as_coded && bit == MAP_EXPECTED_ENTROPY)
			opt_usage("-m: UnnUNet's code (--as-coded) has no expected_entropy");
		maps |= bit;
		list += n + (list[n] == ',');
	}
	return maps;
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
	struct job j = {0};
	const struct opt opts[] = {
		OPT_INT('n', "members", &j.members.expected, "N", 1, MEMBERS_MAX, "refuse a case that has another number of members"),
		OPT_STRING('m', "maps", &map_list, "MAP,...", "add maps: total_entropy, t_test, expected_entropy"),
		OPT_FLAG(0, "allow-equal", &j.members.allow_equal, "accept members of equal weights"),
		OPT_FLAG(0, "as-coded", &as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
		OPT_KEEP_GOING,
		OPT_END
	};

	opt_parse(&argc, &argv, opts, "[FILE ...]", "mean of the members' probabilities, and maps of their disagreement");
	j.maps = parse_maps(map_list);
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
	sums_free(&j.sums);
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
