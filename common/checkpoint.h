/* checkpoint: the tensors and settings in a .pth file of torch.save (contract 4): zip and legacy containers.
 *
 * The pickle inside is read by an interpreter that knows an allow-list of opcodes and globals and can do nothing but
 * build values; anything else is an error that names it.  Nothing is ever executed. */
#ifndef COMMON_CHECKPOINT_H
#define COMMON_CHECKPOINT_H
#include "common/dtype.h"

enum { TENSOR_DIMS = 8 };

struct checkpoint_tensor {
	const char *name;        /* state_dict key without "module." and "_orig_mod." prefixes */
	int n_dims;
	int64_t dim[TENSOR_DIMS];
	enum dtype type;
	/* private */
	int64_t stride[TENSOR_DIMS], offset;
	int storage;
};

struct checkpoint {
	int n_tensors;
	struct checkpoint_tensor *tensor;        /* network_weights in file order, aliases included */
	char *trainer_name;                      /* NULL if missing */
	char *configuration;                     /* init_args.configuration, NULL if missing */
	char *fold;                              /* init_args.fold as text, NULL if missing */
	int64_t epoch;                           /* current_epoch: how many are finished; -1 if missing */
	bool has_mirroring;                      /* inference_allowed_mirroring_axes present and not None */
	int n_mirror;
	int mirror_axis[3];                      /* ascending */
	char weights_hash[17];                   /* equal weights (names, shapes, values in fp32), equal hash, in any container */
	struct checkpoint_store *store;          /* private: the open container */
};

/* fail()s XDATA ("FILE: cause") or XIO. Allocations are bounded by the file's size and memory_limit. */
bool checkpoint_open(struct checkpoint *c, const char *path);
/* The same without tensors and their hash: nothing but what the training was. */
bool checkpoint_open_settings(struct checkpoint *c, const char *path);
const struct checkpoint_tensor *checkpoint_find(const struct checkpoint *c, const char *name);
/* The tensor's elements in C order as fp32 (strides, offsets, aliases, half storages resolved). out: product of dims. */
bool checkpoint_load(float *out, const struct checkpoint *c, const struct checkpoint_tensor *t);
/* These, where they stand so in the file, until checkpoint_close(); else NULL. */
const float *checkpoint_values(const struct checkpoint *c, const struct checkpoint_tensor *t);
/* Elements of t; false when they overflow, which those of an open checkpoint do not. */
bool checkpoint_count(size_t *count, const struct checkpoint_tensor *t);
/* A second name of a weight that the state_dict also holds under its first (contract 3.3). */
bool checkpoint_is_second_name(const char *name);
void checkpoint_close(struct checkpoint *c);
#endif
