#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "filters/report/html.h"
#include "filters/report/page.h"
#include "filters/report/words.h"

/* The columns that a page shows at once; the script adds others. */
static int shown_columns(int column[8], const struct report *r)
{
	static const char *const names[] = { "slice", "expected_dice", "dice_lower", "dice", "mask_pixels" };
	int n = 0;

	if (r->score >= 0)
		column[n++] = r->score;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int c = tsv_column(&r->table, names[i]);
		if (c >= 0 && c != r->score && !r->table.is_text[c])
			column[n++] = c;
	}
	return n;
}

static unsigned widest_picture(const struct report *r)
{
	unsigned w = 0;

	for (size_t i = 0; r->picture && i < r->table.n_rows; i++)
		w = r->picture[i].width > w ? r->picture[i].width : w;
	return w;
}

/* The score's place between 0 and the largest finite one, in whole percent; 100 for an infinite one; 0 for a confidence. */
static int percent(const struct report *r, size_t row)
{
	double v = tsv_number(&r->table, row, r->score);

	if (r->confident || isnan(v) || v < 0 || r->largest <= 0)
		return 0;
	return isinf(v) ? 100 : (int)(100 * v / r->largest + 0.5);
}

static void put_picture(FILE *out, const struct report *r, size_t row)
{
	const struct picture *p = &r->picture[row];

	fputs("<td class=\"picture\">", out);
	if (p->data)
		fprintf(out, "<img width=\"%u\" height=\"%u\" alt=\"\">", p->width, p->height);
	else
		fputs("<span>no picture</span>", out);
	fputs("</td>", out);
}

static void put_remark(FILE *out, const struct flag *f, const char *class)
{
	fprintf(out, "<span%s>", class);
	put_flag(out, f);
	fputs("</span> ", out);
}

static void put_remarks(FILE *out, const struct report *r, size_t row)
{
	const char *s = flags_of(r, row);
	struct flag f;

	fputs("<td class=\"remarks\">", out);
	while (next_flag(&f, &s))
		if (!flag_is_note(f.name, f.length))
			put_remark(out, &f, " class=\"warning\"");
	for (s = flags_of(r, row); next_flag(&f, &s);)
		if (flag_is_note(f.name, f.length) && !flag_is_common(r, &f))           /* said once, above the table */
			put_remark(out, &f, "");
	if (r->reason >= 0 && strcmp(tsv_cell(&r->table, row, r->reason), "-"))
		html_text(out, tsv_cell(&r->table, row, r->reason));
	fputs("</td>", out);
}

static void put_row(FILE *out, const struct report *r, size_t rank, const int *column, int n)
{
	size_t row = r->order[rank];

	fprintf(out, "<tr%s><td class=\"rank\">%zu</td><th scope=\"row\">", has_warning(r, row) ? " class=\"flagged\"" : "", rank + 1);
	html_name(out, tsv_cell(&r->table, row, r->name));
	fputs("</th>", out);
	if (r->n_pictures)
		put_picture(out, r, row);
	for (int i = 0; i < n; i++) {
		fputs("<td class=\"number\" data-label=\"", out);
		html_text(out, r->table.name[column[i]]);
		fputs("\">", out);
		put_cell(out, tsv_cell(&r->table, row, column[i]));
		if (column[i] == r->score && percent(r, row))
			fprintf(out, "<i style=\"width:%d%%\"></i>", percent(r, row));
		fputs("</td>", out);
	}
	put_remarks(out, r, row);
	fputs("</tr>\n", out);
}

static void put_head(FILE *out, const char *name, const char *column, const char *class)
{
	fprintf(out, "<th scope=\"col\"%s%s%s", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
	if (column) {
		fputs(" data-column=\"", out);
		html_text(out, column);
		putc('"', out);
	}
	putc('>', out);
	html_name(out, name);
	fputs("</th>", out);
}

void put_cases(FILE *out, const struct report *r)
{
	int column[8], n = shown_columns(column, r);

	fputs("<table id=\"table\" style=\"--columns: 3rem minmax(8rem, 1fr)", out);
	if (r->n_pictures)
		fprintf(out, " %upx", widest_picture(r) + 16);
	for (int i = 0; i < n; i++)
		fputs(" minmax(6.5rem, 9rem)", out);
	fputs(" minmax(9rem, 1.2fr)\">\n<thead><tr>", out);
	put_head(out, "#", "rank", "rank");
	put_head(out, "case", "case", NULL);
	if (r->n_pictures)
		put_head(out, "pictures", NULL, NULL);
	for (int i = 0; i < n; i++)
		put_head(out, r->table.name[column[i]], r->table.name[column[i]], "number");
	put_head(out, "remarks", NULL, NULL);
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < r->table.n_rows; i++)
		put_row(out, r, i, column, n);
	fputs("</tbody>\n</table>\n", out);
}

void put_columns(FILE *out, const struct report *r)
{
	fputs("<section aria-labelledby=\"columns-heading\">\n<h2 id=\"columns-heading\">What the columns say</h2>\n<dl class=\"words\">\n", out);
	for (int c = 0; c < r->table.n_columns; c++) {
		if (strchr(r->table.name[c], ':'))
			continue;
		fputs("<div><dt>", out);
		html_text(out, r->table.name[c]);
		fputs("</dt><dd>", out);
		put_column(out, r->table.name[c], html_text);
		fputs("</dd></div>\n", out);
	}
	fputs("</dl>\n<p>A name with a colon, such as <code>dice:LV</code>, is the same of one class. <code>inf</code> is the score of a\n"
	      "segmentation without contour; \xe2\x80\x93 is what a case does not have.</p>\n</section>\n", out);
}

void put_commands(FILE *out, const struct report *r)
{
	if (!r->commands && !r->history)
		return;
	fputs("<section aria-labelledby=\"commands-heading\">\n<h2 id=\"commands-heading\">Commands that made it</h2>\n<pre>", out);
	html_text(out, r->history ? r->history : "");
	html_text(out, r->commands ? r->commands : "");
	fputs("</pre>\n</section>\n", out);
}

void put_data(FILE *out, const struct report *r)
{
	fputs("[", out);
	for (int c = 0; c < r->table.n_columns; c++) {
		fputs(c ? ",\n{\"name\": " : "\n{\"name\": ", out);
		html_json(out, r->table.name[c]);
		fprintf(out, ", \"text\": %s, \"words\": ", r->table.is_text[c] ? "true" : "false");
		if (!put_column(out, r->table.name[c], html_json))
			fputs("\"\"", out);
		fputs(", \"cells\": [", out);
		for (size_t i = 0; i < r->table.n_rows; i++) {
			fputs(i ? "," : "", out);
			html_json(out, tsv_cell(&r->table, r->order[i], c));
		}
		fputs("]}", out);
	}
	fputs("\n]", out);
}

void put_pictures(FILE *out, const struct report *r)
{
	for (size_t i = 0; r->picture && i < r->table.n_rows; i++) {
		const struct picture *p = &r->picture[r->order[i]];
		if (!p->data)
			continue;
		fprintf(out, "<script type=\"image/png\" data-row=\"%zu\">", i);
		html_base64(out, (const unsigned char *)p->data, p->n);
		fputs("</script>\n", out);
	}
}
