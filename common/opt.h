/* opt: one table of options gives parsing, range checks, -h, and the SYNOPSIS that tests compare with the man page.
 *
 * Every program also takes -h --help, -V --version, -v --verbose and --memory SIZE, described in qualm(1).
 * Options may stand before, between and after operands and end at "--"; flags may be joined (-kp), values attached (-j2, --steps=3). */
#ifndef COMMON_OPT_H
#define COMMON_OPT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type { OPT_T_END, OPT_T_FLAG, OPT_T_INT, OPT_T_DOUBLE, OPT_T_STRING, OPT_T_CHOICE, OPT_T_SIZE };

struct opt {
	enum opt_type type;
	char c;                  /* short letter, 0 if none */
	const char *name;        /* long name, never NULL */
	void *value;             /* bool, int, double, const char * or size_t; holds the default before */
	const char *arg;         /* name of the value in help and page, NULL for a flag */
	const char *help;        /* what it does, without a full stop */
	double min, max;         /* of OPT_INT and OPT_DOUBLE, both included */
	const char *choices;     /* of OPT_CHOICE: "a|b|c" */
	bool *given;             /* set when the option occurs; may be NULL */
};

/* The unused branch of ?: makes the compiler check the pointer's type. */
#define OPT_TYPED(ptr, T) (1 ? (ptr) : (T *)0)
#define OPT_FLAG(c, name, p, help)                   { OPT_T_FLAG, c, name, OPT_TYPED(p, bool), NULL, help, 0, 0, NULL, NULL }
#define OPT_INT(c, name, p, arg, lo, hi, help)       { OPT_T_INT, c, name, OPT_TYPED(p, int), arg, help, lo, hi, NULL, NULL }
#define OPT_DOUBLE(c, name, p, arg, lo, hi, help)    { OPT_T_DOUBLE, c, name, OPT_TYPED(p, double), arg, help, lo, hi, NULL, NULL }
#define OPT_STRING(c, name, p, arg, help)            { OPT_T_STRING, c, name, OPT_TYPED(p, const char *), arg, help, 0, 0, NULL, NULL }
#define OPT_CHOICE(c, name, p, arg, choices, help)   { OPT_T_CHOICE, c, name, OPT_TYPED(p, const char *), arg, help, 0, 0, choices, NULL }
#define OPT_SIZE(c, name, p, arg, help)              { OPT_T_SIZE, c, name, OPT_TYPED(p, size_t), arg, help, 0, 0, NULL, NULL }
#define OPT_END                                      { OPT_T_END, 0, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL }

/* The most memory that a size found in input may make a program allocate at once (--memory, default 4 GiB). */
extern size_t memory_limit;

/* The command line as typed, quoted for a shell; for the stream's history.  Valid until exit. */
extern const char *command_line;

/* Parses options and leaves *argc, *argv with the operands only.  operands: their names for usage and page, such as
 * "MODEL" or "[FILE ...]" ("" for none: then any operand is a usage error).  purpose: the program in one line, as in
 * its page.  Exits 0 after -h and -V, 2 on a wrong option or value. */
void opt_parse(int *argc, char ***argv, const struct opt *opts, const char *operands, const char *purpose);

/* Ends with exit 2 and one line that names the mistake and points to -h. */
_Noreturn void opt_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
