/* Convolutions as they are defined, plain and transposed: rows of the input are staged, normed and with their padding, and
 * every output panel is the product of what its taps read there with their weights. */
#include <string.h>
#include "filters/infer-checkpoint/cpu_run.h"

/* Rows y .. y + rows - 1 of planes z .. z + planes - 1 of the output; staged and segment pointers are `at`'s. */
struct band {
	const struct run *r;
	const struct hand *at;
	int z, planes, y, rows, piece;
};

/* Floats of the staged inputs: one row as one residue of x, one residue of y, one plane, one segment. */
struct staging { size_t pixel, part, lines, plane, segment; };

static struct staging staging(const struct band *a)
{
	const struct step *s = a->r->s;
	const int *stride = s->node->stride, planes = (a->planes - 1) * stride[0] + s->node->kernel[0];
	size_t pixel = staged_pixel(s), part = (size_t)(s->lines * s->width) * pixel;
	size_t lines = part * (size_t)stride[2], plane = lines * (size_t)stride[1];

	return (struct staging){ pixel, part, lines, plane, plane * (size_t)planes };
}

/* What the band reads of channels c and on of block b. */
static void stage_block(const struct band *a, float *to, const struct block *b, int c)
{
	const struct run *r = a->r;
	const struct step *s = r->s;
	const int *in = s->input.in, *k = s->node->kernel, *stride = s->node->stride;
	struct staging size = staging(a);

	for (int i = 0; i < (a->planes - 1) * stride[0] + k[0]; i++, to += size.plane) {
		int z = a->z * stride[0] - k[0] / 2 + i;
		bool there = z >= 0 && z < in[0];
		struct norm norm = norm_of(r, b, c, there ? z : 0);
		for (int j = 0; j < (a->rows - 1) * stride[1] + k[1]; j++) {
			int y = a->y * stride[1] - k[1] / 2 + j;
			bool inside = there && y >= 0 && y < in[1];
			size_t row = inside ? (size_t)z * b->plane + (size_t)(y * in[2] * b->lanes) : 0;
			float *place = to + (size_t)(j % stride[1]) * size.lines + (size_t)(j / stride[1] * s->width) * size.pixel;
			s->k->stage(place, size.part, inside ? r->w->memory + b->offset + row + c : NULL, b->lanes, in[2], stride[2],
			            k[2] / 2, s->width, &norm);
		}
	}
}

/* Block i of the input: its segments lie side by side, as many for each block but the last. */
static void stage(void *arg, int i, int worker)
{
	const struct band *a = arg;
	const struct gather *g = &a->r->s->input;
	float *to = a->at->scratch;
	int lanes = a->r->s->k->lanes;
	size_t size = staging(a).segment;

	(void)worker;
	for (int b = 0; b < i; b++)
		to += (size_t)ceil_div(g->block[b].channels, lanes) * size;
	for (int c = 0; c < g->block[i].channels; c += lanes, to += size)
		stage_block(a, to, &g->block[i], c);
}

/* Where the segments of each tap begin. */
static void point(const struct band *a)
{
	const struct step *s = a->r->s;
	const int *k = s->node->kernel, *stride = s->node->stride;
	struct staging size = staging(a);
	int n = s->n_segments / taps(k), i = 0;

	for (int z = 0; z < k[0]; z++)
		for (int y = 0; y < k[1]; y++)
			for (int x = 0; x < k[2]; x++)
				for (int b = 0; b < n; b++)
					a->at->x[i++] = a->at->scratch + (size_t)b * size.segment + (size_t)z * size.plane +
					                (size_t)(y % stride[1]) * size.lines + (size_t)(x % stride[2]) * size.part +
					                (size_t)(y / stride[1] * s->width + x / stride[2]) * size.pixel;
}

/* Rows with the gaps between them as one product, then each to its place. */
static void flat_rows(const struct band *a, struct product p, float *temporary)
{
	const struct step *s = a->r->s;
	float *out = p.out;
	size_t lanes = (size_t)s->k->lanes, X = (size_t)s->input.out[2], step = p.block_step;

	p.out = temporary;
	p.block_step = (size_t)(s->rows * s->width) * lanes;
	p.pixels = (a->rows - 1) * s->width + (int)X;
	s->k->gemm(&p);
	for (size_t b = 0; b < (size_t)p.blocks; b++)
		for (size_t y = 0; y < (size_t)a->rows; y++)
			memcpy(out + b * step + y * X * lanes, temporary + b * p.block_step + y * (size_t)s->width * lanes,
			       X * lanes * sizeof *out);
}

static void multiply(void *arg, int panel, int worker)
{
	const struct band *a = arg;
	const struct run *r = a->r;
	const struct step *s = r->s;
	const int *out = s->input.out;
	size_t lanes = (size_t)s->k->lanes, depth = (size_t)s->depth * lanes, row = (size_t)out[2] * lanes;
	struct staging size = staging(a);
	struct product p = panel_product(r, panel);

	p.x = a->at->x;
	p.w = r->packed + s->weights + (size_t)(2 * panel) * depth;
	p.next = s->far ? p.w + (size_t)p.blocks * depth : NULL;
	p.pixels = out[2];
	for (int z = a->z; z < a->z + a->planes; z++) {
		p.out = plane_out(r, 2 * panel, z) + (size_t)a->y * row;
		p.offset = (size_t)((z - a->z) * s->node->stride[0]) * size.plane;
		if (s->flat)
			flat_rows(a, p, r->w->hand[worker].scratch + s->temporary);
		for (int y = 0; y < a->rows && !s->flat; y++, p.next = NULL) {
			s->k->gemm(&p);
			p.out += row;
			p.offset += (size_t)s->width * size.pixel;
		}
		p.next = NULL;
		for (int b = 0; b < p.blocks && s->measured; b++)
			s->k->moments(r->w->statistics + moments_at(s, 2 * panel + b, z, a->piece),
			              plane_out(r, 2 * panel + b, z) + (size_t)a->y * row, (size_t)(a->rows * out[2]), 1);
	}
}

static int band_tasks(const struct run *r) { return ceil_div(r->end - r->first, r->s->planes) * r->s->pieces; }

static struct band band(const struct run *r, const struct hand *at, int task)
{
	const struct step *s = r->s;
	struct band a = { .r = r, .at = at, .z = r->first + task / s->pieces * s->planes, .piece = task % s->pieces };

	a.planes = r->end - a.z < s->planes ? r->end - a.z : s->planes;
	a.y = part(&a.rows, s->input.out[1], s->pieces, a.piece);
	for (int z = a.z; z < a.z + a.planes && s->measured; z++)
		r->w->counts[count_at(s, z, a.piece)] = (double)(a.rows * s->input.out[2]);
	point(&a);
	return a;
}

static void whole_band(void *arg, int task, int worker)
{
	const struct run *r = arg;
	struct band a = band(r, &r->w->hand[worker], task);

	for (int i = 0; i < r->s->input.n_blocks; i++)
		stage(&a, i, worker);
	for (int panel = 0; panel < panels(r->s); panel++)
		multiply(&a, panel, worker);
}

void cpu_direct(const struct run *r)
{
	int tasks = band_tasks(r);

	if (!shared(r, tasks, panels(r->s))) {
		each(r, tasks, whole_band, (void *)r);
		return;
	}
	for (int task = 0; task < tasks; task++) {
		struct band a = band(r, &r->w->hand[0], task);
		each(r, r->s->input.n_blocks, stage, &a);
		each(r, panels(r->s), multiply, &a);
	}
}

/* ---- transposed: out[o][stride * i + k] = bias[o] + sum over c of in[c][i] w[c][o][k]: no two taps meet ---- */

/* Rows first .. first + n - 1 of the input, plane after plane. */
struct rows {
	const struct run *r;
	const struct hand *at;
	int first, n;
};

static void stage_rows(void *arg, int i, int worker)
{
	const struct rows *a = arg;
	const struct step *s = a->r->s;
	const struct gather *g = &s->input;
	const struct block *b = &g->block[i];
	size_t line = (size_t)g->in[2] * staged_pixel(s);
	int segment = 0;

	(void)worker;
	for (int j = 0; j < i; j++)
		segment += ceil_div(g->block[j].channels, s->k->lanes);
	for (int c = 0; c < b->channels; c += s->k->lanes, segment++) {
		float *to = a->at->scratch + (size_t)(segment * a->n) * line;
		a->at->x[segment] = to;
		for (int row = a->first; row < a->first + a->n; row++, to += line) {
			struct norm norm = norm_of(a->r, b, c, row / g->in[1]);
			size_t at = (size_t)(row / g->in[1]) * b->plane + (size_t)(row % g->in[1] * g->in[2] * b->lanes);
			s->k->stage(to, 0, a->r->w->memory + b->offset + at + c, b->lanes, g->in[2], 1, 0, g->in[2], &norm);
		}
	}
}

/* One tap's panel. */
static void multiply_rows(void *arg, int task, int worker)
{
	const struct rows *a = arg;
	const struct step *s = a->r->s;
	const int *in = s->input.in, *stride = s->node->stride;
	int tap = task / panels(s), panel = task % panels(s);
	int kx = tap % stride[2], ky = tap / stride[2] % stride[1], kz = tap / stride[2] / stride[1];
	size_t lanes = (size_t)s->k->lanes, X = (size_t)(in[2] * stride[2]), depth = (size_t)s->depth * lanes;
	struct product p = panel_product(a->r, panel);

	(void)worker;
	p.x = a->at->x;
	p.w = a->r->packed + s->weights + (size_t)(tap * s->blocks + 2 * panel) * depth;
	p.next = s->far ? p.w + (size_t)p.blocks * depth : NULL;
	p.pixels = in[2];
	p.out_step = (size_t)stride[2] * lanes;
	for (int row = a->first; row < a->first + a->n; row++, p.next = NULL) {
		int z = row / in[1] * stride[0] + kz, y = row % in[1] * stride[1] + ky;
		p.out = plane_out(a->r, 2 * panel, z) + ((size_t)y * X + (size_t)kx) * lanes;
		s->k->gemm(&p);
		p.offset += (size_t)in[2] * staged_pixel(s);
	}
}

static int row_tasks(const struct run *r) { return ceil_div((r->end - r->first) * r->s->input.in[1], r->s->rows); }

static struct rows rows(const struct run *r, const struct hand *at, int task)
{
	int Y = r->s->input.in[1];
	struct rows a = { .r = r, .at = at };

	a.first = r->first * Y + part(&a.n, (r->end - r->first) * Y, row_tasks(r), task);
	return a;
}

static void whole_rows(void *arg, int task, int worker)
{
	const struct run *r = arg;
	struct rows a = rows(r, &r->w->hand[worker], task);

	for (int i = 0; i < r->s->input.n_blocks; i++)
		stage_rows(&a, i, worker);
	for (int i = 0; i < taps(r->s->node->stride) * panels(r->s); i++)
		multiply_rows(&a, i, worker);
}

void cpu_upsample(const struct run *r)
{
	int tasks = row_tasks(r);

	if (!shared(r, tasks, taps(r->s->node->stride) * panels(r->s))) {
		each(r, tasks, whole_rows, (void *)r);
		return;
	}
	for (int task = 0; task < tasks; task++) {
		struct rows a = rows(r, &r->w->hand[0], task);
		each(r, r->s->input.n_blocks, stage_rows, &a);
		each(r, taps(r->s->node->stride) * panels(r->s), multiply_rows, &a);
	}
}
