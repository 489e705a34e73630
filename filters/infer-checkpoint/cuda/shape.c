#include <inttypes.h>
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/shape.h"

size_t shape_element(const struct convolution *c) { return c->precision == PRECISION_FP16 || c->precision == PRECISION_BF16 ? 2 : 4; }

static size_t elements(int64_t n, int64_t c, const int64_t size[3])
{
	return (size_t)n * (size_t)c * (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

size_t shape_x(const struct convolution *c) { return elements(c->n, c->c_in, c->in); }
size_t shape_y(const struct convolution *c) { return elements(c->n, c->c_out, c->out); }
size_t shape_w(const struct convolution *c)
{
	return elements(c->c_out, c->c_in, (const int64_t[]){ c->kernel[0], c->kernel[1], c->kernel[2] });
}

bool shape_same(const struct convolution *a, const struct convolution *b)
{
	return a->precision == b->precision && a->transposed == b->transposed && a->n == b->n && a->c_in == b->c_in &&
	       a->c_out == b->c_out && !memcmp(a->in, b->in, sizeof a->in) && !memcmp(a->out, b->out, sizeof a->out) &&
	       !memcmp(a->kernel, b->kernel, sizeof a->kernel) && !memcmp(a->stride, b->stride, sizeof a->stride) &&
	       !memcmp(a->padding, b->padding, sizeof a->padding);
}

char *shape_text(const struct convolution *c)
{
	static const char *const type[] = {
		[PRECISION_FP16] = "fp16", [PRECISION_BF16] = "bf16", [PRECISION_TF32] = "tf32", [PRECISION_FP32] = "fp32"
	};

	return xasprintf("%s %s of %d images, %d to %d channels, %" PRId64 "x%" PRId64 "x%" PRId64 " to %" PRId64 "x%" PRId64 "x%" PRId64
	                 ", kernel %dx%dx%d, stride %dx%dx%d, padding %dx%dx%d", type[c->precision],
	                 c->transposed ? "transposed convolution" : "convolution", c->n, c->c_in, c->c_out, c->in[0], c->in[1], c->in[2],
	                 c->out[0], c->out[1], c->out[2], c->kernel[0], c->kernel[1], c->kernel[2], c->stride[0], c->stride[1], c->stride[2],
	                 c->padding[0], c->padding[1], c->padding[2]);
}
