#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/checkpoint-store.h"
#include "common/checkpoint.h"
#include "common/die.h"
#include "common/opt.h"

/* ---- tensors ---- */

static bool is_call(const struct pickle_value *v, enum pickle_global global, size_t arguments)
{
	return v->kind == PICKLE_OBJECT && v->global == global && v->args->n >= arguments;
}

/* The call that makes a tensor, out of a Parameter if it is in one; NULL if v is no tensor. */
static const struct pickle_value *tensor_call(const struct pickle_value *v)
{
	if (is_call(v, GLOBAL_REBUILD_PARAMETER, 1))
		v = v->args->item[0];
	return is_call(v, GLOBAL_REBUILD_TENSOR_V2, 4) || is_call(v, GLOBAL_REBUILD_TENSOR, 4) ? v : NULL;
}

bool checkpoint_count(size_t *count, const struct checkpoint_tensor *t)
{
	bool empty = false;

	*count = 1;
	for (int d = 0; d < t->n_dims; d++) {
		empty |= t->dim[d] == 0;
		if (t->dim[d] && !size_mul(count, (int64_t)*count, t->dim[d]))
			return false;
	}
	if (empty)
		*count = 0;
	return true;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, ...): every element must lie in the storage. */
bool checkpoint_tensor_read(struct checkpoint_tensor *t, struct checkpoint_store *s, const struct pickle_value *v)
{
	const struct pickle_value *call = tensor_call(v);
	int64_t last, reach;
	size_t count;
	int n_strides;

	if (!call)
		return fail(XDATA, "%s: %s is no tensor", s->path, t->name);
	if ((t->storage = store_find(s, call->args->item[0])) < 0 || !pickle_int(&t->offset, call->args->item[1]))
		return fail(XDATA, "%s: tensor %s has no storage", s->path, t->name);
	if (!pickle_ints(t->dim, TENSOR_DIMS, &t->n_dims, call->args->item[2]) ||
	    !pickle_ints(t->stride, TENSOR_DIMS, &n_strides, call->args->item[3]) || n_strides != t->n_dims)
		return fail(XDATA, "%s: tensor %s has no shape of at most %d axes", s->path, t->name, TENSOR_DIMS);
	t->type = s->storage[t->storage].type;
	last = t->offset;
	for (int d = 0; d < t->n_dims; d++) {
		if (t->dim[d] < 0 || t->stride[d] < 0)
			return fail(XDATA, "%s: tensor %s has a negative size or stride", s->path, t->name);
		if (t->dim[d] == 1)                     /* never walked, and then any number may stand there */
			t->stride[d] = 0;
	}
	if (!checkpoint_count(&count, t))
		return fail(XDATA, "%s: the size of tensor %s overflows", s->path, t->name);
	if (count == 0)
		return true;
	for (int d = 0; d < t->n_dims; d++)
		if (__builtin_mul_overflow(t->dim[d] - 1, t->stride[d], &reach) || __builtin_add_overflow(last, reach, &last))
			return fail(XDATA, "%s: the strides of tensor %s overflow", s->path, t->name);
	if (t->offset < 0 || last >= s->storage[t->storage].n)
		return fail(XDATA, "%s: tensor %s takes elements %lld to %lld of a storage of %lld", s->path, t->name,
		            (long long)t->offset, (long long)last, (long long)s->storage[t->storage].n);
	if (count > (size_t)s->storage[t->storage].n || count > memory_limit / sizeof(float))
		return fail(XDATA, "%s: tensor %s has %zu elements, more than its storage or --memory allows", s->path, t->name,
		            count);
	if (!store_read(s, t->storage)) {
		fail(failed_code(), "%s (tensor %s)", failed_text(), t->name);
		return false;
	}
	return true;
}

static bool in_order(const struct checkpoint_tensor *t)
{
	int64_t expected = 1;

	for (int d = t->n_dims - 1; d >= 0; d--) {
		if (t->dim[d] != 1 && t->stride[d] != expected)
			return false;
		expected *= t->dim[d];
	}
	return true;
}

bool checkpoint_load(float *out, const struct checkpoint *c, const struct checkpoint_tensor *t)
{
	const char *data = c->store->storage[t->storage].data;
	int64_t size = (int64_t)dtype_size(t->type), index[TENSOR_DIMS] = { 0 }, at = t->offset;
	size_t count;

	if (!checkpoint_count(&count, t) || count == 0)
		return true;
	if (in_order(t)) {
		dtype_to_float(out, data + at * size, t->type, count);
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		dtype_to_float(&out[i], data + at * size, t->type, 1);
		for (int d = t->n_dims - 1; d >= 0; d--) {
			at += t->stride[d];
			if (++index[d] < t->dim[d])
				break;
			at -= t->stride[d] * t->dim[d];
			index[d] = 0;
		}
	}
	return true;
}

const float *checkpoint_values(const struct checkpoint *c, const struct checkpoint_tensor *t)
{
	const char *at;

	if (t->type != DT_F4 || !in_order(t))
		return NULL;
	at = c->store->storage[t->storage].data + t->offset * (int64_t)sizeof(float);
	return (uintptr_t)at % sizeof(float) ? NULL : (const float *)(const void *)at;
}

/* ---- names ---- */

/* DistributedDataParallel and torch.compile put their names before those of the network. */
static const char *without_prefixes(const char *name)
{
	for (;;) {
		if (!strncmp(name, "module.", 7))
			name += 7;
		else if (!strncmp(name, "_orig_mod.", 10))
			name += 10;
		else
			return name;
	}
}

bool checkpoint_is_second_name(const char *name)
{
	return !strncmp(name, "decoder.encoder.", 16) || strstr(name, ".all_modules.");
}

struct named { const char *name; int i; };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static bool sort_names(struct checkpoint *c)
{
	struct named *n = xcalloc((size_t)c->n_tensors, sizeof *n);
	const char *twice = NULL;

	for (int i = 0; i < c->n_tensors; i++)
		n[i] = (struct named){ c->tensor[i].name, i };
	qsort(n, (size_t)c->n_tensors, sizeof *n, by_name);
	c->store->by_name = xcalloc((size_t)c->n_tensors, sizeof *c->store->by_name);
	for (int i = 0; i < c->n_tensors; i++) {
		c->store->by_name[i] = n[i].i;
		if (i && !strcmp(n[i].name, n[i - 1].name))
			twice = n[i].name;
	}
	free(n);
	return !twice || fail(XDATA, "%s: has tensor %s twice", c->store->path, twice);
}

const struct checkpoint_tensor *checkpoint_find(const struct checkpoint *c, const char *name)
{
	int lo = 0, hi = c->n_tensors;

	while (lo < hi) {
		int middle = lo + (hi - lo) / 2;
		const struct checkpoint_tensor *t = &c->tensor[c->store->by_name[middle]];
		int order = strcmp(name, t->name);
		if (order == 0)
			return t;
		if (order < 0)
			hi = middle;
		else
			lo = middle + 1;
	}
	return NULL;
}

/* ---- hash: FNV-1a over 64-bit words, with a shift so that high bits reach low ones ---- */

enum { HASHES = 8 };            /* of a tensor, side by side: one alone waits for its products */

static uint64_t hash_word(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x100000001b3;
	return h ^ h >> 32;
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
	const char *p = data;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = 0;
		memcpy(&word, p + i, n - i < 8 ? n - i : 8);
		h = hash_word(h, word);
	}
	return h;
}

/* Word i goes into hash i mod HASHES, and these into h. */
static uint64_t hash_values(uint64_t h, const char *values, size_t n)
{
	uint64_t hash[HASHES] = { 0, 1, 2, 3, 4, 5, 6, 7 }, word[HASHES];
	size_t bytes = n * sizeof(float), at = 0;

	for (; at + sizeof word <= bytes; at += sizeof word) {
		memcpy(word, values + at, sizeof word);
		for (int i = 0; i < HASHES; i++)
			hash[i] = hash_word(hash[i], word[i]);
	}
	return hash_bytes(hash_bytes(h, hash, sizeof hash), values + at, bytes - at);
}

static bool hash_weights(struct checkpoint *c)
{
	uint64_t h = 0xcbf29ce484222325;
	size_t total = 0, n, most = 0;
	float *values;

	for (int i = 0; i < c->n_tensors; i++) {
		checkpoint_count(&n, &c->tensor[i]);
		most = n > most ? n : most;
		if (!checkpoint_is_second_name(c->tensor[i].name) && (total += n) / 16 > c->store->file_size)
			return fail(XDATA, "%s: the tensors have many times more elements than the file", c->store->path);
	}
	values = xmalloc(most, sizeof *values);
	for (int i = 0; i < c->n_tensors; i++) {
		const struct checkpoint_tensor *t = &c->tensor[c->store->by_name[i]];
		int64_t dims = t->n_dims;
		if (checkpoint_is_second_name(t->name))
			continue;
		checkpoint_count(&n, t);
		h = hash_bytes(h, t->name, strlen(t->name) + 1);
		h = hash_bytes(h, &dims, sizeof dims);
		h = hash_bytes(h, t->dim, (size_t)t->n_dims * sizeof *t->dim);
		if (n == 0)
			continue;
		if (t->type == DT_F4 && in_order(t)) {
			h = hash_values(h, c->store->storage[t->storage].data + t->offset * (int64_t)sizeof(float), n);
			continue;
		}
		checkpoint_load(values, c, t);
		h = hash_values(h, (const char *)values, n);
	}
	free(values);
	snprintf(c->weights_hash, sizeof c->weights_hash, "%016llx", (unsigned long long)h);
	return true;
}

/* ---- settings ---- */

static bool is_missing(const struct pickle_value *v) { return !v || v->kind == PICKLE_NONE; }

static bool read_text(char **out, const struct pickle_value *v, const char *key, const char *path)
{
	int64_t i;

	if (is_missing(v))
		return true;
	if (pickle_text(v))
		*out = xstrdup(pickle_text(v));
	else if (pickle_int(&i, v))                     /* a fold is a number or "all" */
		*out = xasprintf("%lld", (long long)i);
	else
		return fail(XDATA, "%s: %s is no text", path, key);
	return true;
}

static bool read_mirroring(struct checkpoint *c, const struct pickle_value *v)
{
	int64_t axis[3];
	bool has[3] = { false };

	if (is_missing(v))
		return true;
	if (!pickle_ints(axis, 3, &c->n_mirror, v))
		return fail(XDATA, "%s: inference_allowed_mirroring_axes is no list of at most 3 axes", c->store->path);
	for (int i = 0; i < c->n_mirror; i++) {
		if (axis[i] < 0 || axis[i] > 2 || has[axis[i]])
			return fail(XDATA, "%s: inference_allowed_mirroring_axes names axis %lld", c->store->path,
			            (long long)axis[i]);
		has[axis[i]] = true;
	}
	c->has_mirroring = true;
	for (int a = 0, i = 0; a < 3; a++)
		if (has[a])
			c->mirror_axis[i++] = a;
	return true;
}

static bool read_settings(struct checkpoint *c, const struct pickle_value *root)
{
	const struct pickle_value *init = pickle_get(root, "init_args");
	const char *path = c->store->path;

	if (!pickle_int(&c->epoch, pickle_get(root, "current_epoch")))
		c->epoch = -1;
	return read_text(&c->trainer_name, pickle_get(root, "trainer_name"), "trainer_name", path) &&
	       read_text(&c->configuration, pickle_get(init, "configuration"), "init_args.configuration", path) &&
	       read_text(&c->fold, pickle_get(init, "fold"), "init_args.fold", path) &&
	       read_mirroring(c, pickle_get(root, "inference_allowed_mirroring_axes"));
}

/* ---- the whole ---- */

/* network_weights, or the whole file where it is a bare state_dict; NULL after fail(). */
static const struct pickle_value *weights_of(const struct checkpoint_store *s)
{
	const struct pickle_value *root = s->tree.root, *w = pickle_get(root, "network_weights");
	bool bare = !w && root->kind == PICKLE_DICT && root->n;

	for (size_t i = 0; bare && i < root->n; i += 2)
		bare = tensor_call(root->item[i + 1]) != NULL;
	if (bare)
		w = root;
	if (!w || w->kind != PICKLE_DICT || w->n == 0) {
		fail(XDATA, "%s: has no network_weights; is it a checkpoint of nnU-Net v2?", s->path);
		return NULL;
	}
	return w;
}

static bool read_weights(struct checkpoint *c)
{
	const struct pickle_value *w = weights_of(c->store);

	if (!w)
		return false;
	if (w->n / 2 > INT_MAX / 2)
		return fail(XDATA, "%s: too many tensors", c->store->path);
	c->n_tensors = (int)(w->n / 2);
	c->tensor = xcalloc((size_t)c->n_tensors, sizeof *c->tensor);
	for (int i = 0; i < c->n_tensors; i++) {
		const char *name = pickle_text(w->item[2 * i]);
		if (!name)
			return fail(XDATA, "%s: a tensor's name is no text", c->store->path);
		c->tensor[i].name = without_prefixes(name);
		if (!checkpoint_tensor_read(&c->tensor[i], c->store, w->item[2 * i + 1]))
			return false;
	}
	return sort_names(c) && hash_weights(c);
}

static bool open_parts(struct checkpoint *c, const char *path, bool weights)
{
	*c = (struct checkpoint){ .store = xcalloc(1, sizeof *c->store) };
	if (store_open(c->store, path) && (!weights || read_weights(c)) && read_settings(c, c->store->tree.root))
		return true;
	checkpoint_close(c);
	return false;
}

bool checkpoint_open(struct checkpoint *c, const char *path) { return open_parts(c, path, true); }
bool checkpoint_open_settings(struct checkpoint *c, const char *path) { return open_parts(c, path, false); }

void checkpoint_close(struct checkpoint *c)
{
	if (c->store)
		store_close(c->store);
	free(c->store);
	free(c->tensor);
	free(c->trainer_name);
	free(c->configuration);
	free(c->fold);
	*c = (struct checkpoint){ 0 };
}
