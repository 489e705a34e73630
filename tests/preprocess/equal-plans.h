/* Two plans that ask for the same. */
#ifndef PREPROCESS_EQUAL_PLANS_H
#define PREPROCESS_EQUAL_PLANS_H
#include "common/plans.h"
#include "tests/preprocess/check.h"

/* All that decides numbers is equal. */
static inline void equal_plans(const struct plan *a, const struct plan *b, const char *what)
{
	CHECK(!strcmp(a->hash, b->hash) && strlen(a->hash) == 16, "%s: hashes", what);
	CHECK(!memcmp(&a->arch, &b->arch, sizeof a->arch), "%s: networks", what);
	CHECK(!memcmp(a->patch_size, b->patch_size, sizeof a->patch_size) && !memcmp(a->spacing, b->spacing, sizeof a->spacing),
	      "%s: grids", what);
	CHECK(!memcmp(a->scheme, b->scheme, sizeof a->scheme) && !memcmp(a->use_mask, b->use_mask, sizeof a->use_mask),
	      "%s: normalisation", what);
	CHECK(!memcmp(&a->data, &b->data, sizeof a->data) && !memcmp(&a->seg, &b->seg, sizeof a->seg) &&
	      !memcmp(&a->probabilities, &b->probabilities, sizeof a->seg), "%s: resampling", what);
}
#endif
