/* pickle-write: makes a pickle of protocol 2, value after value, as torch.save's holds them.
 *
 * Within a dictionary keys and values alternate.  Text is UTF-8.  Each global is spelled out once and then referred to. */
#ifndef COMMON_PICKLE_WRITE_H
#define COMMON_PICKLE_WRITE_H
#include <json-c/json.h>
#include "common/pickle.h"

struct pickle_out {
	char *data;
	size_t n, room;
	int globals;             /* spelled out so far */
	char *global[16];
};

void pickle_begin(struct pickle_out *o);                   /* o is zeroed */
void pickle_end(struct pickle_out *o);                     /* data now holds n bytes of a whole pickle */
void pickle_drop(struct pickle_out *o);                    /* frees all of it */
void pickle_put_none(struct pickle_out *o);
void pickle_put_bool(struct pickle_out *o, bool v);
void pickle_put_int(struct pickle_out *o, int64_t v);
void pickle_put_real(struct pickle_out *o, double v);
void pickle_put_text(struct pickle_out *o, const char *s);
void pickle_put_json(struct pickle_out *o, json_object *v);        /* as Python's json.load gives it */
/* What was read from another pickle; numpy's numbers become Python's.  fail()s XDATA on tensors and other objects, and
 * on what is nested without end. */
bool pickle_put_value(struct pickle_out *o, const struct pickle_value *v);

void pickle_open_dict(struct pickle_out *o);
void pickle_close_dict(struct pickle_out *o);
void pickle_open_list(struct pickle_out *o);
void pickle_close_list(struct pickle_out *o);
void pickle_open_tuple(struct pickle_out *o);
void pickle_close_tuple(struct pickle_out *o);

/* A global, such as a class; a tuple that follows can be its arguments: then pickle_call(). */
void pickle_put_global(struct pickle_out *o, const char *module, const char *name);
void pickle_call(struct pickle_out *o);
void pickle_open_ordered_dict(struct pickle_out *o);       /* collections.OrderedDict, ends as a dict */
void pickle_persistent(struct pickle_out *o);              /* the tuple before it is the id of an object outside the pickle */
#endif
