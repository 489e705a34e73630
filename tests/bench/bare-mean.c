/* The least that a mean of members can cost: streams in lock step, summed in fp32 in their order by one thread.
 * usage: bare-mean FILE... */
#include <stdlib.h>
#include "common/die.h"
#include "common/frame.h"

int main(int argc, char **argv)
{
	int n = argc - 1;
	struct source **in = xcalloc((size_t)argc, sizeof *in);
	struct frame *f = xcalloc((size_t)argc, sizeof *f);
	struct sink *out;

	for (int k = 0; k < n; k++)
		in[k] = source_open(argv[1 + k]);
	out = sink_open(in[0]);
	while (source_next(in[0], &f[0])) {
		for (int k = 1; k < n; k++)
			source_next(in[k], &f[k]);
		sink_begin(out, &f[0]);
		while (source_slab(in[0], &f[0])) {
			float *sum = f[0].layer[0]->data;
			size_t values = frame_voxels(&f[0]) * (size_t)f[0].layer[0]->channels;
			for (int k = 1; k < n; k++) {
				source_slab(in[k], &f[k]);
				const float *p = f[k].layer[0]->data;
				for (size_t i = 0; i < values; i++)
					sum[i] += p[i];
			}
			for (size_t i = 0; i < values; i++)
				sum[i] /= (float)n;
			sink_slab(out, &f[0]);
		}
		for (int k = 1; k < n; k++)
			source_skip(in[k], &f[k]);
		sink_end(out, &f[0]);
	}
	for (int k = 1; k < n; k++) {
		source_close(in[k]);
		frame_free(&f[k]);
	}
	frame_free(&f[0]);
	int status = filter_end(in[0], out);
	free(in);
	free(f);
	return status;
}
