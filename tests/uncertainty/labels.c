/* What label sets mean: channels, structures, the segmentation's ties and order of regions, and sets that are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/labels.h"

static int wrong;

#define CHECK(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); wrong++; } } while (0)

/* text: "name=1,2 name=0 ..."; order: values, ended by -1, or NULL. */
static struct labels make(const char *text, const int *order, int ignore)
{
	struct labels l = { .ignore = ignore };
	char *copy = xstrdup(text), *save;

	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
		char *values = strchr(s, '=');
		l.entry = xrealloc(l.entry, (size_t)l.n + 1, sizeof *l.entry);
		*values++ = 0;
		struct label *e = &l.entry[l.n++];
		*e = (struct label){ .name = xstrdup(s) };
		for (char *end; *values; values = *end ? end + 1 : end) {
			e->value = xrealloc(e->value, (size_t)e->n + 1, sizeof *e->value);
			e->value[e->n++] = (int)strtol(values, &end, 10);
		}
	}
	free(copy);
	for (; order && order[l.n_order] >= 0; l.n_order++) {
		l.regions_class_order = xrealloc(l.regions_class_order, (size_t)l.n_order + 1, sizeof(int));
		l.regions_class_order[l.n_order] = order[l.n_order];
	}
	return l;
}

static void refused(const char *text, const int *order, int ignore, const char *why)
{
	struct labels l = make(text, order, ignore);

	if (labels_finish(&l) || !strstr(failed_text(), why)) {
		printf("%s: '%s' where '%s' is expected\n", text, failed_text(), why);
		wrong++;
	}
	labels_free(&l);
}

static void classes(void)
{
	struct labels l = make("b=2 background=0 a=1 c=3", NULL, 4);
	/* the first of equal maxima wins */
	const float probs[4][5] = { { 0.3f, 0.2f, 0.5f, 0, 0.25f }, { 0.3f, 0.4f, 0.5f, 0, 0.25f },
	                            { 0.2f, 0.4f, 0, 0.1f, 0.25f }, { 0.2f, 0, 0, 0.9f, 0.25f } };
	uint16_t out[5];

	CHECK(labels_finish(&l));
	CHECK(l.n_outputs == 4 && !l.has_regions && l.n_foreground == 3 && l.max_value == 3 && labels_n_structures(&l) == 3);
	CHECK(!strcmp(labels_structure(&l, 0)->name, "a") && !strcmp(labels_structure(&l, 1)->name, "b") && !strcmp(labels_structure(&l, 2)->name, "c"));
	CHECK(labels_structure_channel(&l, 1) == 2 && labels_dtype(&l) == DT_U1);
	labels_segment(out, probs[0], &l, 5);
	CHECK(out[0] == 0 && out[1] == 1 && out[2] == 0 && out[3] == 3 && out[4] == 0);
	labels_free(&l);
}

static void regions(void)
{
	struct labels l = make("background=0 whole=1,2,300 tip=300 core=2,300", (const int[]){ 1, 300, 2, -1 }, -1);
	const float probs[3][5] = { { 0.6f, 0.9f, 0.5f, 0.9f, 0.1f }, { 0.1f, 0.9f, 0.9f, 0.9f, 0.2f }, { 0.1f, 0.4f, 0.5f, 0.7f, 0.50001f } };
	struct frame f = {0};
	struct labels again;
	uint16_t out[5];

	CHECK(!labels_finish(&l) && strstr(failed_text(), "consecutive"));
	labels_free(&l);
	l = make("background=0 whole=1,2,3 tip=3 core=2,3", (const int[]){ 1, 300, 2, -1 }, -1);
	CHECK(labels_finish(&l));
	CHECK(l.n_outputs == 3 && l.has_regions && l.n_foreground == 3 && l.max_value == 300 && labels_dtype(&l) == DT_U2);
	CHECK(labels_n_structures(&l) == 3 && !strcmp(labels_structure(&l, 1)->name, "tip") && labels_structure_channel(&l, 1) == 1);
	CHECK(label_has(labels_structure(&l, 2), 3) && !label_has(labels_structure(&l, 2), 1));
	labels_segment(out, probs[0], &l, 5);           /* later regions overwrite, and exactly a half is not in */
	CHECK(out[0] == 1 && out[1] == 300 && out[2] == 300 && out[3] == 2 && out[4] == 2);
	frame_reset(&f, "case");
	labels_to_frame(&f, &l);
	CHECK(labels_from_frame(&again, &f, 3) && again.n == l.n && again.n_outputs == 3 && again.regions_class_order[1] == 300 && again.ignore == -1);
	CHECK(!strcmp(again.entry[1].name, "whole") && again.entry[1].n == 3);
	labels_free(&again);
	CHECK(!labels_from_frame(&again, &f, 4) && strstr(failed_text(), "4 channels where its labels make 3"));
	frame_reset(&f, "case");
	CHECK(labels_from_frame(&again, &f, 3) && again.n_outputs == 3 && !strcmp(labels_structure(&again, 1)->name, "2"));
	labels_free(&again);
	CHECK(!labels_from_frame(&again, &f, 0) && strstr(failed_text(), "no labels"));
	frame_free(&f);
	labels_free(&l);
}

static void widening(void)
{
	int16_t low[3] = { 1, -1, 2 };
	int32_t high[3] = { 1, 65535, 65536 };
	uint16_t out[3];
	struct layer l = { .type = DT_I2, .data = low };

	CHECK(!labels_widen(out, &l, 3) && labels_widen(out, &l, 1) && out[0] == 1);
	l = (struct layer){ .type = DT_I4, .data = high };
	CHECK(!labels_widen(out, &l, 3) && labels_widen(out, &l, 2) && out[1] == 65535);
	l = (struct layer){ .type = DT_F4, .data = high };
	CHECK(!labels_widen(out, &l, 1) && strstr(failed_text(), "<f4"));
}

int main(void)
{
	classes();
	regions();
	widening();
	refused("background=0 a=1 b=3", NULL, -1, "no label has the value 2");
	refused("a=1 b=2", NULL, -1, "no label has the value 0");
	refused("background=1 a=0", NULL, -1, "'background' must be 0");
	refused("background=0,1 a=1", (const int[]){ 1, 2, -1 }, -1, "'background' must be 0");
	refused("background=0 a=1", NULL, 1, "the ignore label is 1, but must be one more than the largest other, 1");
	refused("background=0 a=-1", NULL, -1, "'a' has the value -1");
	refused("background=0 a=70000", NULL, -1, "'a' has the value 70000");
	refused("background=0 a=", NULL, -1, "'a' has no value");
	refused("background=0 a=1,2", NULL, -1, "there are 1 regions but regions_class_order has 0 entries");
	refused("background=0 a=1,2", (const int[]){ 70000, -1 }, -1, "regions_class_order holds 70000");
	return wrong != 0;
}
