/* checkpoint-store: the two containers of torch.save, private to checkpoint: a tree of values and the bytes of storages. */
#ifndef COMMON_CHECKPOINT_STORE_H
#define COMMON_CHECKPOINT_STORE_H
#include "common/archive.h"
#include "common/checkpoint.h"
#include "common/pickle.h"

struct storage {
	const char *key;
	enum dtype type;
	int64_t n;                       /* elements */
	const char *data;                /* NULL until read; at any address */
};

struct checkpoint_store {
	char *path;
	struct pickle tree;
	int n_storages;
	struct storage *storage;         /* sorted by key */
	char *buf;                       /* the whole legacy file; its tree points into it, as that of a zip file into the archive */
	size_t size, file_size;
	size_t left;                     /* bytes of entries that may still be read; entries of a sound file do not overlap */
	struct archive *archive;         /* NULL for the legacy container */
	char *prefix;                    /* of entry names: "archive/data/" */
	int *by_name;                    /* tensors in order of their names */
};

/* Close it whether opened or not.  fail()s name the file. */
bool store_open(struct checkpoint_store *s, const char *path);
/* Index of the storage that a PICKLE_PERSISTENT stands for, -1 if it is none. */
int store_find(const struct checkpoint_store *s, const struct pickle_value *v);
/* Makes storage[i].data available. */
bool store_read(struct checkpoint_store *s, int i);
void store_close(struct checkpoint_store *s);
/* Shape, type and storage of the tensor that v describes, and the storage's bytes; t->name serves messages. */
bool checkpoint_tensor_read(struct checkpoint_tensor *t, struct checkpoint_store *s, const struct pickle_value *v);
#endif
