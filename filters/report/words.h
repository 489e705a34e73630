/* words: what columns and flags are called and mean, in the words of README, "How to read the table". */
#ifndef REPORT_WORDS_H
#define REPORT_WORDS_H
#include <stdbool.h>
#include <stdio.h>

/* Puts what a column holds as a phrase, of "class_entropy:LV" what class_entropy holds; false for a name that is not known. */
bool put_column(FILE *out, const char *name, void (*put)(FILE *, const char *));
/* What a flag of so many bytes means; NULL for one that is not known. */
const char *flag_words(const char *flag, int length);
/* Whether it is worth knowing, but no reason to look at the case again. */
bool flag_is_note(const char *flag, int length);
#endif
