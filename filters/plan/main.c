/* plan: choose patch sizes, spacings and networks for a data set as nnU-Net's planners do. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/jsonfile.h"
#include "common/jsontext.h"
#include "common/opt.h"
#include "filters/plan/plan.h"

static const struct planner planners[] = {
	{ "ExperimentPlanner", "nnUNetPlans", UNET_PLAIN, 8, { 85e6, 560e6 }, 0.05 },
	{ "ResEncUNetPlanner", "nnUNetResEncUNetPlans", UNET_RESENC, 8, { 135e6, 680e6 }, 0.05 },
	{ "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans", UNET_RESENC, 8, { 135e6, 680e6 }, 1 },
	{ "nnUNetPlannerResEncL", "nnUNetResEncUNetLPlans", UNET_RESENC, 24, { 380e6, 2100e6 }, 1 },
	{ "nnUNetPlannerResEncXL", "nnUNetResEncUNetXLPlans", UNET_RESENC, 40, { 560e6, 3600e6 }, 1 },
};

static const char *output, *planner = "ExperimentPlanner", *spacing, *plans_name;
static double memory_gb;

static const struct opt opts[] = {
	OPT_CHOICE('p', "planner", &planner, "PLANNER",
		"ExperimentPlanner|ResEncUNetPlanner|nnUNetPlannerResEncM|nnUNetPlannerResEncL|nnUNetPlannerResEncXL", "nnU-Net's planner"),
	OPT_DOUBLE(0, "gpu-memory-target", &memory_gb, "GB", 0, 1e6, "memory that training may take; 0: the planner's own figure"),
	OPT_STRING(0, "overwrite-target-spacing", &spacing, "Z,Y,X", "spacing of the 3D configurations in mm, axes as the images have them"),
	OPT_STRING(0, "overwrite-plans-name", &plans_name, "NAME", "name of the plans, and of their file (the planner's own)"),
	OPT_STRING('o', "output", &output, "FOLDER",
		"where dataset_fingerprint.json is and the plans go ($nnUNet_preprocessed/DATASET)"),
	OPT_END
};

static const struct planner *find_planner(void)
{
	const struct planner *p = planners;

	while (strcmp(p->name, planner))
		p++;
	return p;
}

/* The three numbers of --overwrite-target-spacing. */
static void read_spacing(double target[3])
{
	const char *at = spacing;
	char *end;

	for (int d = 0; d < 3; d++, at = end + 1) {
		target[d] = strtod(at, &end);
		if (end == at || *end != (d < 2 ? ',' : 0) || !(target[d] > 0 && target[d] < 1e6))
			opt_usage("--overwrite-target-spacing: '%s' is not three numbers over 0 such as 3,0.8,0.8", spacing);
	}
}

static bool read_fingerprint(struct experiment *e, json_object **properties, struct json *top)
{
	struct json spacings, shapes, v;
	int shape[3];

	if (!json_get(&v, top, "foreground_intensity_properties_per_channel") || !json_is_object(&v))
		return false;
	*properties = v.o;
	if (!json_get(&v, top, "median_relative_size_after_cropping") || !json_real(&e->kept, &v) ||
	    !json_get(&spacings, top, "spacings") || (e->n = json_length(&spacings, 1, INT_MAX)) < 0 ||
	    !json_get(&shapes, top, "shapes_after_crop") || json_length(&shapes, e->n, e->n) < 0)
		return false;
	e->spacings = xcalloc((size_t)e->n, sizeof *e->spacings);
	e->shapes = xcalloc((size_t)e->n, sizeof *e->shapes);
	for (int i = 0; i < e->n; i++) {
		if (!json_at(&v, &spacings, i) || json_reals(e->spacings[i], &v, 3, 3) < 0)
			return false;
		for (int d = 0; d < 3; d++)
			if (!(e->spacings[i][d] > 0))
				return json_bad(&v, "a spacing must be over 0");
		if (!json_at(&v, &shapes, i) || json_ints(shape, &v, 3, 3, 1, INT_MAX) < 0)
			return false;
		for (int d = 0; d < 3; d++)
			e->shapes[i][d] = shape[d];
	}
	return true;
}

/* Configurations of an older file that this planner does not make stay in it, as in nnU-Net. */
static bool keep_others(json_object *plans, const char *path)
{
	json_object *ours;
	struct json top, old;
	bool ok;

	if (access(path, F_OK))
		return true;
	if (!json_read(&top, path))
		return false;
	json_object_object_get_ex(plans, "configurations", &ours);
	ok = json_get(&old, &top, "configurations") && json_is_object(&old);
	if (ok) {
		json_object_object_foreach(old.o, name, value) {
			if (!json_object_object_get_ex(ours, name, NULL)) {
				json_object_object_add(ours, name, json_object_get(value));
				say("configuration %s of the older %s is kept", name, path);
			}
		}
	}
	json_free(&top);
	return ok;
}

static void put_sizes(const int64_t *v, int n)
{
	for (int d = 0; d < n; d++)
		printf("%s%lld", d ? "x" : "\t", (long long)v[d]);
}

static void put_reals(const double *v, int n)
{
	for (int d = 0; d < n; d++)
		printf("%s%g", d ? "x" : "\t", v[d]);
}

static void put_table(const struct configuration c[N_PLANS])
{
	puts("configuration\tbatch_size\tpatch_size\tmedian_shape\tspacing\tstages");
	for (int i = 0; i < N_PLANS; i++) {
		if (!c[i].made)
			continue;
		printf("%s\t%lld", plan_names[i], (long long)c[i].batch_size);
		put_sizes(c[i].net.patch, c[i].dims);
		put_reals(c[i].median_shape, c[i].dims);
		put_reals(c[i].spacing, c[i].dims);
		printf("\t%d\n", c[i].net.n_stages);
	}
}

static const char *reader_of(struct training_set *s)
{
	/* the images only help to tell formats apart that have one file ending; plans can be made without them */
	if (!training_set_cases(s))
		say("%s", failed_text());
	return training_set_reader(s);
}

int main(int argc, char **argv)
{
	struct training_set s;
	struct experiment e = { .set = &s };
	struct configuration c[N_PLANS];
	struct json fingerprint;
	json_object *plans, *properties;
	double target[3];
	const char *reader;

	opt_parse(&argc, &argv, opts, "DATASET", "choose patch sizes, spacings and networks for a data set as nnU-Net's planners do");
	if (argc != 1)
		opt_usage("expected one operand, the data set");
	e.planner = find_planner();
	e.plans_name = plans_name ? plans_name : e.planner->plans_name;
	e.memory_gb = memory_gb > 0 ? memory_gb : e.planner->memory_gb;
	if (!*e.plans_name || strchr(e.plans_name, '/'))
		opt_usage("--overwrite-plans-name: '%s' is no name of a file", e.plans_name);
	if (spacing)
		read_spacing(target);
	if (!training_set_open(&s, argv[0], output))
		die_failed();
	char *path = xasprintf("%s/dataset_fingerprint.json", s.preprocessed), *file = xasprintf("%s/%s.json", s.preprocessed, e.plans_name);
	if (access(path, F_OK))
		die(XDATA, "%s is missing; 'fingerprint' makes it", path);
	if (!json_read(&fingerprint, path) || !read_fingerprint(&e, &properties, &fingerprint) || !(reader = reader_of(&s)) ||
	    !experiment_plan(c, &e, spacing ? target : NULL))
		die_failed();
	plans = plans_json(&e, c, properties, reader);
	if (!keep_others(plans, file) || !beside_plans(&s) || !json_python_write_in(JSON_AS_ADDED, file, plans))
		die_failed();
	put_table(c);
	json_object_put(plans);
	json_free(&fingerprint);
	free(e.spacings);
	free(e.shapes);
	free(path);
	free(file);
	training_set_free(&s);
	io_close_stdout();
	return XOK;
}
