#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/network.h"
#include "common/opt.h"

/* The network in the making.  The first failure sticks: later calls do nothing, so that the graph reads top down. */
struct builder {
	struct network *n;
	const struct architecture *a;
	bool ok, training;
	size_t nodes, values, parameters;       /* allocated */
};

static const int one[3] = { 1, 1, 1 };

static void *grow(void *list, int n, size_t *capacity, size_t size)
{
	if ((size_t)n < *capacity)
		return list;
	*capacity = *capacity ? 2 * *capacity : 32;
	return xrealloc(list, *capacity, size);
}

static int add_value(struct builder *b, int channels, const int64_t size[3])
{
	struct network *n = b->n;
	size_t bytes;

	if (b->ok && (!size_of_block(&bytes, DT_F4, channels, size[0], size[1], size[2]) || bytes > memory_limit))
		b->ok = fail(XDATA, "a feature map of %d channels of %lld x %lld x %lld is over the limit of %zu MiB (--memory raises it)",
		             channels, (long long)size[0], (long long)size[1], (long long)size[2], memory_limit >> 20);
	n->value = grow(n->value, n->n_values, &b->values, sizeof *n->value);
	n->value[n->n_values] = (struct value){ .channels = channels, .size = { size[0], size[1], size[2] } };
	return n->n_values++;
}

static int add_parameter(struct builder *b, const char *layer, const char *what, int n_dims, const int64_t *dim)
{
	struct network *n = b->n;
	struct parameter p = { .name = xasprintf("%s.%s", layer, what), .n_dims = n_dims, .offset = n->n_weights, .count = 1 };

	for (int i = 0; i < n_dims; i++) {
		p.dim[i] = dim[i];
		if (b->ok && !size_mul(&p.count, (int64_t)p.count, dim[i]))
			b->ok = fail(XDATA, "the size of weight %s overflows", p.name);
	}
	if (b->ok && (__builtin_add_overflow(n->n_weights, p.count, &n->n_weights) || n->n_weights > memory_limit / sizeof(float)))
		b->ok = fail(XDATA, "the network's weights are over the limit of %zu MiB (--memory raises it)", memory_limit >> 20);
	n->parameter = grow(n->parameter, n->n_parameters, &b->parameters, sizeof *n->parameter);
	n->parameter[n->n_parameters] = p;
	return n->n_parameters++;
}

static int add_vector(struct builder *b, const char *layer, const char *what, int channels)
{
	return add_parameter(b, layer, what, 1, (int64_t[]){ channels });
}

/* Weight (first, second, k...), without a kernel length for z in a 2D network, as the checkpoint has it. */
static int add_kernel(struct builder *b, const char *layer, int first, int second, const int kernel[3])
{
	int64_t dim[5] = { first, second };
	int skip = 3 - b->a->dims;

	for (int i = skip; i < 3; i++)
		dim[2 + i - skip] = kernel[i];
	return add_parameter(b, layer, "weight", 2 + b->a->dims, dim);
}

static int add_node(struct builder *b, struct node node, const int64_t size[3])
{
	struct network *n = b->n;
	const struct value *in = &n->value[node.in];
	double out = (double)node.c_out * (double)size[0] * (double)size[1] * (double)size[2];
	double taps = node.kind == NODE_CONV ? (double)node.kernel[0] * node.kernel[1] * node.kernel[2] : 1;

	if (b->ok && node.in2 >= 0 && memcmp(in->size, n->value[node.in2].size, sizeof in->size))
		b->ok = fail(XDATA, "the patch %lldx%lldx%lld cannot be halved and doubled by this network's strides",
		             (long long)n->patch[0], (long long)n->patch[1], (long long)n->patch[2]);
	node.out = add_value(b, node.c_out, size);
	if (b->ok && node.residual >= 0 && memcmp(size, n->value[node.residual].size, sizeof in->size))
		b->ok = fail(XDATA, "the patch %lldx%lldx%lld is not divisible by this network's strides",
		             (long long)n->patch[0], (long long)n->patch[1], (long long)n->patch[2]);
	if (node.kind != NODE_POOL)
		n->flops += 2 * out * node.c_in * taps;
	n->node = grow(n->node, n->n_nodes, &b->nodes, sizeof *n->node);
	n->node[n->n_nodes++] = node;
	return node.out;
}

enum { BIAS = 1, NORM = 2, LEAKY = 4 };

/* Convolution of in (and, concatenated, in2) with what follows it (contract 3); name: of the block in the state_dict. */
static int conv(struct builder *b, const char *name, int in, int in2, int residual, int c_out, const int kernel[3],
                const int stride[3], int what)
{
	const struct architecture *a = b->a;
	const struct value *x = &b->n->value[in];
	struct node o = { .kind = NODE_CONV, .in = in, .in2 = in2, .residual = residual, .c_in = x->channels, .c_out = c_out,
	                  .norm = what & NORM, .leaky = what & LEAKY, .nonlin_first = a->nonlin_first, .norm_op = a->norm,
	                  .eps = (float)a->eps, .slope = (float)a->slope, .bias = -1, .gamma = -1, .beta = -1, .mean = -1, .var = -1 };
	char *layer = xasprintf("%s%s", name, what & NORM ? ".conv" : ""), *norm = xasprintf("%s.norm", name);
	int64_t size[3];

	if (in2 >= 0)
		o.c_in += b->n->value[in2].channels;
	for (int i = 0; i < 3; i++) {
		o.kernel[i] = kernel[i];
		o.stride[i] = stride[i];
		if (b->ok && (kernel[i] < 1 || kernel[i] % 2 == 0 || stride[i] < 1))
			b->ok = fail(XDATA, "%s: kernel length %d and stride %d; kernels have to be odd and strides positive", name,
			             kernel[i], stride[i]);
		size[i] = b->ok ? (x->size[i] - 1) / stride[i] + 1 : 1;
	}
	o.weight = add_kernel(b, layer, c_out, o.c_in, kernel);
	if (what & BIAS)
		o.bias = add_vector(b, layer, "bias", c_out);
	if (what & NORM) {
		o.gamma = add_vector(b, norm, "weight", c_out);
		o.beta = add_vector(b, norm, "bias", c_out);
	}
	if ((what & NORM) && a->norm == NORM_BATCH) {
		o.mean = add_vector(b, norm, "running_mean", c_out);
		o.var = add_vector(b, norm, "running_var", c_out);
	}
	free(layer);
	free(norm);
	return add_node(b, o, size);
}

static int transposed_conv(struct builder *b, const char *name, int in, int c_out, const int stride[3])
{
	const struct value *x = &b->n->value[in];
	struct node o = { .kind = NODE_TCONV, .in = in, .in2 = -1, .residual = -1, .c_in = x->channels, .c_out = c_out,
	                  .bias = -1, .gamma = -1, .beta = -1, .mean = -1, .var = -1 };
	int64_t size[3];

	for (int i = 0; i < 3; i++) {
		o.kernel[i] = o.stride[i] = stride[i];
		size[i] = x->size[i] * stride[i];
	}
	o.weight = add_kernel(b, name, x->channels, c_out, stride);
	if (b->a->conv_bias)
		o.bias = add_vector(b, name, "bias", c_out);
	return add_node(b, o, size);
}

static int pool(struct builder *b, int in, const int stride[3])
{
	const struct value *x = &b->n->value[in];
	struct node o = { .kind = NODE_POOL, .in = in, .in2 = -1, .residual = -1, .c_in = x->channels, .c_out = x->channels,
	                  .weight = -1, .bias = -1, .gamma = -1, .beta = -1, .mean = -1, .var = -1 };
	int64_t size[3];

	for (int i = 0; i < 3; i++) {
		o.kernel[i] = o.stride[i] = stride[i];
		size[i] = x->size[i] / stride[i];
	}
	return add_node(b, o, size);
}

/* convs blocks of one resolution; the first one has the stride and reads the concatenation. */
static int stacked(struct builder *b, const char *prefix, int convs, int in, int in2, int c_out, const int kernel[3],
                   const int stride[3])
{
	for (int i = 0; i < convs && b->ok; i++) {
		char *name = xasprintf("%s.convs.%d", prefix, i);
		in = conv(b, name, in, i ? -1 : in2, -1, c_out, kernel, i ? one : stride, NORM | LEAKY | (b->a->conv_bias ? BIAS : 0));
		free(name);
	}
	return in;
}

/* BasicBlockD or BottleneckD (contract 3.2): out = LReLU(y + skip(x)). */
static int residual_block(struct builder *b, const char *prefix, int in, int c_out, int c_mid, const int kernel[3],
                          const int stride[3])
{
	bool strided = stride[0] != 1 || stride[1] != 1 || stride[2] != 1, deep = b->a->bottleneck_blocks;
	int bias = b->a->conv_bias ? BIAS : 0, skip = in, x = in;
	char *name[4];

	for (int i = 0; i < 3; i++)
		name[i] = xasprintf("%s.conv%d", prefix, i + 1);
	name[3] = xasprintf("%s.skip.%d", prefix, strided ? 1 : 0);
	if (deep)
		x = conv(b, name[0], x, -1, -1, c_mid, one, one, NORM | LEAKY | bias);
	x = conv(b, name[deep], x, -1, -1, deep ? c_mid : c_out, kernel, stride, NORM | LEAKY | bias);
	if (strided && b->ok)
		skip = pool(b, skip, stride);
	if (b->n->value[in].channels != c_out)
		skip = conv(b, name[3], skip, -1, -1, c_out, one, one, NORM);
	x = conv(b, name[1 + deep], x, -1, skip, c_out, deep ? one : kernel, one, NORM | LEAKY | bias);
	for (int i = 0; i < 4; i++)
		free(name[i]);
	return x;
}

static int encoder_stage(struct builder *b, int s, int x)
{
	const struct architecture *a = b->a;
	char *prefix = xasprintf(a->class == UNET_PLAIN ? "encoder.stages.%d.0" : "encoder.stages.%d", s);

	if (a->class == UNET_PLAIN)
		x = stacked(b, prefix, a->n_conv_encoder[s], x, -1, a->features[s], a->kernel[s], a->stride[s]);
	else
		for (int i = 0; i < a->n_conv_encoder[s] && b->ok; i++) {
			char *name = xasprintf("%s.blocks.%d", prefix, i);
			x = residual_block(b, name, x, a->features[s], a->bottleneck_channels[s], a->kernel[s], i ? one : a->stride[s]);
			free(name);
		}
	free(prefix);
	return x;
}

/* Stage d of the decoder works on the resolution of encoder stage n_stages-2-d. */
static int decoder_stage(struct builder *b, int d, int x, int skip)
{
	const struct architecture *a = b->a;
	int r = a->n_stages - 2 - d;
	char *prefix = xasprintf("decoder.stages.%d", d), *up = xasprintf("decoder.transpconvs.%d", d);

	x = transposed_conv(b, up, x, a->features[r], a->stride[r + 1]);
	x = stacked(b, prefix, a->n_conv_decoder[d], x, skip, a->features[r], a->kernel[r], one);
	free(prefix);
	free(up);
	return x;
}

/* The heads of stages first.. of the decoder, which made x[stage]. */
static void add_heads(struct builder *b, int first, const int *x)
{
	for (int d = first; d < b->a->n_stages - 1 && b->ok; d++) {
		char *name = xasprintf("decoder.seg_layers.%d", d);
		conv(b, name, x[d], -1, -1, b->n->n_outputs, one, one, BIAS);
		free(name);
		b->n->n_heads++;
	}
}

static bool counts_make_sense(const struct architecture *a)
{
	if (a->n_stages < 2 || a->n_stages > MAX_STAGES)
		return fail(XDATA, "a network of %d stages; 2 to %d are possible", a->n_stages, MAX_STAGES);
	if (a->dims != 2 && a->dims != 3)
		return fail(XDATA, "a network of %d dimensions; 2 and 3 are possible", a->dims);
	for (int s = 0; s < a->n_stages; s++)
		if (a->features[s] < 1 || a->features[s] > 1 << 20 || a->n_conv_encoder[s] < 1 ||
		    (s < a->n_stages - 1 && a->n_conv_decoder[s] < 1) || (a->bottleneck_blocks && a->bottleneck_channels[s] < 1))
			return fail(XDATA, "stage %d of the network has %d features and %d convolutions or blocks", s,
			            a->features[s], a->n_conv_encoder[s]);
	return true;
}

static bool build(struct builder b, int n_inputs, int n_outputs, const int64_t patch[3])
{
	struct network *n = b.n;
	const struct architecture *a = b.a;
	int x, skip[MAX_STAGES], up[MAX_STAGES];

	*n = (struct network){ .patch = { patch[0], patch[1], patch[2] }, .n_inputs = n_inputs, .n_outputs = n_outputs };
	if (!counts_make_sense(a))
		return false;
	for (int i = 0; i < 3; i++)
		if (patch[i] < 1)
			return fail(XDATA, "the patch has length %lld", (long long)patch[i]);
	if (n_inputs < 1 || n_outputs < 1)
		return fail(XDATA, "a network of %d input channels and %d outputs", n_inputs, n_outputs);
	x = add_value(&b, n_inputs, patch);
	if (a->class == UNET_RESENC)
		x = stacked(&b, "encoder.stem", 1, x, -1, a->stem_channels ? a->stem_channels : a->features[0], a->kernel[0], one);
	for (int s = 0; s < a->n_stages && b.ok; s++)
		x = skip[s] = encoder_stage(&b, s, x);
	for (int d = 0; d < a->n_stages - 1 && b.ok; d++)
		x = up[d] = decoder_stage(&b, d, x, skip[a->n_stages - 2 - d]);
	add_heads(&b, b.training ? 0 : a->n_stages - 2, up);
	x = n->n_values - 1;
	if (b.ok && memcmp(n->value[x].size, patch, sizeof n->value[x].size))
		b.ok = fail(XDATA, "the network's output is smaller than its patch (its first stage has a stride)");
	for (int i = 0; i < n->n_nodes; i++) {
		n->value[n->node[i].in].last_use = i;
		if (n->node[i].in2 >= 0)
			n->value[n->node[i].in2].last_use = i;
		if (n->node[i].residual >= 0)
			n->value[n->node[i].residual].last_use = i;
	}
	for (int i = 0; i < n->n_heads; i++)
		n->value[network_head(n, i)->out].last_use = n->n_nodes;
	if (!b.ok)
		network_free(n);
	return b.ok;
}

bool network_build(struct network *n, const struct architecture *a, int n_inputs, int n_outputs, const int64_t patch[3])
{
	return build((struct builder){ .n = n, .a = a, .ok = true }, n_inputs, n_outputs, patch);
}

bool network_build_training(struct network *n, const struct architecture *a, int n_inputs, int n_outputs, const int64_t patch[3])
{
	*n = (struct network){0};
	if (a->norm != NORM_INSTANCE)
		return fail(XDATA, "training a network with batch norm is not supported; nnU-Net's plans have instance norm");
	if (a->dropout != 0)
		return fail(XDATA, "training with dropout is not supported; nnU-Net's plans have none");
	if (a->nonlin_first || a->slope < 0)
		return fail(XDATA, "training a network %s is not supported", a->nonlin_first ? "whose nonlinearity is before its norm" :
		            "with a leaky ReLU of negative slope");
	return build((struct builder){ .n = n, .a = a, .ok = true, .training = true }, n_inputs, n_outputs, patch);
}

const struct node *network_head(const struct network *n, int i) { return &n->node[n->n_nodes - 1 - i]; }

const struct value *network_head_value(const struct network *n, int i) { return &n->value[network_head(n, i)->out]; }

static void add_to_order(int *order, int *at, const struct node *o)
{
	const int own[4] = { o->weight, o->bias, o->gamma, o->beta };

	for (int i = 0; i < 4; i++)
		if (own[i] >= 0)
			order[(*at)++] = own[i];
}

/* Nodes run in this order, but that a transposed convolution comes after the decoder's others, and the projection of a
 * block after those that it is added to. */
void network_order(int *order, const struct network *n)
{
	const struct node *end = n->node + n->n_nodes - n->n_heads, *projection = NULL;
	int at = 0;

	for (const struct node *o = n->node; o < end; o++) {
		if (o->kind != NODE_CONV)
			continue;
		if (!o->leaky) {
			projection = o;
			continue;
		}
		add_to_order(order, &at, o);
		if (projection && o->residual == projection->out)
			add_to_order(order, &at, projection);
	}
	for (const struct node *o = n->node; o < end; o++)
		if (o->kind == NODE_TCONV)
			add_to_order(order, &at, o);
	for (const struct node *o = end; o < n->node + n->n_nodes; o++)
		add_to_order(order, &at, o);
}

void network_free(struct network *n)
{
	for (int i = 0; i < n->n_parameters; i++)
		free(n->parameter[i].name);
	free(n->parameter);
	free(n->value);
	free(n->node);
	*n = (struct network){0};
}

void network_body(struct network *body, const struct network *n)
{
	const struct node *head = &n->node[n->n_nodes - 1];

	*body = *n;
	body->n_nodes--;
	body->n_values--;               /* the head's output is the last value */
	body->n_outputs = head->c_in;
	body->flops -= 2.0 * head->c_in * head->c_out * (double)(n->patch[0] * n->patch[1] * n->patch[2]);
	body->value = xmalloc((size_t)body->n_values, sizeof *body->value);
	memcpy(body->value, n->value, (size_t)body->n_values * sizeof *body->value);
	body->value[head->in].last_use = body->n_nodes;
}
