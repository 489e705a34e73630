/* components: connected components of a mask, voxels touching by faces, edges or corners (26 neighbours; 8 in a slice).
 *
 * A component is known by its runs: stretches of a row along x.  Memory grows with the number of runs, not of voxels. */
#ifndef COMMON_COMPONENTS_H
#define COMMON_COMPONENTS_H
#include <stddef.h>
#include <stdint.h>

struct run { int64_t first, n; size_t component; };     /* voxels first .. first + n - 1 of the grid; 0 .. n - 1 */

struct components {
	size_t n_runs;
	struct run *run;         /* in the order of voxels */
	size_t n;                /* components, numbered by their first voxels */
	int64_t *size;           /* [n] voxels */
};

/* mask: [shape], nonzero inside.  Free with components_free(). */
void components_find(struct components *c, const unsigned char *mask, const int64_t shape[3]);
int64_t components_largest(const struct components *c);   /* voxels of the largest; 0 if there is none */
void components_free(struct components *c);
#endif
