#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/io.h"
#include "common/tsv.h"
#include "filters/augment/log.h"

static struct outfile file;
static bool open;

static void put_text(const char *text, size_t n)
{
	if (!io_write(file.fd, text, n)) {
		fail_sys("%s", file.path);
		die_failed();
	}
}

void log_open(const char *path)
{
	static const char head[] = "case\ttransform\tchannel\tparameter\tvalue\n";

	if (!outfile_open(&file, path))
		die_failed();
	open = true;
	put_text(head, sizeof head - 1);
}

void log_close(void)
{
	if (open && !outfile_commit(&file))
		die_failed();
}

struct rows { FILE *to; const char *name; };

/* channel: -1 for all of the patch. */
static void row(const struct rows *r, enum augment_kind kind, int channel, const char *parameter, double value)
{
	fprintf(r->to, "%s\t%s\t", r->name, augment_name[kind]);
	if (channel < 0)
		fputc('-', r->to);
	else
		fprintf(r->to, "%d", channel);
	fprintf(r->to, "\t%s", parameter);
	tsv_put(r->to, value);
	fputc('\n', r->to);
}

static void channel_rows(const struct rows *r, int c, const struct augmentation *d)
{
	static const char *const sd[] = { "sd_z", "sd_y", "sd_x" };
	const struct { enum augment_kind kind; const char *parameter; double value; } factor[] = {
		{ AUGMENT_BRIGHTNESS, "factor", d->brightness[c] }, { AUGMENT_CONTRAST, "factor", d->contrast[c] },
		{ AUGMENT_LOW_RESOLUTION, "zoom", d->zoom[c] }, { AUGMENT_INVERTED_GAMMA, "gamma", d->inverted_gamma[c] },
		{ AUGMENT_GAMMA, "gamma", d->gamma[c] },
	};

	for (int axis = 0; axis < 3; axis++)
		if (d->blur_sd[c][axis] > 0)
			row(r, AUGMENT_BLUR, c, sd[axis], d->blur_sd[c][axis]);
	for (size_t k = 0; k < sizeof factor / sizeof *factor; k++)
		if (d->kinds >> factor[k].kind & 1 && (factor[k].kind != AUGMENT_LOW_RESOLUTION || factor[k].value < 1))
			row(r, factor[k].kind, c, factor[k].parameter, factor[k].value);
}

static void rows(const struct rows *r, const struct augmentation *d, const struct augmenter *a)
{
	static const char *const angle[] = { "degrees_z", "degrees_y", "degrees_x" }, *const axis_name[] = { "z", "y", "x" };

	for (int axis = 0; axis < 3; axis++)
		if (d->angle[axis] != 0)
			row(r, AUGMENT_ROTATION, -1, angle[axis], d->angle[axis] / acos(-1) * 180);
	if (d->kinds >> AUGMENT_SCALING & 1)
		row(r, AUGMENT_SCALING, -1, "factor", d->scale);
	if (d->kinds >> AUGMENT_NOISE & 1)
		row(r, AUGMENT_NOISE, -1, "sd", d->noise_sd);
	for (int c = 0; c < a->channels; c++)
		channel_rows(r, c, d);
	for (int axis = 0; axis < 3; axis++)
		if (d->mirror[axis])
			row(r, AUGMENT_MIRRORING, -1, axis_name[axis], 1);
	for (int k = 0; k < a->classes; k++) {
		struct augment_class c = augment_draw_class(d, a, k);
		if (c.operator != AUGMENT_KEEP)
			row(r, AUGMENT_MORPHOLOGY, a->channels + k, augment_operator_name[c.operator], c.radius);
		if (c.removes)
			row(r, AUGMENT_REMOVAL, a->channels + k, "choice", c.choice);
	}
}

void log_patch(const char *name, const struct augmentation *d, const struct augmenter *a)
{
	char *text = NULL;
	size_t n = 0;
	struct rows r = { open ? open_memstream(&text, &n) : NULL, name };

	if (!open)
		return;
	if (!r.to)
		die(XIO, "out of memory");
	rows(&r, d, a);
	if (fclose(r.to))
		die(XIO, "out of memory");
	put_text(text, n);
	free(text);
}
