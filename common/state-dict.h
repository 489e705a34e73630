/* state-dict: the keys of a network's weights in a checkpoint of nnU-Net, in the order of PyTorch (contract 3.3).
 *
 * Each convolution and norm has two names, those of the encoder four: the decoder holds it too. */
#ifndef COMMON_STATE_DICT_H
#define COMMON_STATE_DICT_H
#include "common/network.h"

struct state_dict {
	int n;                                                   /* keys, second names included */
	struct state_entry { char *key; int parameter; } *entry;
	int *order;                                              /* [n_parameters]: parameter that the optimiser counts as i-th */
};

/* n: a network as it is trained, with all heads, of instance norm behind the convolution and without dropout. */
void state_dict_make(struct state_dict *d, const struct network *n);
void state_dict_free(struct state_dict *d);
#endif
