#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/graph.h"
#include "filters/infer-checkpoint/cuda/library.h"

size_t graph_version(void) { return library_open() ? dnn.cudnnGetVersion() : 0; }

static bool check(cudnnStatus_t s, const char *what)
{
	char more[512] = "";

	if (s == CUDNN_STATUS_SUCCESS)
		return true;
	dnn.cudnnGetLastErrorString(more, sizeof more);
	for (char *c = more; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return fail(XDEVICE, "cuDNN, %s: %s%s%s", what, dnn.cudnnGetErrorString(s), *more ? ": " : "", more);
}

typedef cudnnBackendDescriptor_t descriptor;

static descriptor create(cudnnBackendDescriptorType_t type)
{
	descriptor d = NULL;

	return check(dnn.cudnnBackendCreateDescriptor(type, &d), "descriptor") ? d : NULL;
}

static void destroy(descriptor d)
{
	if (d)
		dnn.cudnnBackendDestroyDescriptor(d);
}

static bool set(descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n, const void *value)
{
	return check(dnn.cudnnBackendSetAttribute(d, name, type, n, value), "attribute");
}

static bool finalize(descriptor d, const char *what) { return check(dnn.cudnnBackendFinalize(d), what); }

struct graph_device {
	descriptor properties;
	cudnnHandle_t handle;           /* NULL: described */
};

static struct graph_device *device_new(cudnnHandle_t handle, const char *json)
{
	descriptor p = create(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
	struct graph_device *d;

	if (!p || !(json ? set(p, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json), json) :
	            set(p, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle)) || !finalize(p, "properties of the device")) {
		destroy(p);
		return NULL;
	}
	d = xmalloc(1, sizeof *d);
	*d = (struct graph_device){ .properties = p, .handle = handle };
	return d;
}

struct graph_device *graph_device_here(void *stream)
{
	cudnnHandle_t handle;
	struct graph_device *d = NULL;

	if (!library_open() || !check(dnn.cudnnCreate(&handle), "start"))
		return NULL;
	if (check(dnn.cudnnSetStream(handle, stream), "stream"))
		d = device_new(handle, NULL);
	if (!d)
		dnn.cudnnDestroy(handle);
	return d;
}

struct graph_device *graph_device_described(const char *json) { return library_open() ? device_new(NULL, json) : NULL; }

/* An attribute that is text: asked for its length, then for itself. */
static char *get_text(descriptor d, cudnnBackendAttributeName_t name, const char *what)
{
	int64_t n = 0;
	char *text;

	if (!check(dnn.cudnnBackendGetAttribute(d, name, CUDNN_TYPE_CHAR, 0, &n, NULL), what))
		return NULL;
	text = xcalloc((size_t)n + 1, 1);
	if (check(dnn.cudnnBackendGetAttribute(d, name, CUDNN_TYPE_CHAR, n, &n, text), what))
		return text;
	free(text);
	return NULL;
}

void graph_device_free(struct graph_device *d)
{
	destroy(d->properties);
	if (d->handle)
		dnn.cudnnDestroy(d->handle);
	free(d);
}

enum { X = 1, W, Y };                   /* names of the tensors */
enum { MAX_DESCRIPTORS = 8 };

struct graph {
	struct graph_device *device;
	descriptor made[MAX_DESCRIPTORS];
	int n_made;
	bool ok;
	descriptor graph;
	descriptor *offer;
	int n_offers;
};

static descriptor make(struct graph *g, cudnnBackendDescriptorType_t type)
{
	descriptor d = g->ok ? create(type) : NULL;

	g->ok = d;
	if (d)
		g->made[g->n_made++] = d;
	return d;
}

static void give(struct graph *g, descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
                 const void *value)
{
	g->ok = g->ok && set(d, name, type, n, value);
}

static void done(struct graph *g, descriptor d, const char *what) { g->ok = g->ok && finalize(d, what); }

static cudnnDataType_t type_of(enum precision p)
{
	return p == PRECISION_FP16 ? CUDNN_DATA_HALF : p == PRECISION_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/* The convolution in as many dimensions as it has: an axis that no weight runs along is a part of the batch, as channels-last
 * tensors have it beside that.  There are more engines for two dimensions. */
struct shape {
	int spatial;
	int64_t n, in[3], out[3], kernel[3], stride[3], padding[3];
};

static struct shape shape_of(const struct convolution *c)
{
	int fold = c->kernel[0] == 1 && c->stride[0] == 1 && c->padding[0] == 0;
	struct shape s = { .spatial = 3 - fold, .n = fold ? c->n * c->in[0] : c->n };

	for (int i = 0; i < s.spatial; i++) {
		s.in[i] = c->in[i + fold];
		s.out[i] = c->out[i + fold];
		s.kernel[i] = c->kernel[i + fold];
		s.stride[i] = c->stride[i + fold];
		s.padding[i] = c->padding[i + fold];
	}
	return s;
}

/* n, c, sizes; channels are next to one another in memory. */
static descriptor tensor(struct graph *g, enum precision p, int64_t name, int64_t n, int64_t c, const int64_t *size, int spatial)
{
	descriptor t = make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
	cudnnDataType_t type = type_of(p);
	int64_t dim[5] = { n, c }, stride[5] = { 0, 1 }, step = c, align = 16;

	for (int i = spatial - 1; i >= 0; i--) {
		dim[2 + i] = size[i];
		stride[2 + i] = step;
		step *= size[i];
	}
	stride[0] = step;
	give(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
	give(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 2 + spatial, dim);
	give(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 2 + spatial, stride);
	give(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &name);
	give(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
	done(g, t, "tensor");
	return t;
}

/* Zeros behind are as many as before; a last plane that no step of the stride reaches is left out. */
static descriptor convolution(struct graph *g, const struct shape *s)
{
	descriptor d = make(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
	const int64_t dilation[3] = { 1, 1, 1 }, spatial = s->spatial;
	cudnnDataType_t sums = CUDNN_DATA_FLOAT;
	cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;

	give(g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
	give(g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
	give(g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
	give(g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, spatial, s->padding);
	give(g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, spatial, s->padding);
	give(g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, spatial, s->stride);
	give(g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, spatial, dilation);
	done(g, d, "convolution");
	return d;
}

/* A transposed convolution is what a convolution from y to x does to the gradient of its input. */
static descriptor operation(struct graph *g, const struct convolution *c)
{
	const struct shape s = shape_of(c);
	const float one = 1, zero = 0;
	descriptor x = tensor(g, c->precision, X, s.n, c->c_in, s.in, s.spatial);
	descriptor w = tensor(g, c->precision, W, c->transposed ? c->c_in : c->c_out, c->transposed ? c->c_out : c->c_in, s.kernel, s.spatial);
	descriptor y = tensor(g, c->precision, Y, s.n, c->c_out, s.out, s.spatial);
	descriptor d = convolution(g, &s), o;

	if (c->transposed) {
		o = make(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
	} else {
		o = make(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
		give(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
	}
	done(g, o, "operation");
	return o;
}

/* Adds what one mode of the heuristics offers, which may be nothing. */
static void add_offers(struct graph *g, cudnnBackendHeurMode_t mode)
{
	descriptor h = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
	int64_t n = 0, got = 0;

	if (h && set(h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph) &&
	    set(h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) &&
	    set(h, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->device->properties) &&
	    finalize(h, "heuristics") &&
	    check(dnn.cudnnBackendGetAttribute(h, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n, NULL), "heuristics")) {
		descriptor *o = g->offer = xrealloc(g->offer, (size_t)(g->n_offers + n), sizeof *o);
		int64_t made = 0;
		o += g->n_offers;
		while (made < n && (o[made] = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)))
			made++;
		if (!check(dnn.cudnnBackendGetAttribute(h, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, made, &got, o), "heuristics"))
			got = 0;
		for (int64_t i = got; i < made; i++)
			destroy(o[i]);
		g->n_offers += (int)got;
	}
	destroy(h);
}

struct graph *graph_open(struct graph_device *d, const struct convolution *c)
{
	struct graph *g = xcalloc(1, sizeof *g);
	descriptor o;

	g->device = d;
	g->ok = true;
	o = operation(g, c);
	g->graph = make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
	give(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &o);
	done(g, g->graph, "graph");
	if (!g->ok) {
		graph_free(g);
		return NULL;
	}
	add_offers(g, CUDNN_HEUR_MODE_A);
	return g;
}

void graph_ask_general(struct graph *g) { add_offers(g, CUDNN_HEUR_MODE_FALLBACK); }

void graph_free(struct graph *g)
{
	for (int i = 0; i < g->n_offers; i++)
		destroy(g->offer[i]);
	while (g->n_made)
		destroy(g->made[--g->n_made]);
	free(g->offer);
	free(g);
}

int graph_offers(const struct graph *g) { return g->n_offers; }

static unsigned notes_of(descriptor engine)
{
	cudnnBackendNumericalNote_t number[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
	cudnnBackendBehaviorNote_t behavior[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
	int64_t n = 0;
	unsigned notes = 0;

	if (!dnn.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
	                                  CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, number))
		for (int64_t i = 0; i < n; i++)
			switch (number[i]) {
			case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: notes |= ENGINE_TENSOR_CORES; break;
			case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: notes |= ENGINE_VARIES; break;
			case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
			case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: notes |= ENGINE_ROUNDS; break;
			case CUDNN_NUMERICAL_NOTE_FFT:
			case CUDNN_NUMERICAL_NOTE_WINOGRAD: notes |= ENGINE_TRANSFORMS; break;
			default: break;
			}
	n = 0;
	if (!dnn.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
	                                  CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &n, behavior))
		for (int64_t i = 0; i < n; i++)
			if (behavior[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)
				notes |= ENGINE_COMPILES;
	return notes;
}

bool graph_offer(struct engine *e, const struct graph *g, int i)
{
	descriptor d = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
	int64_t n = 0, number = -1;
	bool ok = d && check(dnn.cudnnBackendGetAttribute(g->offer[i], CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &d),
	                     "engine") &&
	          check(dnn.cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &number), "engine");

	if (ok)
		*e = (struct engine){ .number = (int)number, .notes = notes_of(d) };
	destroy(d);
	return ok;
}

struct graph_plan {
	descriptor plan;
	cudnnHandle_t handle;
	size_t workspace;
};

static struct graph_plan *plan_new(const struct graph_device *device, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                   int64_t n, const void *value)
{
	descriptor d = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
	int64_t one, workspace = 0;
	struct graph_plan *p;

	if (!d || !set(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device->properties) ||
	    !set(d, name, type, n, value) || !finalize(d, "plan") ||
	    !check(dnn.cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one, &workspace), "plan")) {
		destroy(d);
		return NULL;
	}
	p = xmalloc(1, sizeof *p);
	*p = (struct graph_plan){ .plan = d, .handle = device->handle, .workspace = (size_t)workspace };
	return p;
}

struct graph_plan *graph_plan_make(struct graph *g, int i)
{
	return plan_new(g->device, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->offer[i]);
}

char *graph_plan_text(const struct graph_plan *p) { return get_text(p->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, "plan"); }

struct graph_plan *graph_plan_read(struct graph_device *d, const char *text)
{
	return plan_new(d, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(text), text);
}

void graph_plan_free(struct graph_plan *p)
{
	destroy(p->plan);
	free(p);
}

size_t graph_plan_workspace(const struct graph_plan *p) { return p->workspace; }

bool graph_plan_run(const struct graph_plan *p, void *y, const void *x, const void *w, void *workspace)
{
	const int64_t name[3] = { X, W, Y };
	const void *data[3] = { x, w, y };
	descriptor v = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
	bool ok = v && set(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, data) &&
	          set(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, name) &&
	          set(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace) && finalize(v, "arguments") &&
	          check(dnn.cudnnBackendExecute(p->handle, p->plan, v), "run");

	destroy(v);
	return ok;
}
