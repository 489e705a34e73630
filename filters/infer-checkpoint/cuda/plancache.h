/* plancache: plans of earlier runs in a folder, a file each.  Several programs may read and write it at a time: a file appears
 * whole, and the last one wins.  Nothing about it is an error: what is damaged, of other versions or of another device is as good
 * as not there, and a folder that cannot be written stays as it is. */
#ifndef CUDA_PLANCACHE_H
#define CUDA_PLANCACHE_H
#include <stddef.h>
#include <stdbool.h>

struct plancache;
/* folder: NULL for $XDG_CACHE_HOME/qualm/cudnn, else ~/.cache/qualm/cudnn.  made_for: versions and device, one line; only plans that were
 * stored for the same are found.  Never NULL. */
struct plancache *plancache_open(const char *folder, const char *made_for);
void plancache_close(struct plancache *c);

struct stored_plan {
	int engine;
	unsigned notes;
	double seconds;
	char *text;              /* malloc'ed by load, free() it */
};
/* shape: one line, the key. */
bool plancache_load(struct stored_plan *p, const struct plancache *c, const char *shape);
/* What was used longest ago goes when there are more than PLANCACHE_FILES or PLANCACHE_BYTES. */
void plancache_store(const struct plancache *c, const char *shape, const struct stored_plan *p);
enum { PLANCACHE_FILES = 2000, PLANCACHE_BYTES = 64 << 20 };
#endif
