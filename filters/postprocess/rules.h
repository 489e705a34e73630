/* rules: structures of which only the largest component stays, and the files that nnU-Net keeps them in (contract 6.1). */
#ifndef RULES_H
#define RULES_H
#include <json-c/json.h>
#include "common/labelmap.h"

/* The union of these values keeps its largest components; form: how nnU-Net writes it, 1, (1, 2) or [1, 2]. */
enum rule_form { RULE_VALUE, RULE_TUPLE, RULE_LIST };
struct rule { enum rule_form form; int n; int *value; };
struct rules { int n; struct rule *rule; };      /* applied in this order */

void rules_add(struct rules *r, enum rule_form form, const int *value, int n);   /* value is copied */
void rules_free(struct rules *r);

/* Voxels of all but the largest component become 0; of several largest ones all stay.  The number of voxels removed. */
int64_t rule_apply(struct labelmap *m, const struct rule *rule);
int64_t rules_apply(struct labelmap *m, const struct rules *r);

/* nnU-Net's postprocessing.pkl or postprocessing.json, told apart by their first byte.  The pickle names one Python function,
 * which is known by its name and never run.  fail()s XDATA or XIO. */
bool rules_read(struct rules *r, const char *path);
bool rules_write_pickle(const char *path, const struct rules *r);                /* fail()s XIO */
void rules_to_json(json_object *o, const struct rules *r);       /* adds the keys postprocessing_fns and _kwargs */
#endif
