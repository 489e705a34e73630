#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/state-dict.h"

static void add(struct state_dict *d, char *key, int parameter)
{
	d->entry = xrealloc(d->entry, (size_t)d->n + 1, sizeof *d->entry);
	d->entry[d->n++] = (struct state_entry){ key, parameter };
}

/* Length of "PREFIX" in PREFIX.conv.weight and PREFIX.norm.bias; 0 for a weight that is in no such block. */
static size_t block_length(const char *name)
{
	const char *what = strrchr(name, '.'), *module = what;

	while (module > name && module[-1] != '.')
		module--;
	return !strncmp(module, "conv.", 5) || !strncmp(module, "norm.", 5) ? (size_t)(module - name) - 1 : 0;
}

/* Keys of weights first..last-1 of the order, each block followed by its second names. */
static void add_range(struct state_dict *d, const struct network *n, const char *prefix, int first, int last)
{
	for (int i = first, end; i < last; i = end) {
		const char *name = n->parameter[d->order[i]].name;
		size_t length = block_length(name);

		for (end = i + 1; end < last && length; end++) {
			const char *next = n->parameter[d->order[end]].name;
			if (block_length(next) != length || strncmp(name, next, length))
				break;
		}
		for (int k = i; k < end; k++)
			add(d, xasprintf("%s%s", prefix, n->parameter[d->order[k]].name), d->order[k]);
		for (int k = i; k < end && length; k++) {
			const char *own = n->parameter[d->order[k]].name + length + 1;
			add(d, xasprintf("%s%.*s.all_modules.%d%s", prefix, (int)length, name, own[0] == 'n', own + 4), d->order[k]);
		}
	}
}

void state_dict_make(struct state_dict *d, const struct network *n)
{
	int encoder = 0;

	*d = (struct state_dict){ .order = xcalloc((size_t)n->n_parameters, sizeof *d->order) };
	network_order(d->order, n);
	while (encoder < n->n_parameters && !strncmp(n->parameter[d->order[encoder]].name, "encoder.", 8))
		encoder++;
	add_range(d, n, "", 0, encoder);
	add_range(d, n, "decoder.", 0, encoder);
	add_range(d, n, "", encoder, n->n_parameters);
}

void state_dict_free(struct state_dict *d)
{
	for (int i = 0; i < d->n; i++)
		free(d->entry[i].key);
	free(d->entry);
	free(d->order);
	*d = (struct state_dict){0};
}
