#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/report/html.h"
#include "filters/report/page.h"

/* The files of these names in this folder, made into strings by the Makefile. */
static const char script[] =
#include "filters/report/script.js.inc"
;
static const char style[] =
#include "filters/report/style.css.inc"
;
static const char template[] =
#include "filters/report/template.html.inc"
;

static void put_title(FILE *out, const struct report *r) { html_text(out, r->title); }
static void put_file(FILE *out, const struct report *r) { html_text(out, r->file); }
static void put_style(FILE *out, const struct report *r) { (void)r; fputs(style, out); }
static void put_script(FILE *out, const struct report *r) { (void)r; fputs(script, out); }

static const struct { const char *name; void (*put)(FILE *, const struct report *); } places[] = {
	{ "title", put_title }, { "file", put_file }, { "style", put_style }, { "script", put_script },
	{ "summary", put_summary }, { "limits", put_limits }, { "decision", put_decision }, { "evidence", put_evidence },
	{ "legend", put_legend }, { "cases", put_cases }, { "scores", put_scores }, { "columns", put_columns }, { "commands", put_commands },
	{ "data", put_data }, { "pictures", put_pictures },
};

static void fill(FILE *out, const struct report *r, const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (strlen(places[i].name) == length && !strncmp(places[i].name, name, length)) {
			places[i].put(out, r);
			return;
		}
	die(XDATA, "the template has a place %.*s that nothing fills", (int)length, name);
}

void page_write(FILE *out, const struct report *r)
{
	const char *at = template, *open, *close;

	while ((open = strstr(at, "{{")) && (close = strstr(open, "}}"))) {
		fwrite(at, 1, (size_t)(open - at), out);
		fill(out, r, open + 2, (size_t)(close - open - 2));
		at = close + 2;
	}
	fputs(at, out);
}
