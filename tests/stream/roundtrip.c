/* What a sink writes a source reads: types, slabs of planes and rows, skipped, passed and failed frames. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/frame.h"
#include "common/opt.h"
#include "tests/stream/check.h"

static const enum dtype types[] = { DT_F4, DT_F2, DT_U1, DT_U2, DT_I2, DT_I4 };
enum { TYPES = sizeof types / sizeof *types, Z = 5, Y = 4, X = 3 };
static const int64_t shape[3] = { Z, Y, X };
static const double spacing[3] = { 2.5, 0.5, 0.25 };

static void fill(struct frame *f, uint64_t seed)
{
	for (int i = 0; i < f->n_layers; i++) {
		unsigned char *p = f->layer[i]->data;
		size_t n = (size_t)f->layer[i]->channels * frame_grid_voxels(f) * dtype_size(f->layer[i]->type);
		for (size_t k = 0; k < n; k++)
			p[k] = (unsigned char)check_random(&seed);
	}
}

static void make(struct frame *f, const char *name, int planes, uint64_t seed)
{
	frame_reset(f, name);
	for (int i = 0; i < TYPES; i++) {
		struct layer *l = frame_add(f, dtype_name(types[i]), types[i], 1 + i % 3);
		layer_put_member(f, l, &(struct member){ "m", NULL, "abc", i + 1, TYPES });
	}
	frame_put(f, "key", mpk_real(NAN));
	frame_grid(f, shape, spacing, planes);
	CHECK(frame_alloc_volume(f), "%s", failed_text());
	fill(f, seed);
	frame_put_score(f, "s", 0.5);
	frame_flag(f, "one");
	frame_flag(f, "one");
}

static struct sink *sink_into(const char *path, struct source *in)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);

	CHECK(fd >= 0, "%s", path);
	return sink_open_fd(in, fd, path);
}

static void write_all(const char *path)
{
	struct sink *out = sink_into(path, NULL);
	struct frame f = {0};

	sink_expect(out, 6);
	for (int planes = 1; planes <= Z; planes += 2) {
		make(&f, planes == 1 ? "one" : planes == 3 ? "three" : "five", planes, (uint64_t)planes);
		sink_volume(out, &f);
	}
	make(&f, "rows", 1, 9);
	f.slab[1] = 3;
	sink_volume(out, &f);
	make(&f, "bad", 2, 2);
	sink_failed(out, &f, "a reason");
	frame_reset(&f, "bare");                        /* a grid of 2^62 planes without a layer has no slabs */
	frame_grid(&f, (int64_t[]){ 1ll << 62, 1, 1 }, spacing, 1);
	sink_volume(out, &f);
	frame_free(&f);
	CHECK(filter_end(NULL, out) == XDATA, "a failed case shows in the status");
}

/* Every frame of path equals what write_all() made; by slabs when not whole. */
static void check_all(const char *path, bool whole)
{
	static const char *const names[] = { "one", "three", "five", "rows", "bad", "bare" };
	struct source *in = source_open(path);
	struct frame f = {0}, want = {0};
	struct member m;

	CHECK(source_cases(in) == 6, "%lld", (long long)source_cases(in));
	for (int i = 0; i < 6; i++) {
		CHECK(source_next(in, &f) && !strcmp(f.name, names[i]), "%d: %s", i, f.name);
		CHECK(!f.failed == (i != 4) && (i != 4 || strstr(f.failed, ": a reason")), "%s", f.failed ? f.failed : "-");
		if (i >= 4) {
			CHECK(f.n_layers == 0 && source_volume(in, &f), "%s", f.name);
			continue;
		}
		make(&want, names[i], 1, i == 3 ? 9 : (uint64_t)(2 * i + 1));
		CHECK(f.n_layers == TYPES && !memcmp(f.shape, shape, sizeof shape) &&
		    !memcmp(f.spacing_mm, spacing, sizeof spacing), "%s", f.name);
		CHECK(layer_member(f.layer[2], &m) && m.index == 3 && m.of == TYPES && !m.fold && !strcmp(m.weights, "abc"), "%s",
		    f.name);
		CHECK(isnan(mpk_get_real(&f.header, "key", 0)) && !mpk_get(&f.header, "layers"), "%s", f.name);
		if (whole)
			CHECK(source_volume(in, &f), "%s", failed_text());
		for (int l = 0; whole && l < TYPES; l++)
			CHECK(!memcmp(f.layer[l]->data, want.layer[l]->data,
			    (size_t)f.layer[l]->channels * Z * Y * X * dtype_size(types[l])), "%s %d", f.name, l);
		while (!whole && source_slab(in, &f))
			for (int l = 0; l < TYPES; l++)
				for (int64_t c = 0, k = 0; c < f.layer[l]->channels; c++)
					for (int64_t z = f.z; z < f.z + f.dz; z++)
						for (int64_t y = f.y; y < f.y + f.dy; y++, k += X) {
							size_t size = dtype_size(types[l]);
							int64_t at = ((c * Z + z) * Y + y) * X;
							CHECK(!memcmp((char *)f.layer[l]->data + (size_t)k * size,
							    (char *)want.layer[l]->data + (size_t)at * size, X * size),
							      "%s, layer %d, plane %lld", f.name, l, (long long)z);
						}
		CHECK(frame_score(&f, "s") == 0.5 && isnan(frame_score(&f, "t")) && frame_has_flag(&f, "one") &&
		    !frame_has_flag(&f, "two"), "%s", f.name);
		CHECK(mpk_get_array(&f.closing, "flags")->via.array.size == 1, "a flag is set once");
	}
	CHECK(!source_next(in, &f), "more frames");
	CHECK(filter_end(in, NULL) == XDATA, "status");
	frame_free(&f);
	frame_free(&want);
}

/* Reads path and writes it in the given manner. */
static void copy(const char *path, const char *to, int manner)
{
	struct source *in = source_open(path);
	struct sink *out = sink_into(to, in);
	struct frame f = {0};

	while (source_next(in, &f)) {
		if (manner == 0) {
			sink_pass(out, in, &f);
		} else if (manner == 1) {
			struct layer *l = f.n_layers == 0 ? NULL : frame_add(&f, "added", DT_F4, 1);
			if (l)
				l->dropped = true;
			CHECK(source_volume(in, &f), "%s", failed_text());
			if (!f.failed && f.n_layers > 1)
				frame_grid(&f, f.shape, f.spacing_mm, 2);
			sink_volume(out, &f);
		} else {                                /* as a filter: a layer is read, another added and dropped again */
			sink_begin(out, &f);
			while (source_slab(in, &f))
				sink_slab(out, &f);
			sink_end(out, &f);
		}
	}
	filter_end(in, out);
	frame_free(&f);
}

static void over_the_limit(const char *path)
{
	struct source *in = source_open(path);
	struct frame f = {0};
	size_t before = memory_limit;

	memory_limit = 200;
	for (int i = 0; i < 6; i++) {
		CHECK(source_next(in, &f), "%d", i);
		CHECK(source_volume(in, &f) == (i >= 4), "%s needs more than 200 bytes", f.name);
	}
	memory_limit = before;
	CHECK(!source_next(in, &f), "payloads over the limit were skipped");
	source_close(in);
	frame_free(&f);
}

/* A case that fails after its slabs says so in the closing map; read whole and written, it is a failed frame. */
static void failed_at_the_end(void)
{
	struct sink *out = sink_into("late", NULL);
	struct frame f = {0};
	struct source *in;
	msgpack_object why = mpk_map();

	make(&f, "late", 2, 1);
	mpk_put(f.zone, &why, "stage", mpk_str(f.zone, "infer"));
	mpk_put(f.zone, &why, "reason", mpk_str(f.zone, "not a number"));
	mpk_put(f.zone, &f.closing, "failed", why);
	sink_begin(out, &f);
	int64_t z = 0;
	for (f.y = 0, f.dy = Y; z < Z; z += f.dz) {     /* any bytes do */
		f.z = z;
		f.dz = z + 2 <= Z ? 2 : Z - z;
		sink_slab(out, &f);
	}
	f.failed = "infer: not a number";
	sink_end(out, &f);
	CHECK(filter_end(NULL, out) == XDATA, "status");
	copy("late", "late.volume", 1);
	copy("late", "late.pass", 0);
	for (int i = 0; i < 3; i++) {
		in = source_open(i == 0 ? "late" : i == 1 ? "late.volume" : "late.pass");
		CHECK(source_next(in, &f), "no frame");
		CHECK(source_volume(in, &f) && f.failed && !strcmp(f.failed, "infer: not a number"), "%s", f.failed ? f.failed
		    : "-");
		CHECK(!source_next(in, &f) && source_failed(in) == 1, "one failed");
		source_close(in);
	}
	frame_free(&f);
}

int main(void)
{
	write_all("all");
	check_all("all", true);
	check_all("all", false);
	for (int manner = 0; manner < 3; manner++) {
		copy("all", "copy", manner);
		check_all("copy", true);
		check_all("copy", false);
	}
	over_the_limit("all");
	failed_at_the_end();
	return 0;
}
