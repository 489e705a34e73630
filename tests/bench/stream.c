/* A stream of frames of 64 MiB each.
 * usage: stream FRAMES */
#include <stdlib.h>
#include "common/die.h"
#include "common/frame.h"

int main(int argc, char **argv)
{
	static const int64_t shape[3] = { 16, 1024, 1024 };
	static const double spacing_mm[3] = { 1, 1, 1 };
	struct sink *out = sink_open(NULL);
	struct frame f = {0};

	for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++) {
		frame_reset(&f, "large");
		struct layer *l = frame_add(&f, "probs", DT_F4, 1);
		frame_grid(&f, shape, spacing_mm, 0);
		if (!frame_alloc_volume(&f))
			die_failed();
		if (i == 0)
			for (size_t k = 0; k < frame_grid_voxels(&f); k++)
				((float *)l->data)[k] = 1;
		sink_volume(out, &f);
	}
	frame_free(&f);
	return filter_end(NULL, out);
}
