#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/components.h"
#include "common/die.h"
#include "common/io.h"
#include "common/jsonfile.h"
#include "common/opt.h"
#include "common/pickle.h"
#include "filters/postprocess/rules.h"

static const char module[] = "nnunetv2.postprocessing.remove_connected_components";
static const char function[] = "remove_all_but_largest_component_from_segmentation";
static const char argument[] = "labels_or_regions";

enum { VALUES = 65536 };

void rules_add(struct rules *r, enum rule_form form, const int *value, int n)
{
	struct rule *rule;

	r->rule = xrealloc(r->rule, (size_t)r->n + 1, sizeof *r->rule);
	rule = &r->rule[r->n++];
	*rule = (struct rule){ form, n, xmalloc((size_t)n + 1, sizeof *rule->value) };
	memcpy(rule->value, value, (size_t)n * sizeof *value);
}

void rules_free(struct rules *r)
{
	for (int i = 0; i < r->n; i++)
		free(r->rule[i].value);
	free(r->rule);
	*r = (struct rules){0};
}

int64_t rule_apply(struct labelmap *m, const struct rule *rule)
{
	unsigned char *has = xcalloc(VALUES, 1), *mask;
	struct box box = {0};
	struct components c;
	int64_t largest, removed = 0;

	for (int i = 0; i < rule->n; i++) {
		has[rule->value[i]] = 1;
		box_join(&box, &m->box[rule->value[i]]);
	}
	const int64_t shape[3] = { box.hi[0] - box.lo[0], box.hi[1] - box.lo[1], box.hi[2] - box.lo[2] };
	mask = xmalloc(box_voxels(&box) + 1, 1);
	box_mask(mask, m, &box, has);
	components_find(&c, mask, shape);
	largest = components_largest(&c);
	for (size_t i = 0; i < c.n_runs; i++) {
		const struct run *run = &c.run[i];
		if (c.size[run->component] == largest)
			continue;
		memset(m->value + box_index(m, &box, (size_t)run->first), 0, (size_t)run->n * sizeof *m->value);
		removed += run->n;
	}
	components_free(&c);
	free(mask);
	free(has);
	return removed;
}

int64_t rules_apply(struct labelmap *m, const struct rules *r)
{
	int64_t removed = 0;

	for (int i = 0; i < r->n; i++)
		removed += rule_apply(m, &r->rule[i]);
	return removed;
}

/* ---- reading: values of a rule, in the making ---- */

struct values { int n, value[VALUES]; };

static bool take(struct values *l, int64_t v)
{
	if (v < 0 || v >= VALUES || l->n == VALUES)
		return fail(XDATA, "%s holds %lld, which is no label", argument, (long long)v);
	l->value[l->n++] = (int)v;
	return true;
}

/* An integer, or a tuple or list of them; of a list of tuples the union counts. */
static bool take_pickle(struct values *l, const struct pickle_value *v, int depth)
{
	int64_t i;

	if (pickle_int(&i, v))
		return take(l, i);
	if (!v || (v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || depth == 2)
		return fail(XDATA, "%s is neither a label nor a list of them", argument);
	for (size_t k = 0; k < v->n; k++)
		if (!take_pickle(l, v->item[k], depth + 1))
			return false;
	return true;
}

static bool is_list(const struct pickle_value *v) { return v && v->kind == PICKLE_LIST; }

static bool from_pickle(struct rules *r, struct values *l, const struct pickle_value *root)
{
	const struct pickle_value *fn, *kwargs;

	if (root->kind != PICKLE_TUPLE || root->n != 2 || !is_list(root->item[0]) || !is_list(root->item[1]) ||
	    root->item[0]->n != root->item[1]->n)
		return fail(XDATA, "it is no pair of a list of functions and a list of their arguments");
	fn = root->item[0];
	kwargs = root->item[1];
	for (size_t i = 0; i < fn->n; i++) {
		const struct pickle_value *a = kwargs->item[i], *v = pickle_get(a, argument);
		if (fn->item[i]->kind != PICKLE_GLOBAL || fn->item[i]->global != GLOBAL_NAMED)
			return fail(XDATA, "its step %zu is another function than %s", i + 1, function);
		if (!v || a->n != 2)
			return fail(XDATA, "the arguments of its step %zu are not %s alone", i + 1, argument);
		l->n = 0;
		if (!take_pickle(l, v, 0))
			return false;
		rules_add(r, v->kind == PICKLE_LIST ? RULE_LIST : v->kind == PICKLE_TUPLE ? RULE_TUPLE : RULE_VALUE, l->value,
		          l->n);
	}
	return true;
}

static bool read_pickle(struct rules *r, struct values *l, const char *path, const char *bytes, size_t n)
{
	struct pickle p;
	bool ok = pickle_read_naming(&p, bytes, n, NULL, module, function);

	if (ok) {
		ok = from_pickle(r, l, p.root);
		pickle_free(&p);
	}
	if (!ok)
		fail_prefix("%s", path);
	return ok;
}

static bool take_json(struct values *l, const struct json *v, int depth)
{
	struct json e;
	int n;

	if (!json_is(v, json_type_array) || depth == 2)
		return json_int(&n, v, 0, VALUES - 1) && take(l, n);
	n = json_length(v, 0, VALUES);
	for (int i = 0; i < n; i++)
		if (!json_at(&e, v, i) || !take_json(l, &e, depth + 1))
			return false;
	return n >= 0;
}

static bool from_json(struct rules *r, struct values *l, const struct json *top)
{
	struct json fns, kwargs, fn, k, v;
	const char *name;
	int n;

	if (!json_get(&fns, top, "postprocessing_fns") || !json_get(&kwargs, top, "postprocessing_kwargs") ||
	    (n = json_length(&fns, 0, VALUES)) < 0 || json_length(&kwargs, n, n) < 0)
		return false;
	for (int i = 0; i < n; i++) {
		if (!json_at(&fn, &fns, i) || !json_at(&k, &kwargs, i) || !(name = json_text(&fn)) || !json_get(&v, &k, argument))
			return false;
		if (strcmp(name, function))
			return json_bad(&fn, "'%.80s' is another function than %s", name, function);
		if (json_object_object_length(k.o) != 1)
			return json_bad(&k, "there are more arguments than %s", argument);
		l->n = 0;
		if (!take_json(l, &v, 0))
			return false;
		rules_add(r, json_is(&v, json_type_array) ? RULE_LIST : RULE_VALUE, l->value, l->n);
	}
	return true;
}

static bool read_json(struct rules *r, struct values *l, const char *path)
{
	struct json top;
	bool ok = json_read(&top, path);

	if (ok) {
		ok = from_json(r, l, &top);
		json_free(&top);
	}
	return ok;
}

bool rules_read(struct rules *r, const char *path)
{
	struct values *l;
	char *bytes;
	size_t n;
	bool ok;

	*r = (struct rules){0};
	if (!io_slurp(path, memory_limit, &bytes, &n))
		return false;
	l = xmalloc(1, sizeof *l);
	ok = (unsigned char)*bytes == 0x80 ? read_pickle(r, l, path, bytes, n) : read_json(r, l, path);
	free(bytes);
	free(l);
	if (!ok)
		rules_free(r);
	return ok;
}

/* ---- writing ---- */

static json_object *value_json(const struct rule *rule)
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < rule->n; i++)
		json_object_array_add(a, json_object_new_int(rule->value[i]));
	if (rule->form == RULE_VALUE) {
		json_object_put(a);
		return json_object_new_int(rule->value[0]);
	}
	return a;
}

void rules_to_json(json_object *o, const struct rules *r)
{
	json_object *fns = json_object_new_array(), *kwargs = json_object_new_array();

	for (int i = 0; i < r->n; i++) {
		json_object *k = json_object_new_object();
		json_object_object_add(k, argument, value_json(&r->rule[i]));
		json_object_array_add(fns, json_object_new_string(function));
		json_object_array_add(kwargs, k);
	}
	json_object_object_add(o, "postprocessing_fns", fns);
	json_object_object_add(o, "postprocessing_kwargs", kwargs);
}

/* Protocol 2: (list of the function as often as there are rules, list of their arguments). */
static void put_pickle(FILE *f, const struct rules *r)
{
	const size_t n = strlen(argument);

	fputs("\x80\x02](", f);                          /* PROTO 2, EMPTY_LIST, MARK */
	for (int i = 0; i < r->n; i++)
		fprintf(f, "c%s\n%s\n", module, function);       /* GLOBAL */
	fputs("e](", f);                                 /* APPENDS, EMPTY_LIST, MARK */
	for (int i = 0; i < r->n; i++) {
		const struct rule *rule = &r->rule[i];
		fprintf(f, "}X%c%c%c%c%s", (int)n, 0, 0, 0, argument);   /* EMPTY_DICT, BINUNICODE */
		if (rule->form != RULE_VALUE)
			fputs(rule->form == RULE_LIST ? "](" : "(", f);
		for (int k = 0; k < rule->n; k++)
			fprintf(f, "M%c%c", rule->value[k] & 255, rule->value[k] >> 8);  /* BININT2 */
		if (rule->form != RULE_VALUE)
			putc(rule->form == RULE_LIST ? 'e' : 't', f);   /* APPENDS, TUPLE */
		putc('s', f);                            /* SETITEM */
	}
	fputs("e\x86.", f);                              /* APPENDS, TUPLE2, STOP */
}

bool rules_write_pickle(const char *path, const struct rules *r)
{
	struct outfile out;
	char *bytes = NULL;
	size_t n = 0;
	FILE *f;
	bool ok;

	if (!outfile_open(&out, path))
		return false;
	f = open_memstream(&bytes, &n);
	if (!f)
		die(XIO, "out of memory");
	put_pickle(f, r);
	if (fclose(f))
		die(XIO, "out of memory");
	ok = io_write(out.fd, bytes, n) || fail_sys("cannot write %s", path);
	free(bytes);
	if (ok)
		return outfile_commit(&out);
	outfile_abort(&out);
	return false;
}
