/* Which plan is chosen: the fastest that is allowed, can be recorded and computes rightly; none that fails in a corner.  With a
 * device and engines that are imitated on the processor. */
#include <dirent.h>
#include <stdio.h>
#include "tests/gpu/imitation.h"

static int failures;
static char message[1024];

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s (last failure: %s)\n", what, failed_text());
	failures++;
}

enum { KINDS = 6 };

/* Small shapes of all kinds that networks have. */
static struct convolution shape(int kind, enum precision p)
{
	static const struct convolution all[KINDS] = {
		{ 0, false, 2, 8, 16, { 4, 5, 6 }, { 4, 5, 6 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } },
		{ 0, false, 2, 4, 8, { 1, 7, 8 }, { 1, 7, 8 }, { 1, 3, 3 }, { 1, 1, 1 }, { 0, 1, 1 } },
		{ 0, false, 3, 8, 8, { 5, 6, 7 }, { 3, 3, 4 }, { 3, 3, 3 }, { 2, 2, 2 }, { 1, 1, 1 } },
		{ 0, false, 2, 16, 8, { 4, 4, 4 }, { 4, 4, 4 }, { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 } },
		{ 0, false, 2, 8, 8, { 4, 8, 9 }, { 4, 4, 4 }, { 1, 2, 2 }, { 1, 2, 2 }, { 0, 0, 0 } },
		{ 0, true, 2, 16, 8, { 3, 4, 5 }, { 6, 4, 10 }, { 2, 1, 2 }, { 2, 1, 2 }, { 0, 0, 0 } },
	};
	struct convolution c = all[kind];

	c.precision = p;
	return c;
}

/* Number of the engine that is chosen, 0 for none. */
static int chosen(const struct convolution *c, const struct convolver_options *o)
{
	struct convolver *v = convolver_open(&the_device, o);
	const struct plan_of *p = convolver_plan(v, c);
	struct plan_facts f = {0};

	snprintf(message, sizeof message, "%s", p ? "" : failed_text());
	if (p) {
		check(convolver_plan(v, c) == p, "an equal convolution has another plan");
		plan_facts(&f, p);
	}
	convolver_close(v);
	check(allocated == 0, "memory is kept");
	return f.engine;
}

static const struct convolver_options apart = { .workspace = 1000, .cache = "/dev/null/none" };

static int of(const struct imitated *list, const struct convolution *c)
{
	engines = list;
	return chosen(c, &apart);
}

static void faults(void)
{
	static const char *const name[] = { "right", "no border", "last image", "last channel", "one tap", "turned", "neighbour", "rounded",
	                                    "refused", "unrecorded", "unreadable" };

	for (int kind = 0; kind < KINDS; kind++)
		for (int p = PRECISION_FP16; p <= PRECISION_FP32; p++)
			for (int f = RIGHT; f <= UNREADABLE; f++) {
				struct convolution c = shape(kind, (enum precision)p);
				const struct imitated list[] = { { 1, 0, 0, 2e-3, RIGHT }, { 2, 0, 0, 1e-3, (enum fault)f }, {0} };
				char what[200];
				bool none = (f == NO_BORDER && c.padding[1] == 0) || (f == TURNED && c.kernel[2] == 1);
				if ((kind && kind != KINDS - 1 && p != PRECISION_FP16) || (f == ROUNDED && p != PRECISION_FP32))
					continue;               /* sums in half precision are told by their note */
				snprintf(what, sizeof what, "kind %d, precision %d, fault %s: the %s engine is chosen", kind, p, name[f],
				         f && !none ? "wrong" : "slower");
				check(of(list, &c) == (f && !none ? 1 : 2), what);
			}
}

static void notes(void)
{
	struct convolution half = shape(0, PRECISION_FP16), exact = shape(0, PRECISION_FP32), tf32 = shape(0, PRECISION_TF32);
	const struct imitated list[] = { { 1, 0, 0, 5e-3, RIGHT }, { 2, ENGINE_TENSOR_CORES, 0, 4e-3, RIGHT },
	                                 { 3, ENGINE_ROUNDS | ENGINE_TENSOR_CORES, 0, 3e-3, RIGHT }, { 4, ENGINE_VARIES, 0, 2e-3, RIGHT },
	                                 { 5, 0, 1001, 1e-3, RIGHT }, { 6, ENGINE_COMPILES, 0, 1e-3, RIGHT }, {0} };

	check(of(list, &half) == 2, "fp16: the fastest that neither varies nor rounds nor needs too much memory nor compiles");
	check(of(list, &exact) == 1, "fp32: the fastest without tensor cores");
	check(of(list, &tf32) == 3, "tf32: the fastest, rounded factors are what is asked for");
	check(of((const struct imitated[]){ list[0], { .number = GENERAL }, list[1], {0} }, &half) == 1,
	      "general engines are not asked for in vain");
	check(of((const struct imitated[]){ list[3], { .number = GENERAL }, list[5], list[1], {0} }, &half) == 2,
	      "a general engine rather than one that compiles");
	check(of((const struct imitated[]){ { .number = GENERAL }, list[0], {0} }, &half) == 1, "nothing but a general engine");
	check(of(list + 3, &half) == 6, "what compiles is taken where there is nothing else");
	check(of((const struct imitated[]){ list[3], list[4], {0} }, &half) == 0, "nothing is allowed");
	check(failed_code() == XDEVICE, "no plan is a failure of the device");
	check(strstr(message, "kernel 3x3x3") && strstr(message, "none of 2 engines") && strstr(message, "workspace"),
	      "the message names the shape and why");
}

static void order(void)
{
	struct convolution c = shape(1, PRECISION_FP16);
	struct imitated list[16] = {{0}};

	for (int i = 0; i < 14; i++)
		list[i] = (struct imitated){ i + 1, 0, 0, 1e-3 * (i < 12 ? 12 - i : 1), i < 13 ? LAST_IMAGE : RIGHT };
	check(of(list, &c) == 14, "where the first twelve are wrong, a later one");
	list[3].fault = RIGHT;
	check(of(list, &c) == 4, "the only right one among the first twelve");
	list[11].fault = RIGHT;
	check(of(list, &c) == 12, "the faster of two right ones");
	list[0] = (struct imitated){ 1, 0, 0, 1e-4, RIGHT };
	timings = 0;
	check(of(list, &c) == 1, "the fastest is the first");
	check(timings == 2 + 13, "what is hopelessly slower is timed once");
}

static int entries(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return d ? n - 2 : -1;
}

static void cache(void)
{
	const struct imitated list[] = { { 1, 0, 0, 1e-3, RIGHT }, { 2, 0, 500, 5e-4, RIGHT }, {0} };
	struct convolver_options o = { .workspace = 1000, .cache = "plans/of/this" }, little = { .workspace = 100, .cache = "plans/of/this" },
	                         same = { .deterministic = true, .workspace = 1000, .cache = "plans/none" };
	struct convolution c = shape(0, PRECISION_FP16), other = shape(2, PRECISION_FP16);

	engines = list;
	opened = 0;
	check(chosen(&c, &o) == 2 && opened == 1, "the first time it is searched");
	check(chosen(&c, &o) == 2 && opened == 1, "the second time it comes from the cache");
	check(chosen(&other, &o) == 2 && opened == 2, "another shape is searched");
	check(entries("plans/of/this") == 2, "two files");
	check(chosen(&c, &little) == 1 && opened == 3, "a stored plan that needs more memory than there is now is searched again");
	driver = 13010;
	check(chosen(&c, &o) == 2 && opened == 4, "another driver, another plan");
	driver = 13000;
	timings = 0;
	check(chosen(&c, &same) == 1 && timings == 0 && entries("plans/none") < 0, "deterministic: the first, untimed, no cache");
}

static void versions(void)
{
	static const struct { size_t version; int dimensions; bool ok; } known[] = {
		{ 91900, 3, true }, { 91500, 3, true }, { 91402, 3, false }, { 91402, 2, true }, { 90800, 2, true }, { 90701, 2, false }, { 90701, 3, false },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *why;
		version = known[i].version;
		why = convolver_probe(known[i].dimensions);
		check(known[i].ok ? !why : why && strstr(why, "is needed"), "versions that are refused");
	}
	version = 91402;
	check(!strcmp(convolver_probe(3), "cuDNN 9.14.2 computes 3D convolutions wrongly, 9.15 is needed"), "why it is refused");
	version = 91900;
}

static void report(void)
{
	const struct imitated list[] = { { 7, ENGINE_TENSOR_CORES, 0, 1e-3, RIGHT }, {0} };
	struct convolution c = shape(0, PRECISION_FP16), up = shape(5, PRECISION_FP16);
	struct convolver *v = convolver_open(&the_device, &apart);
	struct plan_facts f;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	engines = list;
	plan_facts(&f, convolver_plan(v, &c));
	check(f.flops == 2.0 * 2 * 120 * 16 * 8 * 27 && f.bytes == 2.0 * (2 * 120 * 24 + 16 * 8 * 27), "operations and bytes");
	plan_facts(&f, convolver_plan(v, &up));
	check(f.flops == 2.0 * 2 * 240 * 8 * 16, "operations of a transposed convolution");
	convolver_report(v, out);
	fclose(out);
	check(strstr(text, "\n7\t1\tsearch\t0\t1000.0\t") && strstr(text, "fp16 convolution of 2 images, 8 to 16 channels, 4x5x6"), "the report");
	free(text);
	convolver_close(v);
}

int main(void)
{
	faults();
	notes();
	order();
	cache();
	versions();
	report();
	return failures > 0;
}
