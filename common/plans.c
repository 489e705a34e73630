#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/architecture.h"
#include "common/die.h"
#include "common/plans.h"

enum { MAX_PATCH = 1 << 16, MAX_INHERIT = 16 };

/* A configuration and those it inherits from, itself first. */
struct configuration {
	int n;
	struct json level[MAX_INHERIT];
};

static bool lookup(struct json *v, const void *configuration, const char *key)
{
	const struct configuration *c = configuration;

	for (int i = 0; i < c->n; i++)
		if (json_object_object_get_ex(c->level[i].o, key, NULL))
			return json_get(v, &c->level[i], key);
	return json_get(v, &c->level[0], key);          /* says that it is missing */
}

/* There, in this configuration or an ancestor, and not null. */
static bool has(const struct configuration *c, const char *key)
{
	struct json v;

	for (int i = 0; i < c->n; i++)
		if (json_object_object_get_ex(c->level[i].o, key, NULL))
			return json_get(&v, &c->level[i], key) && v.o;
	return false;
}

static char *names_of(const struct json *configurations)
{
	char *s = xstrdup("");

	json_object_object_foreach(configurations->o, name, value) {
		(void)value;
		char *t = xasprintf("%s%s%s", s, *s ? ", " : "", name);
		free(s);
		s = t;
	}
	return s;
}

static bool resolve(struct configuration *c, const struct json *top, const char *name)
{
	struct json all, parent;

	if (!json_get(&all, top, "configurations") || !json_is_object(&all))
		return false;
	if (!json_has(&all, name)) {
		char *names = names_of(&all);
		fail(XUSAGE, "%s has no configuration '%s'; it has: %s", top->file, name, names);
		free(names);
		return false;
	}
	for (c->n = 0;;) {
		struct json *level = &c->level[c->n++];
		if (!json_get(level, &all, name) || !json_is_object(level))
			return false;
		if (!json_has(level, "inherits_from"))
			return true;
		if (c->n == MAX_INHERIT)
			return json_bad(&c->level[0], "inherits_from goes in a circle, or further than %d steps", MAX_INHERIT);
		if (!json_get(&parent, level, "inherits_from") || !(name = json_text(&parent)))
			return false;
	}
}

static bool read_transpose(struct plan *p, const struct json *top)
{
	struct json f, b;

	if (!json_get(&f, top, "transpose_forward") || json_ints(p->transpose_forward, &f, 3, 3, 0, 2) < 0 ||
	    !json_get(&b, top, "transpose_backward") || json_ints(p->transpose_backward, &b, 3, 3, 0, 2) < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (p->transpose_forward[p->transpose_backward[i]] != i || p->transpose_backward[p->transpose_forward[i]] != i)
			return json_bad(&b, "it does not undo transpose_forward");
	return true;
}

static bool read_geometry(struct plan *p, const struct configuration *c)
{
	struct json v;
	int patch[3], dims;
	double *spacing = p->spacing;

	if (!lookup(&v, c, "patch_size") || (dims = json_ints(patch, &v, 2, 3, 1, MAX_PATCH)) < 0 || !lookup(&v, c, "spacing"))
		return false;
	p->is_2d = dims == 2;
	p->patch_size[0] = 1;
	p->spacing[0] = NAN;
	for (int i = 0; i < dims; i++)
		p->patch_size[3 - dims + i] = patch[i];
	spacing += 3 - dims;
	if (json_reals(spacing, &v, dims, dims) < 0)
		return false;
	for (int i = 0; i < dims; i++)
		if (!(spacing[i] > 0) || !isfinite(spacing[i]))
			return json_bad(&v, "a spacing is not positive");
	return true;
}

static bool read_intensities(struct intensities *s, const struct json *top, int channel)
{
	static const char *const today = "foreground_intensity_properties_per_channel";
	static const char *const older = "foreground_intensity_properties_by_modality";
	struct { const char *key; double *value; } want[] = {
		{ "mean", &s->mean }, { "std", &s->std },
		{ "percentile_00_5", &s->percentile_00_5 }, { "percentile_99_5", &s->percentile_99_5 },
		{ "min", &s->min }, { "max", &s->max }, { "median", &s->median },
	};
	struct json all, one, v;
	char key[16];

	snprintf(key, sizeof key, "%d", channel);
	if (!json_get(&all, top, json_has(top, today) || !json_has(top, older) ? today : older) || !json_get(&one, &all, key))
		return false;
	for (int i = 0; i < 7; i++) {
		if (i >= 4 && !json_has(&one, want[i].key))
			continue;               /* these decide nothing */
		if (!json_get(&v, &one, want[i].key) || !json_real(want[i].value, &v))
			return false;
		if (i < 4 && !isfinite(*want[i].value))
			return json_bad(&v, "it is not finite, and CTNormalization needs it");
	}
	return s->percentile_00_5 <= s->percentile_99_5 || json_bad(&one, "percentile_00_5 is larger than percentile_99_5");
}

static bool read_normalization(struct plan *p, const struct json *top, const struct configuration *c)
{
	static const char *const names[] = {
		[NORM_ZSCORE] = "ZScoreNormalization", [NORM_CT] = "CTNormalization", [NORM_NONE] = "NoNormalization",
		[NORM_RESCALE_0_1] = "RescaleTo01Normalization", [NORM_RGB_0_1] = "RGBTo01Normalization",
	};
	struct json schemes, masks, v;

	if (!lookup(&schemes, c, "normalization_schemes") || (p->n_channels = json_length(&schemes, 1, MAX_CHANNELS)) < 0 ||
	    !lookup(&masks, c, "use_mask_for_norm") || json_length(&masks, p->n_channels, p->n_channels) < 0)
		return false;
	for (int i = 0; i < p->n_channels; i++) {
		const char *name;
		int k = 0;
		if (!json_at(&v, &schemes, i) || !(name = json_text(&v)))
			return false;
		while (k < 5 && strcmp(names[k], name))
			k++;
		if (k == 5)
			return json_bad(&v, "the normalization '%s' is not one of nnU-Net's five", name);
		p->scheme[i] = (enum norm_scheme)k;
		if (!json_at(&v, &masks, i) || !json_flag(&p->use_mask[i], &v) ||
		    (k == NORM_CT && !read_intensities(&p->intensities[i], top, i)))
			return false;
	}
	return true;
}

/* One keyword argument of a resampling function. */
static bool resampler_argument(struct resampler *r, const struct json *v, const char *name)
{
	const char *text;
	double threshold;
	bool b;

	if (!strcmp(name, "force_separate_z")) {
		r->force_separate_z = -1;
		if (!v->o)
			return true;
		return json_flag(&b, v) && (r->force_separate_z = b, true);
	}
	if (!v->o || !strcmp(name, "num_threads") || !strcmp(name, "device"))
		return true;
	if (!strcmp(name, "is_seg"))
		return json_flag(&b, v) && (b == r->is_seg || json_bad(v, "it must be %s", r->is_seg ? "true" : "false"));
	if (!strcmp(name, "memefficient_seg_resampling"))
		return json_flag(&b, v) && (!b || !r->is_seg || json_bad(v, "true is not supported"));
	if (!strcmp(name, "separate_z_anisotropy_threshold"))
		return json_real(&threshold, v) && (threshold == 3 || json_bad(v, "only 3 is supported"));
	if (!strcmp(name, "mode") || !strcmp(name, "aniso_axis_mode")) {
		text = json_text(v);
		return text &&
		       (!strcmp(text, *name == 'm' ? "linear" : "nearest-exact") || json_bad(v, "'%s' is not supported", text));
	}
	if (!strcmp(name, "order") || !strcmp(name, "order_z")) {
		int *order = strcmp(name, "order") ? &r->order_z : &r->order;
		if (!json_int(order, v, 0, 5))
			return false;
		if (*order == 0 || *order == 1 || (*order == 3 && !r->is_seg))
			return true;
		return json_bad(v, "splines of order %d are not supported here", *order);
	}
	return json_bad(v, "this argument is not supported");
}

/* resampling_fn_NAME and its _kwargs. */
static bool read_resampler(struct resampler *r, const struct configuration *c, const char *name, bool is_seg)
{
	static const struct { const char *name; enum resampler_kind kind; int force_separate_z; } known[] = {
		{ "resample_data_or_seg_to_shape", RESAMPLE_DEFAULT, 0 },
		{ "resample_data_or_seg_to_spacing", RESAMPLE_TO_SPACING, 0 },
		{ "resample_torch_fornnunet", RESAMPLE_TORCH, -1 },
		{ "resample_torch_simple", RESAMPLE_TORCH_SIMPLE, 0 },
		{ "no_resampling_hack", RESAMPLE_IDENTITY, 0 },
	};
	const char *text;
	char key[64];
	struct json v, arguments;
	int k = 0;

	snprintf(key, sizeof key, "resampling_fn_%s", name);
	if (!lookup(&v, c, key) || !(text = json_text(&v)))
		return false;
	while (k < 5 && strcmp(known[k].name, text))
		k++;
	if (k == 5)
		return json_bad(&v, "the resampling function '%s' is not supported", text);
	*r = (struct resampler){ .kind = known[k].kind, .is_seg = is_seg, .order = is_seg ? 1 : 3 };
	r->force_separate_z = known[k].force_separate_z;
	snprintf(key, sizeof key, "resampling_fn_%s_kwargs", name);
	if (!lookup(&arguments, c, key) || !json_is_object(&arguments))
		return false;
	json_object_object_foreach(arguments.o, argument, value) {
		(void)value;
		if (!json_get(&v, &arguments, argument) || !resampler_argument(r, &v, argument))
			return false;
	}
	return true;
}

/* Values that must name nnU-Net's own class. */
static bool is_stock(const struct json *v, const char *name)
{
	const char *text = json_text(v);

	return text && (!strcmp(text, name) || json_bad(v, "'%s' is not supported; %s is", text, name));
}

static bool stock_classes(const struct json *top, const struct configuration *c)
{
	struct json v;

	return (!json_has(top, "label_manager") || (json_get(&v, top, "label_manager") && is_stock(&v, "LabelManager"))) &&
	       (!has(c, "preprocessor_name") || (lookup(&v, c, "preprocessor_name") && is_stock(&v, "DefaultPreprocessor")));
}

static bool read_architecture(struct plan *p, const struct configuration *c)
{
	struct json v;
	int dims = p->is_2d ? 2 : 3;

	if (!has(c, "architecture"))
		return architecture_read_flat(&p->arch, dims, lookup, c);
	if (!lookup(&v, c, "architecture") || !json_is_object(&v) || !architecture_read(&p->arch, &v))
		return false;
	return p->arch.dims == dims || json_bad(&v, "a network of %d dimensions for a patch of %d", p->arch.dims, dims);
}

/* FNV-1a over the text of all numbers that decide what the network computes. */
static void hash_add(uint64_t *h, const char *what, int n, const double *v)
{
	char text[64];

	for (int i = 0; i < n; i++) {
		int length = snprintf(text, sizeof text, "%s%d=%.17g;", what, i, v[i]);
		for (int k = 0; k < length; k++)
			*h = (*h ^ (unsigned char)text[k]) * 0x100000001b3u;
	}
}

static void hash_ints(uint64_t *h, const char *what, int n, const int *v)
{
	for (int i = 0; i < n; i++)
		hash_add(h, what, 1, &(double){ v[i] });
}

static void hash_resampler(uint64_t *h, const char *what, const struct resampler *r)
{
	hash_ints(h, what, 5, (int[]){ (int)r->kind, r->is_seg, r->order, r->order_z, r->force_separate_z });
}

static void hash_plan(struct plan *p)
{
	const struct architecture *a = &p->arch;
	uint64_t h = 0xcbf29ce484222325u;

	hash_add(&h, "patch", 3, (double[]){ (double)p->patch_size[0], (double)p->patch_size[1], (double)p->patch_size[2] });
	hash_add(&h, "spacing", 3 - p->is_2d, p->spacing + p->is_2d);
	hash_ints(&h, "transpose", 3, p->transpose_forward);
	for (int i = 0; i < p->n_channels; i++) {
		const struct intensities *s = &p->intensities[i];
		hash_ints(&h, "scheme", 2, (int[]){ (int)p->scheme[i], p->use_mask[i] });
		if (p->scheme[i] == NORM_CT)
			hash_add(&h, "ct", 4, (double[]){ s->mean, s->std, s->percentile_00_5, s->percentile_99_5 });
	}
	hash_resampler(&h, "data", &p->data);
	hash_resampler(&h, "seg", &p->seg);
	hash_resampler(&h, "probabilities", &p->probabilities);
	hash_ints(&h, "previous", 1, &(int){ p->previous_stage != NULL });
	hash_ints(&h, "network", 5, (int[]){ (int)a->class, a->dims, a->n_stages, a->conv_bias, a->nonlin_first });
	hash_ints(&h, "blocks", 3, (int[]){ (int)a->norm, a->stem_channels, a->bottleneck_blocks });
	hash_add(&h, "float", 2, (double[]){ a->eps, a->slope });
	for (int i = 0; i < a->n_stages; i++) {
		hash_ints(&h, "stage", 4,
		          (int[]){ a->features[i], a->n_conv_encoder[i], a->n_conv_decoder[i], a->bottleneck_channels[i] });
		hash_ints(&h, "kernel", 3, a->kernel[i]);
		hash_ints(&h, "stride", 3, a->stride[i]);
	}
	snprintf(p->hash, sizeof p->hash, "%016llx", (unsigned long long)h);
}

static bool text_of(char **out, const struct json *j, const char *key, const char *otherwise)
{
	struct json v;
	const char *text = otherwise;

	if (json_has(j, key) && (!json_get(&v, j, key) || !(text = json_text(&v))))
		return false;
	*out = text ? xstrdup(text) : NULL;
	return true;
}

static bool read_plan(struct plan *p, const struct json *top, const char *configuration)
{
	struct configuration c;
	struct json v;
	const char *text;

	if (!resolve(&c, top, configuration))
		return false;
	p->configuration = xstrdup(configuration);
	if (!text_of(&p->plans_name, top, "plans_name", "nnUNetPlans") || !text_of(&p->reader, top, "image_reader_writer", NULL))
		return false;
	if (has(&c, "previous_stage")) {
		if (!lookup(&v, &c, "previous_stage") || !(text = json_text(&v)))
			return false;
		p->previous_stage = xstrdup(text);
	}
	if (has(&c, "batch_dice") && (!lookup(&v, &c, "batch_dice") || !json_flag(&p->batch_dice, &v)))
		return false;
	if (has(&c, "batch_size") && (!lookup(&v, &c, "batch_size") || !json_int(&p->batch_size, &v, 1, INT_MAX)))
		return false;
	if (!stock_classes(top, &c) || !read_transpose(p, top) || !read_geometry(p, &c) || !read_normalization(p, top, &c) ||
	    !read_resampler(&p->data, &c, "data", false) || !read_resampler(&p->seg, &c, "seg", true) ||
	    !read_resampler(&p->probabilities, &c, "probabilities", false) || !read_architecture(p, &c))
		return false;
	hash_plan(p);
	return true;
}

bool plan_read(struct plan *p, const char *plans_json, const char *configuration)
{
	struct json top;
	bool ok;

	*p = (struct plan){0};
	if (!json_read(&top, plans_json))
		return false;
	ok = read_plan(p, &top, configuration);
	json_free(&top);
	if (!ok)
		plan_free(p);
	return ok;
}

void plan_free(struct plan *p)
{
	free(p->plans_name);
	free(p->configuration);
	free(p->reader);
	free(p->previous_stage);
	*p = (struct plan){0};
}

char **plans_configurations(const char *plans_json)
{
	struct json top, all;
	char **names = NULL;

	if (!json_read(&top, plans_json))
		return NULL;
	if (json_get(&all, &top, "configurations") && json_is_object(&all)) {
		size_t n = (size_t)json_object_object_length(all.o), bytes = (n + 1) * sizeof *names;
		char *text;
		json_object_object_foreach(all.o, key, unused) {
			(void)unused;
			bytes += strlen(key) + 1;
		}
		names = xmalloc(bytes, 1);
		text = (char *)(names + n + 1);
		n = 0;
		json_object_object_foreach(all.o, name, value) {
			(void)value;
			names[n++] = text;
			text = stpcpy(text, name) + 1;
		}
		names[n] = NULL;
	}
	json_free(&top);
	return names;
}

int plan_input_channels(const struct plan *p, const struct labels *l)
{
	return p->n_channels + (p->previous_stage ? l->n_foreground : 0);
}
