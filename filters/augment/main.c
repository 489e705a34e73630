/* augment: random changes of training patches, as nnU-Net makes them. */
#include <stdlib.h>
#include <string.h>
#include "common/augment.h"
#include "common/die.h"
#include "common/frame.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "filters/augment/log.h"

static const char *only, *log_path;
static bool always;
static int threads, seed;
static unsigned kinds;                   /* set of transforms that may happen */
static const struct opt opts[] = {
	OPT_STRING(0, "only", &only, "LIST", "transforms that may happen, separated by commas, or none"),
	OPT_FLAG('a', "always", &always, "those happen to every patch"),
	OPT_INT(0, "seed", &seed, "N", 0, 2147483647, "of all random numbers"),
	OPT_STRING(0, "log", &log_path, "FILE", "write what was drawn for each patch as TSV"),
	OPT_INT('j', "threads", &threads, "N", 0, 1024, "patches at a time; 0: one for each processor"),
	OPT_KEEP_GOING,
	OPT_END
};

/* A patch on its way. */
struct patch {
	struct frame from, to;
	const struct layer *image, *label, *outside;    /* of from */
	struct layer *to_image, *to_label;
	struct augmenter a;
	struct augmentation d;
};

/* The set of the names in a list. */
static unsigned set_of(const char *list)
{
	unsigned set = 0;

	for (const char *name = list; name && strcmp(list, "none"); name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL) {
		size_t n = strcspn(name, ",");
		int k = 0;
		while (k < AUGMENT_KINDS && (strlen(augment_name[k]) != n || strncmp(name, augment_name[k], n)))
			k++;
		if (k == AUGMENT_KINDS)
			opt_usage("--only: '%.*s' is no transform; they are rotation, scaling, noise, blur, brightness, contrast, "
			          "low-resolution, inverted-gamma, gamma, mirroring, morphology and removal", (int)n, name);
		set |= 1U << k;
	}
	return set;
}

/* Patches to train on that have not been augmented yet; all other frames are passed on. */
static bool is_ours(const struct frame *f)
{
	const msgpack_object *sample = mpk_get_map(&f->header, "sample"), *validation = mpk_get(sample, "validation");

	return !f->failed && sample && !(validation && validation->type == MSGPACK_OBJECT_BOOLEAN && validation->via.boolean) &&
	       !mpk_get(sample, "augmented");
}

static bool check_layers(struct patch *p)
{
	p->image = frame_layer(&p->from, "image");
	p->label = frame_layer(&p->from, "label");
	p->outside = frame_layer(&p->from, "outside");
	if (!p->image || !p->label || !p->outside)
		return fail(XDATA, "it lacks a layer image, label or outside; 'sample-patches' makes all three");
	if (p->image->type != DT_F4 || p->label->type != DT_U2 || p->outside->type != DT_U1 || p->label->channels != 1 ||
	    p->outside->channels != 1)
		return fail(XDATA, "its layers are not <f4, <u2 and |u1 of one channel each, as 'sample-patches' writes "
		            "image, label, outside");
	return true;
}

/* What the frame's key "sample" says of it. */
static bool read_sample(struct patch *p, int64_t number[3])
{
	const msgpack_object *sample = mpk_get_map(&p->from.header, "sample"), *masked = mpk_get_array(sample, "masked");
	int64_t classes = mpk_get_int(sample, "previous", 0), masks[MAX_CHANNELS] = {0};

	p->a = (struct augmenter){ .seed = (uint64_t)seed, .always = always, .kinds = kinds };
	memcpy(p->a.from, p->from.shape, sizeof p->a.from);
	if (!mpk_get_ints(sample, "number", number, 3) || !mpk_get_ints(sample, "final", p->a.to, 3))
		return fail(XDATA, "its key 'sample' does not tell number and final of the patch");
	for (int d = 0; d < 3; d++)
		if (p->a.to[d] < 1 || p->a.to[d] > p->a.from[d])
			return fail(XDATA, "it has %lld x %lld x %lld voxels, which leaves no patch of %lld x %lld x %lld",
			            (long long)p->a.from[0], (long long)p->a.from[1], (long long)p->a.from[2],
			            (long long)p->a.to[0], (long long)p->a.to[1], (long long)p->a.to[2]);
	if (classes < 0 || classes >= p->image->channels || p->image->channels - classes > MAX_CHANNELS)
		return fail(XDATA, "it has %lld channels, %lld of them of a previous stage", (long long)p->image->channels,
		            (long long)classes);
	if (frame_grid_voxels(&p->from) > INT32_MAX)
		return fail(XDATA, "it has more than 2^31 voxels");
	p->a.classes = (int)classes;
	p->a.channels = (int)(p->image->channels - classes);
	if (masked && !mpk_get_ints(sample, "masked", masks, p->a.channels))
		return fail(XDATA, "its key 'sample' does not tell masked for each of %d channels", p->a.channels);
	for (int c = 0; c < p->a.channels; c++)
		p->a.masked[c] = masks[c] != 0;
	return true;
}

/* The frame to come: the keys of the one that came, on the network's grid. */
static bool begin_output(struct patch *p)
{
	msgpack_object *sample, done = mpk_array();

	frame_inherit(&p->to, &p->from);
	p->to_image = frame_add(&p->to, "image", DT_F4, p->image->channels);
	p->to_label = frame_add(&p->to, "label", DT_U2, 1);
	frame_grid(&p->to, p->a.to, p->from.spacing_mm, 0);
	if (!frame_alloc_volume(&p->to))
		return false;
	for (int k = 0; k < AUGMENT_KINDS; k++)
		if (p->d.kinds >> k & 1)
			mpk_append(p->to.zone, &done, mpk_str(p->to.zone, augment_name[k]));
	sample = mpk_get_map(&p->to.header, "sample");
	mpk_put(p->to.zone, sample, "augmented", done);
	p->to.closing = mpk_copy(p->to.zone, p->from.closing);
	return true;
}

static bool begin(struct patch *p, struct source *in)
{
	int64_t number[3];

	if (!check_layers(p) || !read_sample(p, number) || !source_volume(in, &p->from))
		return false;
	augment_draw(&p->d, &p->a, number[0], number[1], number[2]);
	return begin_output(p);
}

static void one_patch(void *patches, int i, int worker)
{
	struct patch *p = (struct patch *)patches + i;
	uint16_t *label = p->label->data;
	const uint8_t *outside = p->outside->data;

	(void)worker;
	for (size_t v = 0, n = frame_grid_voxels(&p->from); v < n; v++)
		label[v] = outside[v] ? AUGMENT_OUTSIDE : label[v];
	augment(p->to_image->data, p->to_label->data, p->image->data, label, &p->d, &p->a);
}

/* Patches that wait to be augmented together: some for each thread, since they take different times, or what memory holds. */
struct queue { struct patch *p; int n, most; size_t bytes; };

static void flush(struct queue *q, struct sink *out)
{
	parallel_for(threads ? threads : parallel_cpus(), q->n, one_patch, q->p);
	for (int i = 0; i < q->n; i++) {
		sink_volume(out, &q->p[i].to);
		log_patch(q->p[i].from.name, &q->p[i].d, &q->p[i].a);
	}
	q->n = 0;
	q->bytes = 0;
}

static void push(struct queue *q, struct sink *out)
{
	const struct patch *p = &q->p[q->n];
	size_t each = (frame_grid_voxels(&p->from) + frame_grid_voxels(&p->to)) * ((size_t)p->image->channels * sizeof(float) + 3);

	q->n++;
	q->bytes += each;
	if (q->n == q->most || q->bytes + each > memory_limit)
		flush(q, out);
}

int main(int argc, char **argv)
{
	struct queue q = {0};

	opt_parse(&argc, &argv, opts, "", "random changes of training patches, as nnU-Net makes them");
	kinds = only ? set_of(only) : (1U << AUGMENT_KINDS) - 1;
	if (log_path)
		log_open(log_path);
	q.most = 4 * (threads ? threads : parallel_cpus());
	q.p = xcalloc((size_t)q.most, sizeof *q.p);
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &q.p[q.n].from)) {
		struct frame *f = &q.p[q.n].from;
		bool ours = is_ours(f);
		if (ours && begin(&q.p[q.n], in)) {
			push(&q, out);
			continue;
		}
		flush(&q, out);                 /* in the order in which they came */
		if (ours)
			case_failed(out, in, f);
		else
			sink_pass(out, in, f);
	}
	flush(&q, out);
	log_close();
	for (int i = 0; i < q.most; i++) {
		frame_free(&q.p[i].from);
		frame_free(&q.p[i].to);
	}
	free(q.p);
	return filter_end(in, out);
}
