#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/report/html.h"
#include "filters/report/report.h"
#include "filters/report/words.h"

bool next_flag(struct flag *f, const char **s)
{
	f->name = *s;
	f->length = (int)strcspn(*s, ",");
	*s += f->length;
	*s += **s == ',';
	return f->length > 0 && !(f->length == 1 && *f->name == '-');
}

const char *flags_of(const struct report *r, size_t row)
{
	return r->flags < 0 ? "" : tsv_cell(&r->table, row, r->flags);
}

static bool same(const struct flag *a, const struct flag *b)
{
	return a->length == b->length && !strncmp(a->name, b->name, (size_t)a->length);
}

bool flag_is_common(const struct report *r, const struct flag *f)
{
	const struct flag failed = { "failed", 6 };
	size_t cases = 0, n = r->table.n_rows;

	for (int i = 0; i < r->n_counts; i++) {
		if (same(&r->count[i].flag, f))
			cases = r->count[i].cases;
		if (same(&r->count[i].flag, &failed))
			n -= r->count[i].cases;
	}
	return cases >= n;
}

void flags_count(struct report *r)
{
	for (size_t row = 0; row < r->table.n_rows; row++) {
		const char *s = flags_of(r, row);
		struct flag f;
		while (next_flag(&f, &s)) {
			int i = 0;
			while (i < r->n_counts && !same(&r->count[i].flag, &f))
				i++;
			if (i == r->n_counts) {
				r->count = xrealloc(r->count, (size_t)++r->n_counts, sizeof *r->count);
				r->count[i] = (struct flag_count){ f, 0 };
			}
			r->count[i].cases++;
		}
	}
}

bool has_flag(const struct report *r, size_t row, const char *name)
{
	const char *s = flags_of(r, row);
	struct flag f, wanted = { name, (int)strlen(name) };

	while (next_flag(&f, &s))
		if (same(&f, &wanted))
			return true;
	return false;
}

bool has_warning(const struct report *r, size_t row)
{
	const char *s = flags_of(r, row);
	struct flag f;

	while (next_flag(&f, &s))
		if (!flag_is_note(f.name, f.length))
			return true;
	return false;
}

void put_flag(FILE *out, const struct flag *f)
{
	const char *words = flag_words(f->name, f->length);
	char *name;

	if (words) {
		html_text(out, words);
		return;
	}
	name = xasprintf("%.*s", f->length, f->name);
	for (char *p = name; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	html_text(out, name);
	free(name);
}
