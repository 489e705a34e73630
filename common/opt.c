#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"

#ifndef QUALM_VERSION
#define QUALM_VERSION "unknown"
#endif

size_t memory_limit = (size_t)4 << 30;
const char *command_line = "";

static bool help, version;
static const struct opt shared[] = {
	OPT_SIZE(0, "memory", &memory_limit, "SIZE", "most memory that a size in the input may ask for, such as 16G"),
	OPT_FLAG('v', "verbose", &verbose, "say on stderr what is chosen and done"),
	OPT_FLAG('V', "version", &version, "print the version"),
	OPT_FLAG('h', "help", &help, "print this text"),
	OPT_END
};

static void list(const struct opt *o)
{
	for (; o->type; o++) {
		char left[64], letter[8] = "    ";
		if (o->c)
			snprintf(letter, sizeof letter, "-%c, ", o->c);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		printf(strlen(left) > 26 ? "  %s\n%30s%s" : "  %-27s %s%s", left, strlen(left) > 26 ? "" : o->help, strlen(left) > 26 ? o->help : "");
		if (o->choices)
			printf(" (%s; %s)", o->choices, *(const char **)o->value ? *(const char **)o->value : "none");
		else if (o->type == OPT_T_INT)
			printf(" (%d)", *(int *)o->value);
		else if (o->type == OPT_T_DOUBLE && !isnan(*(double *)o->value))
			printf(" (%g)", *(double *)o->value);
		else if (o->type == OPT_T_STRING && *(const char **)o->value)
			printf(" (%s)", *(const char **)o->value);
		putchar('\n');
	}
}

static void print_help(const struct opt *opts, const char *operands, const char *purpose)
{
	printf("%s: %s\n\nusage: %s%s%s%s\n\n", prog, purpose, prog, opts->type ? " [OPTION ...]" : "", *operands ? " " : "", operands);
	list(opts);
	list(shared);
	printf("\nMore: qualm help %s\n", prog);
}

static void dump_mdoc(const struct opt *o)
{
	for (; o->type; o++) {
		if (o->c)
			printf(".Op Fl %c", o->c);
		else
			printf(".Op Fl -%s", o->name);
		printf(o->arg ? " Ar %s\n" : "\n", o->arg);
	}
}

void opt_usage(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	die(XUSAGE, "%s ('%s -h' lists the options)", text, prog);
}

static bool choice_ok(const char *choices, const char *text)
{
	size_t n = strlen(text);

	for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (n && !strncmp(p, text, n) && (p[n] == '|' || !p[n]))
			return true;
	return false;
}

static void set(const struct opt *o, const char *text)
{
	char *end;

	if (o->given)
		*o->given = true;
	errno = 0;
	switch (o->type) {
	case OPT_T_FLAG:
		*(bool *)o->value = true;
		return;
	case OPT_T_STRING:
		*(const char **)o->value = text;
		return;
	case OPT_T_CHOICE:
		if (!choice_ok(o->choices, text))
			opt_usage("--%s: '%s' is none of %s", o->name, text, o->choices);
		*(const char **)o->value = text;
		return;
	case OPT_T_INT: {
		long v = strtol(text, &end, 10);
		if (end == text || *end || errno || (double)v < o->min || (double)v > o->max)
			opt_usage("--%s: '%s' is not a whole number from %.0f to %.0f", o->name, text, o->min, o->max);
		*(int *)o->value = (int)v;
		return;
	}
	case OPT_T_DOUBLE: {
		double v = strtod(text, &end);
		if (end == text || *end || !(v >= o->min && v <= o->max))
			opt_usage("--%s: '%s' is not a number from %g to %g", o->name, text, o->min, o->max);
		*(double *)o->value = v;
		return;
	}
	case OPT_T_SIZE: {
		double v = strtod(text, &end);
		const char *unit = "KMGT", *u = *end ? strchr(unit, *end) : NULL;
		if (u)
			v *= pow(1024, (double)(u - unit + 1)), end++;
		if (end == text || *end || !(v >= 1 && v <= 0x1p62))
			opt_usage("--%s: '%s' is not a size such as 512M or 16G", o->name, text);
		*(size_t *)o->value = (size_t)v;
		return;
	}
	case OPT_T_END:
		return;
	}
}

static const struct opt *find(const struct opt *opts, char c, const char *name, size_t n)
{
	const struct opt *tables[] = { opts, shared };

	for (int i = 0; i < 2; i++)
		for (const struct opt *o = tables[i]; o->type; o++)
			if (name ? !strncmp(o->name, name, n) && !o->name[n] : o->c && o->c == c)
				return o;
	return NULL;
}

static void keep_command_line(int argc, char **argv)
{
	char *s = xstrdup(prog);

	for (int i = 1; i < argc; i++) {
		bool plain = *argv[i] && strspn(argv[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_") == strlen(argv[i]);
		char *t = xasprintf(plain ? "%s %s" : "%s '%s'", s, argv[i]);
		free(s);
		s = t;
	}
	command_line = s;
}

void opt_parse(int *argc, char ***argv, const struct opt *opts, const char *operands, const char *purpose)
{
	char **a = *argv, **operand = xcalloc((size_t)*argc + 1, sizeof *operand);
	const char *slash = strrchr(a[0], '/');
	int n_operands = 0;

	prog = slash ? slash + 1 : a[0];
	die_signals();
	keep_command_line(*argc, *argv);
	for (a++; *a; a++) {
		if ((*a)[0] != '-' || !(*a)[1]) {               /* an operand; options may follow it */
			operand[n_operands++] = *a;
			continue;
		}
		if (!strcmp(*a, "--")) {
			while (*++a)
				operand[n_operands++] = *a;
			break;
		}
		if (!strcmp(*a, "--dump-mdoc")) {
			dump_mdoc(opts);
			io_close_stdout();
			exit(XOK);
		}
		if (!strcmp(*a, "--dump-purpose")) {
			puts(purpose);
			io_close_stdout();
			exit(XOK);
		}
		if ((*a)[1] == '-') {
			char *name = *a + 2, *eq = strchr(name, '=');
			const struct opt *o = find(opts, 0, name, eq ? (size_t)(eq - name) : strlen(name));
			if (!o)
				opt_usage("unknown option '%s'", *a);
			if (!o->arg && eq)
				opt_usage("--%s takes no value", o->name);
			if (o->arg && !eq && !a[1])
				opt_usage("--%s needs %s", o->name, o->arg);
			set(o, !o->arg ? NULL : eq ? eq + 1 : *++a);
			continue;
		}
		for (char *p = *a + 1; *p; p++) {
			const struct opt *o = find(opts, *p, NULL, 0);
			if (!o)
				opt_usage("unknown option '-%c'", *p);
			if (!o->arg) {
				set(o, NULL);
				continue;
			}
			if (!p[1] && !a[1])
				opt_usage("-%c needs %s", o->c, o->arg);
			set(o, p[1] ? p + 1 : *++a);
			break;
		}
	}
	if (help)
		print_help(opts, operands, purpose);
	else if (version)
		printf("%s (Qualm) %s\n", prog, QUALM_VERSION);
	if (help || version) {
		io_close_stdout();
		exit(XOK);
	}
	memcpy(*argv, operand, ((size_t)n_operands + 1) * sizeof *operand);
	free(operand);
	*argc = n_operands;
	if (!*operands && n_operands)
		opt_usage("unexpected operand '%s'", **argv);
}
