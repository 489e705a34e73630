/* gpu: the backend's state: a network as recorded work in one arena, its members' weights, and the cases under way. */
#ifndef CUDA_GPU_H
#define CUDA_GPU_H
#include "filters/infer-checkpoint/backend.h"
#include "filters/infer-checkpoint/cuda/steps.h"

enum {
	TILE_SLOTS = 4,          /* batches whose windows have been listed and may not have run */
	STAGES = 2,              /* halves of what crosses the bus, each way */
	FLAGS = 4096,            /* windows of which it is not yet known whether they are finite */
	MARK_TILES = 0, MARK_UP = MARK_TILES + TILE_SLOTS, MARK_DOWN = MARK_UP + STAGES, MARK_FLAGS = MARK_DOWN + STAGES
};

/* An image on the device, for all cases that have it; the last one stays for those that come. */
struct image {
	uint64_t number;         /* as in the case */
	float *const *plane;
	int users;
	int64_t shape[3];
	float *volume;           /* [n_inputs][shape] */
	bool *there;             /* [shape[0]]: planes that have been given to the device */
	struct image *next;
};

/* A case between begin and end. */
struct stay {
	struct backend_case c;
	struct image *image;
	int outputs;             /* channels of its sums */
	int64_t ring[3];         /* as shape, but for the axis of advance */
	float *sum, *weights;    /* [outputs][ring], [ring] */
	bool bad;                /* an output was not finite: of a window at `where` */
	int64_t where[3];
};

/* Memory of the device that cases have used and others may use again. */
struct spare { void *p; size_t bytes; struct spare *next; };

struct piece { float *out; int64_t box_lo[3], box_hi[3], lo[3], hi[3]; int outputs; bool there; };

struct gpu {
	const struct network *n;
	struct backend_options o;
	enum precision precision;
	struct device *d;
	struct convolver *convolver;
	struct steps steps;
	const struct plan_of **plan;            /* [n_steps] of convolutions */
	int n_mirrors;
	unsigned mirror[8];
	/* On the device. */
	char *arena, *block, *scratch, *workspace;
	float *weight;                          /* [patch] */
	void *tiles;                            /* struct tile [images], struct target [images] */
	int *flag;                              /* [FLAGS] */
	float *take_stage[STAGES];
	/* On the host, but for the pool when it is on the device. */
	void *tile_slot[TILE_SLOTS];
	int *flag_copy;
	char *up_stage[STAGES];
	float *down_stage[STAGES];
	void **member;                          /* [n_members]: blocks */
	bool members_on_host;
	void *arranging;                        /* block that is on its way to the pool */
	int current;                            /* member whose weights are in place */

	bool ran[2];                            /* with all mirrors, with one */
	struct recording *recording[2];
	int tile_turn, up_turn, down_turn;
	size_t up_used;                         /* bytes of up_stage[up_turn] */
	struct { struct stay *stay; int member; int64_t origin[3]; } flagged[FLAGS];
	int n_flags;
	struct piece piece[STAGES];
	struct image *images;                   /* of the cases under way */
	struct image *last;                     /* of the case that ended last; or NULL */
	struct spare *spare;
};

/* cases.c */
bool gpu_cost(const void *b, const struct backend_case *c, size_t *host, size_t *device);
void *gpu_begin(void *b, const struct backend_case *c);
bool gpu_take(void *b, void *stay, float *out, const int64_t lo[3], const int64_t hi[3]);
void gpu_end(void *b, void *stay);
void cases_free(struct gpu *g);
/* Gives the device the planes that a window reads. */
bool image_need(struct gpu *g, struct image *i, int64_t lo, int64_t hi);
/* Which windows, of those that have been given to the device, were not finite. */
bool flags_check(struct gpu *g);
size_t stage_bytes(void);
#endif
