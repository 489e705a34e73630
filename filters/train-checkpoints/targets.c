#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/targets.h"

struct shrink { uint16_t *out; const uint16_t *in; const int64_t *to, *from; };

static void shrink_one(void *arg, int sample, int worker)
{
	const struct shrink *s = arg;
	const int64_t *to = s->to, *from = s->from, k[3] = { from[0] / to[0], from[1] / to[1], from[2] / to[2] };
	const uint16_t *in = s->in + sample * from[0] * from[1] * from[2];
	uint16_t *out = s->out + sample * to[0] * to[1] * to[2];

	(void)worker;
	for (int64_t z = 0; z < to[0]; z++)
		for (int64_t y = 0; y < to[1]; y++) {
			const uint16_t *row = in + ((z * k[0] + k[0] / 2) * from[1] + y * k[1] + k[1] / 2) * from[2] + k[2] / 2;
			for (int64_t x = 0; x < to[2]; x++)
				*out++ = row[x * k[2]];
		}
}

void targets_shrink(uint16_t *out, const uint16_t *in, int n, const int64_t to[3], const int64_t from[3], int threads)
{
	parallel_for(threads, n, shrink_one, &(struct shrink){ out, in, to, from });
}
