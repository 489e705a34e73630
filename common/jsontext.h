/* jsontext: JSON as Python's json.dump(indent=4, sort_keys=True) writes it, which is how nnU-Net does; text stays UTF-8. */
#ifndef COMMON_JSONTEXT_H
#define COMMON_JSONTEXT_H
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* Python's repr of a float: the fewest digits that read back as v; NaN and Infinity as Python spells them. */
void json_real_text(char out[32], double v);
/* The text, malloc'ed; *n: its length (a zero byte follows). */
char *json_python_text(json_object *o, size_t *n);
/* The same into a file, whole or not at all; fail()s XIO. */
bool json_python_write(const char *path, json_object *o);
#endif
