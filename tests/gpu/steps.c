/* On random networks: no two buffers of the device's arena that are in use at the same time overlap, every step reads what
 * earlier ones have written in full, every parameter has a place of its own; and weights are rounded to nearest even. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "common/network.h"
#include "filters/infer-checkpoint/cuda/weights.h"
#include "tests/network/parameters.h"
#include "tests/network/random-unet.h"

enum { NETWORKS = 200 };
static int failures;

static void check(bool ok, const char *what, int network, int step)
{
	if (ok)
		return;
	printf("network %d, step %d: %s\n", network, step, what);
	failures++;
}

/* What a step reads: buffers, -1 for none. */
static void reads(int read[4], const struct step *t)
{
	read[0] = t->in;
	read[1] = t->residual;
	read[2] = t->scaling.kind == SCALING_OWN ? t->scaling.buffer : -1;
	read[3] = t->residual_scaling.kind == SCALING_OWN ? t->residual_scaling.buffer : -1;
}

/* Bytes that a step writes of a buffer. */
static size_t writes(const struct steps *s, const struct step *t, int buffer)
{
	size_t size = precision_size(s->precision), images = (size_t)s->images, n = 0;

	if (t->out == buffer)
		n = t->kind == STEP_STATS ? (size_t)t->c * 2 * sizeof(float) * images : (size_t)(t->voxels * t->c) * size * images;
	for (int i = 0; i < 2; i++)
		if (t->to[i].buffer == buffer)
			n += (size_t)(t->voxels * t->c) * size * images;
	return n;
}

/* Whoever holds a byte of the arena when a step reads it has to be the buffer that the step means. */
static void check_memory(const struct steps *s, int network)
{
	size_t *written = xcalloc((size_t)s->n_buffers, sizeof *written), most = 0;
	int *first = xmalloc((size_t)s->n_buffers, sizeof *first), *last = xmalloc((size_t)s->n_buffers, sizeof *last), read[4];

	for (int b = 0; b < s->n_buffers; b++)
		first[b] = last[b] = -1;
	for (int i = 0; i < s->n_steps; i++) {
		const struct step *t = &s->step[i];
		reads(read, t);
		for (int k = 0; k < 4; k++)
			if (read[k] >= 0) {
				size_t bytes = s->buffer[read[k]].bytes;
				check(written[read[k]] && (written[read[k]] + 255) / 256 * 256 == bytes, "reads what is not written in full", network, i);
				last[read[k]] = i;
			}
		for (int b = 0; b < s->n_buffers; b++)
			if (writes(s, t, b)) {
				first[b] = written[b] ? first[b] : i;
				last[b] = i;
				written[b] += writes(s, t, b);
			}
	}
	for (int a = 0; a < s->n_buffers; a++) {
		const struct buffer *p = &s->buffer[a];
		check(first[a] >= 0 && last[a] > first[a], "a buffer that nobody reads", network, last[a]);
		check(p->offset % 256 == 0, "a buffer is not aligned", network, first[a]);
		most = p->offset + p->bytes > most ? p->offset + p->bytes : most;
		for (int b = 0; b < a; b++) {
			const struct buffer *q = &s->buffer[b];
			bool meet = first[a] <= last[b] && first[b] <= last[a];
			check(!meet || p->offset + p->bytes <= q->offset || q->offset + q->bytes <= p->offset, "two buffers overlap", network, first[a]);
		}
	}
	check(most == s->arena, "the arena is larger than its buffers", network, 0);
	free(written);
	free(first);
	free(last);
}

static void check_parts(const struct steps *s, int network)
{
	size_t end = 0;

	for (int i = 0; i < s->n_parts; i++) {
		check(s->part[i].offset >= end && s->part[i].offset % 256 == 0, "parameters overlap", network, i);
		end = s->part[i].offset + s->part[i].bytes;
	}
	check(end <= s->block, "parameters beyond the block", network, 0);
}

static void check_convolutions(const struct steps *s, int network)
{
	for (int i = 0; i < s->n_steps; i++) {
		const struct convolution *c = &s->step[i].convolution;
		if (s->step[i].kind != STEP_CONVOLVE)
			continue;
		check((c->c_in == 4 || c->c_in % 8 == 0) && c->c_out % 8 == 0, "channels", network, i);
		for (int a = 0; a < 3; a++) {
			int64_t out = c->transposed ? c->in[a] * c->stride[a] : (c->in[a] + 2 * c->padding[a] - c->kernel[a]) / c->stride[a] + 1;
			check(out == c->out[a], "the size that a convolution gives", network, i);
		}
	}
}

static void check_network(int i, const int *images)
{
	struct architecture a;
	struct network n, body;
	struct steps s;
	int64_t patch[3];
	float *weights;
	void *block;

	state = (unsigned long long)i * 7919 + 5;
	random_architecture(&a, patch, i);
	if (!network_build(&n, &a, 1 + pick(9), 2 + pick(12), patch))
		die_failed();
	network_body(&body, &n);
	if (!steps_make(&s, i % 3 ? &n : &body, (enum precision)(PRECISION_FP16 + pick(4)), images[i % 3]))
		die_failed();
	check_memory(&s, i);
	check_parts(&s, i);
	check_convolutions(&s, i);
	check(s.step[s.n_steps - 1].kind == STEP_TAIL && s.step[s.n_steps - 1].head == (i % 3 > 0), "the tail", i, s.n_steps - 1);
	weights = xmalloc(n.n_weights, sizeof *weights);
	block = xmalloc(s.block, 1);
	for (size_t k = 0; k < n.n_weights; k++)
		weights[k] = 1 + uniform() / 2;
	if (!weights_arrange(block, &s, split(&n, weights)))
		die_failed();
	free(block);
	free(weights);
	steps_free(&s);
	free(body.value);
	network_free(&n);
}

/* ---- rounding ---- */

/* The first kernel of a network whose first weight is x. */
static unsigned stored(float x, enum precision p, bool *ok)
{
	struct architecture a = { .class = UNET_PLAIN, .dims = 2, .n_stages = 2, .eps = 1e-5, .slope = 0.01, .features = { 8, 8 },
	                          .n_conv_encoder = { 1, 1 }, .n_conv_decoder = { 1 }, .kernel = { { 1, 3, 3 }, { 1, 3, 3 } },
	                          .stride = { { 1, 1, 1 }, { 1, 2, 2 } } };
	struct network n;
	struct steps s;
	float *weights;
	unsigned got = 0;
	void *block;

	if (!network_build(&n, &a, 1, 2, (int64_t[3]){ 1, 8, 8 }) || !steps_make(&s, &n, p, 1))
		die_failed();
	weights = xcalloc(n.n_weights, sizeof *weights);
	weights[0] = x;
	block = xmalloc(s.block, 1);
	*ok = weights_arrange(block, &s, split(&n, weights));
	memcpy(&got, (char *)block + s.part[0].offset, precision_size(p));
	free(block);
	free(weights);
	steps_free(&s);
	network_free(&n);
	return got;
}

static void check_rounding(void)
{
	static const struct { float x; enum precision p; unsigned bits; } known[] = {
		{ 1, PRECISION_FP16, 0x3c00 }, { 1 + 0x1p-11f, PRECISION_FP16, 0x3c00 }, { 1 + 0x3p-11f, PRECISION_FP16, 0x3c02 },
		{ 0x1p-25f, PRECISION_FP16, 0 }, { 0x1.8p-24f, PRECISION_FP16, 2 }, { 65504, PRECISION_FP16, 0x7bff },
		{ 1, PRECISION_BF16, 0x3f80 }, { 1 + 0x1p-8f, PRECISION_BF16, 0x3f80 }, { 1 + 0x3p-8f, PRECISION_BF16, 0x3f82 },
		{ 70000, PRECISION_BF16, 0x4789 }, { -1.5f, PRECISION_TF32, 0xbfc00000 }, { 1e-40f, PRECISION_FP32, 71362 }
	};
	bool ok;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		unsigned got = stored(known[i].x, known[i].p, &ok);
		check(ok && got == known[i].bits, "a weight is rounded wrong", (int)i, (int)got);
	}
	stored(70000, PRECISION_FP16, &ok);
	check(!ok && failed_code() == XDATA && strstr(failed_text(), "encoder.stages.0.0.convs.0.conv.weight holds 70000") &&
	      strstr(failed_text(), "--precision tf32"), "a weight over half precision", 0, 0);
}

int main(void)
{
	static const int images[] = { 1, 3, 8 };

	for (int i = 0; i < NETWORKS; i++)
		check_network(i, images);
	check_rounding();
	return failures > 0;
}
