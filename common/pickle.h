/* pickle: reads what Python's pickle wrote (protocols 2 to 5) into a tree of values, and can do nothing else.
 *
 * Only the opcodes and globals that torch.save and nnU-Net's property files need are known (contract 4.3); any other is an
 * error that gives its name.  Calling a global never runs anything: it leaves an object {which, arguments, state} for
 * the reader of the tree to understand.  Memory grows at most linearly with the bytes read. */
#ifndef COMMON_PICKLE_H
#define COMMON_PICKLE_H
#include "common/dtype.h"

enum pickle_kind {
	PICKLE_NONE, PICKLE_BOOL, PICKLE_INT, PICKLE_LONG, PICKLE_REAL, PICKLE_TEXT, PICKLE_BYTES,
	PICKLE_TUPLE, PICKLE_LIST, PICKLE_DICT, PICKLE_GLOBAL, PICKLE_OBJECT, PICKLE_PERSISTENT
};

enum pickle_global {
	GLOBAL_ORDERED_DICT, GLOBAL_REBUILD_TENSOR, GLOBAL_REBUILD_TENSOR_V2, GLOBAL_REBUILD_PARAMETER, GLOBAL_STORAGE,
	GLOBAL_DEVICE, GLOBAL_NUMPY_SCALAR, GLOBAL_NUMPY_RECONSTRUCT, GLOBAL_NUMPY_FROMBUFFER, GLOBAL_NUMPY_DTYPE,
	GLOBAL_NUMPY_NDARRAY, GLOBAL_ENCODE, GLOBAL_PATH, GLOBAL_NAMED
};

struct pickle_value {
	enum pickle_kind kind;
	enum pickle_global global;       /* of PICKLE_GLOBAL, PICKLE_OBJECT */
	enum dtype storage;              /* element type of a GLOBAL_STORAGE */
	union {
		int64_t i;               /* PICKLE_BOOL, PICKLE_INT */
		double r;
		struct { const char *s; size_t length; };       /* TEXT (UTF-8, then a zero byte), BYTES, LONG (little-endian) */
		struct { struct pickle_value **item; size_t n, capacity; };     /* TUPLE, LIST; DICT: key, value, key ... */
		struct { struct pickle_value *args, *state; };  /* OBJECT; args: a tuple; state: NULL if none */
		struct { struct pickle_value *id, *previous; }; /* PERSISTENT; previous: the one read before it, or NULL */
	};
};

struct pickle {
	struct pickle_value *root;
	struct pickle_value *persistent; /* the last one read, NULL if there is none */
	struct pickle_chunk *chunks;     /* private */
};

/* Reads one pickle from the front of buf and sets *used (may be NULL) to its length.  BYTES point into buf, which must
 * outlive the tree.  A tree may contain itself.  fail()s XDATA with a cause that does not name the file. */
bool pickle_read(struct pickle *p, const void *buf, size_t n, size_t *used);
/* The same, and one more global may stand in it: module.name, a GLOBAL of the kind GLOBAL_NAMED. */
bool pickle_read_naming(struct pickle *p, const void *buf, size_t n, size_t *used, const char *module, const char *name);
void pickle_free(struct pickle *p);

/* Look-ups.  v may be NULL; what is missing or of another kind gives NULL or false. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);   /* the last such key */
const char *pickle_text(const struct pickle_value *v);           /* NULL also when it holds a zero byte */
bool pickle_int(int64_t *out, const struct pickle_value *v);     /* a Python or numpy integer */
bool pickle_real(double *out, const struct pickle_value *v);     /* any Python or numpy number */
/* All n numbers of a tuple, list, list of lists or numpy array in C order; false when they are more or fewer. */
bool pickle_reals(double *out, int n, const struct pickle_value *v);
/* n integers of a tuple or list; any number up to n, *count says how many. */
bool pickle_ints(int64_t *out, int n, int *count, const struct pickle_value *v);
#endif
