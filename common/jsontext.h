/* jsontext: JSON as Python's json.dump(indent=4) writes it, which is how nnU-Net does; text stays UTF-8. */
#ifndef COMMON_JSONTEXT_H
#define COMMON_JSONTEXT_H
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* Python's repr of a float: the fewest digits that read back as v; NaN and Infinity as Python spells them. */
void json_real_text(char out[32], double v);
enum json_order { JSON_SORTED, JSON_AS_ADDED };    /* of keys: sort_keys=True, or False as for plans */
/* The text, malloc'ed; *n: its length (a zero byte follows). */
char *json_python_text(json_object *o, enum json_order order, size_t *n);
/* The same into a file, whole or not at all; fail()s XIO. */
bool json_python_write_in(enum json_order order, const char *path, json_object *o);
bool json_python_write(const char *path, json_object *o);         /* sorted */
#endif
