/* Every convolution of usual networks, and of those of golden models and plans, has plans for GPUs of all generations, described
 * in devices/ by what their makers publish: within the bound of memory and, in half precision, on tensor cores without a hidden
 * copy of its input or output.  A plan outlives its text, but not on another GPU.
 * release only: what runs is cuDNN, which hides from the sanitizers
 *
 * The usual networks are asked of all GPUs, the others of one, in turn; with the argument `all`, everything of all, and the usual
 * networks in all precisions (a minute). */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/architecture.h"
#include "common/die.h"
#include "common/io.h"

#ifndef HAVE_CUDA
int main(void)
{
	puts("built without CUDA's and cuDNN's headers");
	return 77;
}
#else
#include "filters/infer-checkpoint/cuda/graph.h"
#include "filters/infer-checkpoint/cuda/shape.h"
#include "filters/infer-checkpoint/cuda/steps.h"

static const size_t bound = (size_t)1 << 30;    /* bytes of workspace */
static int failures;

/* Different convolutions, of all networks. */
static struct convolution *list;
static int n_list, room, n_networks;

static void add_convolution(const struct convolution *c)
{
	for (int i = 0; i < n_list; i++)
		if (shape_same(&list[i], c))
			return;
	if (n_list == room)
		list = xrealloc(list, (size_t)(room = room ? 2 * room : 256), sizeof *list);
	list[n_list++] = *c;
}

static void add_network(const struct architecture *a, int n_inputs, int n_outputs, const int64_t patch[3], enum precision precision)
{
	struct network n;
	struct steps s;

	if (!network_build(&n, a, n_inputs, n_outputs, patch) || !steps_make(&s, &n, precision, steps_images(&n, 1 << a->dims)))
		die_failed();
	for (int i = 0; i < s.n_steps; i++)
		if (s.step[i].kind == STEP_CONVOLVE)
			add_convolution(&s.step[i].convolution);
	steps_free(&s);
	network_free(&n);
	n_networks++;
}

/* strides: of each stage a digit an axis, 122 is 1x2x2; a kernel is flat along z before the first stride there. */
static struct architecture unet(enum unet_class class, int dims, int features, int most, const int *strides, const int *blocks)
{
	struct architecture a = { .class = class, .dims = dims, .conv_bias = true, .eps = 1e-5, .slope = 0.01 };
	bool flat = strides[1] < 200;           /* axis z is not halved at first, or is not there */

	for (; strides[a.n_stages]; a.n_stages++) {
		int s = a.n_stages, stride = strides[s];
		a.features[s] = features << s < most ? features << s : most;
		a.n_conv_encoder[s] = class == UNET_RESENC ? blocks[s] : 2;
		a.n_conv_decoder[s] = class == UNET_RESENC ? 1 : 2;
		a.stride[s][0] = stride / 100;
		a.stride[s][1] = stride / 10 % 10;
		a.stride[s][2] = stride % 10;
		flat = flat && stride < 200 && (dims == 2 || s < 2);
		a.kernel[s][0] = flat ? 1 : 3;
		a.kernel[s][1] = a.kernel[s][2] = 3;
	}
	return a;
}

/* nnU-Net's usual plans: its default network in 2D and 3D, flat voxels, ResEnc M and L, with one and more inputs. */
static void add_usual(enum precision p)
{
	static const int plane[] = { 111, 122, 122, 122, 122, 122, 0 }, large_plane[] = { 111, 122, 122, 122, 122, 122, 122, 122, 0 },
	                 cube[] = { 111, 222, 222, 222, 222, 222, 0 }, slab[] = { 111, 122, 122, 222, 222, 122, 0 },
	                 blocks[] = { 1, 3, 4, 6, 6, 6, 6 };
	struct architecture a;

	a = unet(UNET_PLAIN, 2, 32, 512, plane, NULL);
	add_network(&a, 1, 4, (const int64_t[]){ 1, 160, 160 }, p);
	a = unet(UNET_PLAIN, 2, 32, 512, large_plane, NULL);
	add_network(&a, 3, 2, (const int64_t[]){ 1, 512, 512 }, p);
	a = unet(UNET_PLAIN, 3, 32, 320, cube, NULL);
	add_network(&a, 1, 3, (const int64_t[]){ 128, 128, 128 }, p);
	add_network(&a, 4, 3, (const int64_t[]){ 128, 160, 96 }, p);
	add_network(&a, 5, 3, (const int64_t[]){ 96, 160, 160 }, p);
	a = unet(UNET_PLAIN, 3, 32, 320, slab, NULL);
	add_network(&a, 2, 3, (const int64_t[]){ 20, 320, 256 }, p);
	a = unet(UNET_RESENC, 3, 32, 320, cube, blocks);
	add_network(&a, 1, 3, (const int64_t[]){ 128, 128, 128 }, p);
	add_network(&a, 1, 30, (const int64_t[]){ 160, 192, 160 }, p);
}

/* Every configuration of a file of plans. */
static void add_plans(const char *plans)
{
	char *data = xasprintf("%.*sdataset.json", (int)(strrchr(plans, '/') + 1 - plans), plans), **configuration = plans_configurations(plans);
	struct dataset d;

	if (!configuration || !dataset_read(&d, data))
		die_failed();
	for (int i = 0; configuration[i]; i++) {
		struct plan p;
		if (!plan_read(&p, plans, configuration[i]))
			die_failed();
		add_network(&p.arch, plan_input_channels(&p, &d.labels), d.labels.n_outputs, p.patch_size, PRECISION_FP16);
		plan_free(&p);
	}
	dataset_free(&d);
	free(configuration);
	free(data);
}

/* A network of golden/architectures with a patch of its own: the least that its strides divide, eight times. */
static void add_architecture(const char *path)
{
	struct json top;
	struct architecture a;
	int64_t patch[3] = { 8, 8, 8 };

	if (!json_read(&top, path) || !architecture_read(&a, &top))
		die_failed();
	for (int axis = 0; axis < 3; axis++)
		for (int s = 0; s < a.n_stages; s++)
			patch[axis] *= a.stride[s][axis];
	patch[0] = a.dims == 2 ? 1 : patch[0];
	add_network(&a, 1, 2, patch, PRECISION_FP16);
	json_free(&top);
}

/* Calls add for each file that matches a pattern below a folder; how many there were. */
static int each(const char *folder, const char *pattern, void (*add)(const char *path))
{
	char *full = xasprintf("%s/%s", folder, pattern);
	glob_t g;
	int n = 0;

	if (!glob(full, 0, NULL, &g))
		for (; n < (int)g.gl_pathc; n++)
			add(g.gl_pathv[n]);
	globfree(&g);
	free(full);
	return n;
}

static void wrong(const struct convolution *c, const char *device, const char *what)
{
	char *shape = shape_text(c);

	printf("%s: %s: %s (%s)\n", device, shape, what, failed_text());
	free(shape);
	failures++;
}

/* Twelve plans are what is timed. */
static void plans_of(struct graph_device *d, const struct convolution *c, const char *device)
{
	struct graph *g = graph_open(d, c);
	bool half = c->precision == PRECISION_FP16;
	size_t x = shape_x(c) * shape_element(c), y = shape_y(c) * shape_element(c), copy = (x < y ? x : y) / 2 + 4096;
	int made = 0, fast = 0;

	if (!g) {
		wrong(c, device, "no graph");
		return;
	}
	for (int i = 0, asked = 0; made < 12 && !(made && (fast || !half)); i++) {
		if (i == graph_offers(g) && !asked++)
			graph_ask_general(g);
		if (i == graph_offers(g))
			break;
		struct engine e;
		struct graph_plan *p;
		if (!graph_offer(&e, g, i) || e.notes & (ENGINE_COMPILES | ENGINE_VARIES) || !(p = graph_plan_make(g, i)))
			continue;
		if (c->precision == PRECISION_FP32 && e.notes & (ENGINE_TENSOR_CORES | ENGINE_ROUNDS)) {
			graph_plan_free(p);
			continue;
		}
		made += graph_plan_workspace(p) <= bound;
		fast += e.notes & ENGINE_TENSOR_CORES && graph_plan_workspace(p) < copy;
		graph_plan_free(p);
	}
	if (!made)
		wrong(c, device, "no plan within the bound of memory");
	else if (half && !fast && c->c_out >= 32)       /* sm_120 has none for what is as narrow as that */
		wrong(c, device, "no plan on tensor cores without a copy");
	graph_free(g);
}

static struct graph_device *described(const char *path)
{
	char *text;
	size_t n;
	struct graph_device *d;

	if (!io_slurp(path, 1 << 16, &text, &n) || !(d = graph_device_described(text)))
		die_failed();
	free(text);
	return d;
}

static int n_devices, n_usual;
static bool all;

static void each_device(const char *path)
{
	struct graph_device *d = described(path);

	for (int i = 0; i < n_list; i++)
		if (all || i < n_usual || i % 7 == n_devices % 7)
			plans_of(d, &list[i], strrchr(path, '/') + 1);
	graph_device_free(d);
	n_devices++;
}

/* A plan of one GPU on another. */
static void moved(const char *folder)
{
	static const struct convolution c = { PRECISION_FP16, false, 2, 32, 32, { 32, 32, 32 }, { 32, 32, 32 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } };
	char *here = xasprintf("%s/h100.json", folder), *there = xasprintf("%s/a100.json", folder), *text;
	struct graph_device *d = described(here), *other = described(there);
	struct graph *g = graph_open(d, &c);
	struct graph_plan *p = NULL, *q;

	for (int i = 0; g && !p && i < graph_offers(g); i++)
		p = graph_plan_make(g, i);
	if (!p || !(text = graph_plan_text(p)))
		die_failed();
	q = graph_plan_read(d, text);
	if (!q || graph_plan_workspace(q) != graph_plan_workspace(p))
		wrong(&c, "h100", "a plan is not what its text says");
	if (q)
		graph_plan_free(q);
	if (graph_plan_read(other, text))
		wrong(&c, "a100", "a plan of another GPU is accepted");
	text[strlen(text) / 2] = 0;
	if (graph_plan_read(d, text))
		wrong(&c, "h100", "half a text is accepted");
	free(text);
	graph_plan_free(p);
	graph_free(g);
	graph_device_free(d);
	graph_device_free(other);
	free(here);
	free(there);
}

int main(int argc, char **argv)
{
	char *devices = xasprintf("%s/gpu/devices", getenv("TESTS"));
	const char *shared = getenv("SHARED");

	if (!graph_version()) {
		puts(failed_text());
		return 77;
	}
	all = argc > 1 && !strcmp(argv[1], "all");
	for (int p = PRECISION_FP16; p <= (all ? PRECISION_FP32 : PRECISION_FP16); p++)
		add_usual((enum precision)p);
	n_usual = n_list;
	each(shared, "golden/models/*/plans.json", add_plans);
	each(shared, "golden/plans/*/nnUNet*Plans.json", add_plans);
	each(shared, "golden/architectures/*/architecture.json", add_architecture);
	each(devices, "*.json", each_device);
	printf("note: cuDNN %zu, %d convolutions of %d networks, %d devices\n", graph_version(), n_list, n_networks, n_devices);
	moved(devices);
	free(list);
	free(devices);
	return failures > 0;
}
#endif
