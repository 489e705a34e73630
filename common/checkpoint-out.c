#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/checkpoint-out.h"
#include "common/die.h"
#include "common/zip-write.h"

void checkpoint_begin(struct checkpoint_out *o)
{
	*o = (struct checkpoint_out){0};
	pickle_begin(&o->pickle);
	pickle_open_dict(&o->pickle);
}

/* Number of the storage that holds data, a new one if there is none yet. */
static int find_storage(struct checkpoint_out *o, const float *data, size_t n)
{
	for (int i = 0; i < o->n; i++)
		if (o->storage[i].data == data && o->storage[i].n == n)
			return i;
	if (o->n == o->room)
		o->storage = xrealloc(o->storage, (size_t)(o->room = o->room ? 2 * o->room : 256), sizeof *o->storage);
	o->storage[o->n].data = data;
	o->storage[o->n].n = n;
	return o->n++;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks) */
void checkpoint_put_tensor(struct checkpoint_out *o, int n_dims, const int64_t *dim, const float *data)
{
	struct pickle_out *p = &o->pickle;
	size_t n = 1;
	char key[16];

	for (int d = 0; d < n_dims; d++)
		n *= (size_t)dim[d];
	snprintf(key, sizeof key, "%d", find_storage(o, data, n));
	pickle_put_global(p, "torch._utils", "_rebuild_tensor_v2");
	pickle_open_tuple(p);
	pickle_open_tuple(p);
	pickle_put_text(p, "storage");
	pickle_put_global(p, "torch", "FloatStorage");
	pickle_put_text(p, key);
	pickle_put_text(p, "cpu");
	pickle_put_int(p, (int64_t)n);
	pickle_close_tuple(p);
	pickle_persistent(p);
	pickle_put_int(p, 0);
	pickle_open_tuple(p);
	for (int d = 0; d < n_dims; d++)
		pickle_put_int(p, dim[d]);
	pickle_close_tuple(p);
	pickle_open_tuple(p);
	for (int d = 0; d < n_dims; d++) {
		int64_t stride = 1;
		for (int e = d + 1; e < n_dims; e++)
			stride *= dim[e];
		pickle_put_int(p, stride);
	}
	pickle_close_tuple(p);
	pickle_put_bool(p, false);
	pickle_open_ordered_dict(p);
	pickle_close_dict(p);
	pickle_close_tuple(p);
	pickle_call(p);
}

/* torch's own is a hash of names and checksums as well; nobody compares them. */
static void put_id(struct zip_out *z, const char *stem)
{
	uint64_t h[2] = { 0xcbf29ce484222325, 0x84222325cbf29ce4 };
	char id[41], *name = xasprintf("%s/.data/serialization_id", stem);

	for (int i = 0; i < z->n; i++)
		for (int k = 0; k < 2; k++) {
			h[k] = (h[k] ^ z->entry[i].crc) * 0x100000001b3;
			h[k] = (h[k] ^ z->entry[i].size) * 0x100000001b3;
		}
	snprintf(id, sizeof id, "%020llu%020llu", (unsigned long long)h[0], (unsigned long long)h[1]);
	zip_put(z, name, id, 40);
	free(name);
}

bool checkpoint_commit(struct checkpoint_out *o, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
	char *stem = xasprintf("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base), *name;
	static const struct { const char *name, *content; } first[] = {
		{ ".format_version", "1" }, { ".storage_alignment", "64" }, { "byteorder", "little" } };
	struct zip_out z;

	pickle_close_dict(&o->pickle);
	pickle_end(&o->pickle);
	zip_begin(&z, path);
	zip_put(&z, name = xasprintf("%s/data.pkl", stem), o->pickle.data, o->pickle.n);
	free(name);
	for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
		zip_put(&z, name = xasprintf("%s/%s", stem, first[i].name), first[i].content, strlen(first[i].content));
		free(name);
	}
	for (int i = 0; i < o->n; i++) {
		zip_put(&z, name = xasprintf("%s/data/%d", stem, i), o->storage[i].data, o->storage[i].n * sizeof(float));
		free(name);
	}
	zip_put(&z, name = xasprintf("%s/version", stem), "3\n", 2);
	free(name);
	put_id(&z, stem);
	free(stem);
	checkpoint_drop(o);
	return zip_commit(&z);
}

void checkpoint_drop(struct checkpoint_out *o)
{
	pickle_drop(&o->pickle);
	free(o->storage);
	*o = (struct checkpoint_out){0};
}
