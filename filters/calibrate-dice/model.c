#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/jsonfile.h"
#include "common/jsontext.h"
#include "filters/calibrate-dice/model.h"

static void put_text(json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, json_object_new_string(s));
}

static void put_real(json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, json_object_new_double(v));
}

static void put_reals(json_object *o, const char *key, const double *v, size_t n)
{
	json_object *a = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(a, json_object_new_double(v[i]));
	json_object_object_add(o, key, a);
}

static json_object *part_json(const struct part *p)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "cases", json_object_new_int(p->cases));
	json_object_object_add(o, "patients", json_object_new_int(p->patients));
	put_real(o, "mean", p->mean);
	return o;
}

static json_object *model_json(const struct model *m)
{
	json_object *top = json_object_new_object(), *curve = json_object_new_object(), *bound;

	put_text(top, "score", m->score);
	put_text(top, "against", m->against);
	put_text(top, "orientation", m->confident ? "confidence" : "uncertainty");
	put_reals(curve, "score", m->curve.x, m->curve.n);
	put_reals(curve, "expected", m->curve.y, m->curve.n);
	json_object_object_add(top, "curve", curve);
	json_object_object_add(top, "fitted_on", part_json(&m->fit));
	json_object_object_add(top, "dropped", json_object_new_int(m->dropped));
	if (m->held_out.cases) {
		json_object_object_add(top, "bound", bound = part_json(&m->held_out));
		put_real(bound, "alpha", m->alpha);
		put_real(bound, "margin", m->margin);
		put_text(bound, "promise", m->whole ? "patient" : "case");
		put_real(bound, "mean_absolute_error", m->error);
		put_real(bound, "mean_error", m->bias);
	}
	return top;
}

bool model_write(const char *path, const struct model *m)
{
	json_object *o = model_json(m);
	bool ok = true;

	if (path) {
		ok = json_python_write_in(JSON_AS_ADDED, path, o);
	} else {
		size_t n;
		char *text = json_python_text(o, JSON_AS_ADDED, &n);
		fwrite(text, 1, n, stdout);
		putchar('\n');
		free(text);
	}
	json_object_put(o);
	return ok;
}

/* One of two words. */
static bool choice(bool *second, const struct json *j, const char *key, const char *first_word, const char *second_word)
{
	struct json v;
	const char *s = json_get(&v, j, key) ? json_text(&v) : NULL;

	*second = s && !strcmp(s, second_word);
	return s && (*second || !strcmp(s, first_word) || json_bad(&v, "'%s' is neither %s nor %s", s, first_word, second_word));
}

static bool name(char **out, const struct json *j, const char *key)
{
	struct json v;
	const char *s = json_get(&v, j, key) ? json_text(&v) : NULL;

	*out = s ? xstrdup(s) : NULL;
	return s;
}

static bool curve(struct curve *c, const struct json *top)
{
	struct json o, x, y;
	int n;

	if (!json_get(&o, top, "curve") || !json_get(&x, &o, "score") || !json_get(&y, &o, "expected") ||
	    (n = json_length(&x, 1, 1 << 24)) < 0 || json_length(&y, n, n) < 0)
		return false;
	c->n = (size_t)n;
	c->x = xmalloc(c->n, sizeof *c->x);
	c->y = xmalloc(c->n, sizeof *c->y);
	if (json_reals(c->x, &x, n, n) < 0 || json_reals(c->y, &y, n, n) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (isnan(c->x[i]) || !isfinite(c->y[i]) || (i && !(c->x[i] > c->x[i - 1])))
			return json_bad(&o, "scores must grow and expected values be finite, which ends at knot %d", i + 1);
	return true;
}

static bool read_bound(struct model *m, const struct json *top)
{
	struct json o, v;

	if (!json_has(top, "bound"))
		return true;
	return json_get(&o, top, "bound") && json_get(&v, &o, "cases") && json_int(&m->held_out.cases, &v, 1, 1 << 30) &&
	       json_get(&v, &o, "alpha") && json_real(&m->alpha, &v) && json_get(&v, &o, "margin") && json_real(&m->margin, &v) &&
	       (isfinite(m->margin) || json_bad(&v, "a margin must be finite")) && choice(&m->whole, &o, "promise", "case", "patient");
}

bool model_read(struct model *m, const char *path)
{
	struct json top;
	bool ok;

	*m = (struct model){0};
	if (!json_read(&top, path))
		return false;
	ok = name(&m->score, &top, "score") && name(&m->against, &top, "against") &&
	     choice(&m->confident, &top, "orientation", "uncertainty", "confidence") && curve(&m->curve, &top) && read_bound(m, &top);
	json_free(&top);
	return ok;
}

void model_free(struct model *m)
{
	free(m->score);
	free(m->against);
	curve_free(&m->curve);
	*m = (struct model){0};
}
