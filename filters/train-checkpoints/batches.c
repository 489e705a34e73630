#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/labels.h"
#include "common/opt.h"
#include "filters/train-checkpoints/batches.h"

void batches_open(struct batches *b, const char *path, const struct network *n, const struct labels *l)
{
	*b = (struct batches){ .in = source_open(path), .network = n, .labels = l, .epoch = -1, .iteration = -1 };
	b->ahead = source_next(b->in, &b->f);
}

/* Epoch, iteration and place in the batch of the frame ahead. */
static void read_number(int64_t number[3], const struct batches *b)
{
	const struct frame *f = &b->f;

	if (f->failed)
		die(XDATA, "%s: %s", f->name, f->failed);
	if (!mpk_get_ints(mpk_get_map(&f->header, "sample"), "number", number, 3) || number[0] < 0 || number[0] > INT_MAX ||
	    number[1] < 0 || number[1] > INT_MAX)
		die(XDATA, "%s: %s is no patch of sample-patches: it does not say of which epoch and iteration it is", source_name(b->in),
		    f->name);
}

/* Its layers, checked against the network. */
static void find_layers(struct layer **image, struct layer **label, const struct batches *b)
{
	const struct frame *f = &b->f;
	const int64_t *p = b->network->patch;

	*image = frame_layer(f, "image");
	*label = frame_layer(f, "label");
	if (!*image || !*label)
		die(XDATA, "%s has no layer %s", f->name, *image ? "label" : "image");
	if ((*image)->type != DT_F4 || (*image)->channels != b->network->n_inputs || (*label)->channels != 1)
		die(XDATA, "%s has %lld channels of type %s; the network reads %d of <f4", f->name, (long long)(*image)->channels,
		    dtype_name((*image)->type), b->network->n_inputs);
	if (memcmp(f->shape, p, sizeof f->shape))
		die(XDATA, "%s is a patch of %lldx%lldx%lld, that of the network %lldx%lldx%lld (augment cuts them down)", f->name,
		    (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2], (long long)p[0], (long long)p[1],
		    (long long)p[2]);
}

/* Room for one more patch. */
static void grow(struct batches *b, size_t voxels)
{
	size_t channels = (size_t)b->network->n_inputs, one;

	if (b->n < b->room)
		return;
	b->room = b->room ? 2 * b->room : 16;
	if (!size_mul(&one, (int64_t)voxels, (int64_t)(channels * sizeof(float) + sizeof(uint16_t))) ||
	    one > memory_limit / (size_t)b->room)
		die(XDATA, "a batch of %d patches needs more than %zu MiB (--memory raises it)", b->n + 1, memory_limit >> 20);
	b->image = xrealloc(b->image, (size_t)b->room * voxels, channels * sizeof *b->image);
	b->label = xrealloc(b->label, (size_t)b->room * voxels, sizeof *b->label);
}

/* Appends the frame ahead and reads the header of the one after it. */
static void take(struct batches *b)
{
	size_t voxels = frame_grid_voxels(&b->f), channels = (size_t)b->network->n_inputs;
	struct layer *image, *label;

	find_layers(&image, &label, b);
	grow(b, voxels);
	if (!source_volume(b->in, &b->f) || !labels_widen(b->label + (size_t)b->n * voxels, label, voxels)) {
		fail_prefix("%s", b->f.name);
		die_failed();
	}
	memcpy(b->image + (size_t)b->n * channels * voxels, image->data, channels * voxels * sizeof *b->image);
	b->n++;
	b->ahead = source_next(b->in, &b->f);
}

bool batches_next(struct batches *b, int epoch)
{
	int before = b->n;
	int64_t number[3];

	if (!b->ahead)
		return false;
	read_number(number, b);
	if (number[0] > epoch && b->epoch == epoch)
		return false;
	if (number[0] != epoch)
		die(XDATA, "%s: the next patch is %s, but epoch %d is due (sample-patches -e)", source_name(b->in), b->f.name, epoch);
	if (b->epoch == epoch && number[1] <= b->iteration)
		die(XDATA, "%s: %s comes after iteration %d", source_name(b->in), b->f.name, b->iteration);
	b->epoch = epoch;
	b->iteration = (int)number[1];
	b->n = 0;
	do {
		take(b);
		if (b->ahead)
			read_number(number, b);
	} while (b->ahead && number[0] == epoch && number[1] == b->iteration);
	if (before && b->n != before)
		die(XDATA, "%s: a batch of %d patches (epoch %d, iteration %d) after one of %d", source_name(b->in), b->n, epoch,
		    b->iteration, before);
	return true;
}

bool batches_ended(struct batches *b) { return !b->ahead; }

int64_t batches_expected(const struct batches *b)
{
	int64_t frames = source_cases(b->in);

	return frames < 0 || !b->n ? -1 : frames / b->n;
}

void batches_close(struct batches *b)
{
	if (!b->in)
		return;
	source_close(b->in);
	frame_free(&b->f);
	free(b->image);
	free(b->label);
	*b = (struct batches){0};
}
