/* postprocess: its two halves. */
#ifndef POSTPROCESS_H
#define POSTPROCESS_H
#include <stdbool.h>

/* Which structures are better off with their largest component alone (contract 6.1); leaves postprocessing.json, .pkl and
 * summary.json in `predictions` and, if keep, the result in postprocessed/ there.  A table of the decisions goes to stdout.
 * Dies on whatever fails. */
void postprocess_determine(const char *predictions, const char *references, const char *dataset_json, bool keep);

/* The label maps of a folder after the rules of `file`, into `output`.  A table of the voxels removed goes to stdout.
 * Dies on whatever fails, but with -k a case that fails is left out; then false. */
bool postprocess_apply(const char *predictions, const char *file, const char *output);
#endif
