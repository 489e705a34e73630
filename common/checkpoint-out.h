/* checkpoint-out: writes a .pth file as torch.save does (contract 4.2, 4.3): a pickle, and a storage for each tensor.
 *
 *	checkpoint_begin(&o);
 *	pickle_put_text(&o.pickle, "network_weights");
 *	pickle_open_ordered_dict(&o.pickle);
 *	pickle_put_text(&o.pickle, key);
 *	checkpoint_put_tensor(&o, n_dims, dim, data);
 *	...
 *	pickle_close_dict(&o.pickle);
 *	ok = checkpoint_commit(&o, path);
 */
#ifndef COMMON_CHECKPOINT_OUT_H
#define COMMON_CHECKPOINT_OUT_H
#include "common/pickle-write.h"

struct checkpoint_out {
	struct pickle_out pickle;        /* within the dictionary that the file holds */
	int n, room;
	struct { const float *data; size_t n; } *storage;
};

void checkpoint_begin(struct checkpoint_out *o);
/* A tensor in C order, fp32; tensors with the same data share a storage.  dim: [n_dims]; data stays valid until the commit. */
void checkpoint_put_tensor(struct checkpoint_out *o, int n_dims, const int64_t *dim, const float *data);
/* The file appears whole or not at all; o is empty either way.  fail()s XIO. */
bool checkpoint_commit(struct checkpoint_out *o, const char *path);
void checkpoint_drop(struct checkpoint_out *o);            /* instead of a commit */
#endif
