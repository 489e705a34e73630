#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/colour.h"
#include "common/die.h"
#include "filters/report/html.h"
#include "filters/report/page.h"

/* The first picture that says what it shows; *alike: whether all that do say the same. */
static const char *description(const struct report *r, bool *alike)
{
	const char *first = NULL;

	*alike = true;
	for (size_t i = 0; i < r->table.n_rows; i++) {
		const char *text = r->picture[r->order[i]].text;
		if (text && !first)
			first = text;
		*alike = *alike && (!text || !strcmp(text, first));
	}
	return first;
}

static void put_ramp(FILE *out)
{
	fputs("<span class=\"ramp\" style=\"background-image:linear-gradient(to right", out);
	for (int i = 0; i <= 8; i++)
		fprintf(out, ", #%06x", (unsigned)heat_colour(i / 8.0));
	fputs(")\"></span>", out);
}

/* "0 1.58 class_entropy, bits" */
static void put_map(FILE *out, const char *line, bool alike)
{
	double from, to;
	int at = 0;

	if (sscanf(line, "%lf %lf %n", &from, &to, &at) < 2 || !at)
		return;
	fputs("<li>", out);
	html_text(out, line + at);
	fputs(" <span class=\"scale\">", out);
	if (alike)
		fprintf(out, "%.3g ", from);
	put_ramp(out);
	if (alike)
		fprintf(out, " %.3g", to);
	fprintf(out, "</span>%s</li>\n", alike ? "" : ", dark for none, on a scale of its own in each case");
}

/* "e69f00 LV" */
static void put_class(FILE *out, const char *line)
{
	unsigned colour;
	int at = 0;

	if (sscanf(line, "%6x %n", &colour, &at) < 1 || !at)
		return;
	fprintf(out, " <span class=\"key\"><i style=\"background:#%06x\"></i>", colour);
	html_text(out, line + at);
	fputs("</span>", out);
}

/* The lines of a description are those of render(1). */
void put_legend(FILE *out, const struct report *r)
{
	bool alike;
	const char *text = r->n_pictures ? description(r, &alike) : NULL, *map = NULL;
	char *copy;

	if (!text)
		return;
	copy = xstrdup(text);
	fputs("<div class=\"legend\"><p>Pictures, from left to right:</p>\n<ol>\n", out);
	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, "cells ", 6))
			fprintf(out, "%s<li>contours of the segmentation", strstr(line, " image") ? "<li>image</li>\n" : "");
		else if (!strncmp(line, "class ", 6))
			put_class(out, line + 6);
		else if (!strcmp(line, "reference"))
			fputs(" <span class=\"key\"><i style=\"background:#fff\"></i>reference</span>", out);
		else if (!strncmp(line, "map ", 4))
			map = line + 4;
	}
	fputs("</li>\n", out);
	if (map)
		put_map(out, map, alike);
	fputs("</ol></div>\n", out);
	free(copy);
}
