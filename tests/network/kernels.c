/* Matrix product, gathering and Winograd's transforms of the fast CPU engine, each by itself against its formula in double, at
 * every instruction set of this machine: all remainders, images smaller than a kernel, huge, tiny and denormal values,
 * infinities and NaN. */
#include "tests/network/kernels.h"

static void gemm(int pixels, int blocks, bool planes)
{
	enum { SEGMENTS = 12 };
	enum kind kind = (enum kind)pick(KINDS);
	int lanes = k->lanes, step = planes ? 1 : lanes, n[SEGMENTS];
	float *x[SEGMENTS];
	struct product m = { .pixels = pixels, .blocks = blocks, .n = n, .n_segments = 1 + pick(planes ? SEGMENTS : 5), .planes = planes,
	                     .add = pick(2), .block_step = (size_t)((pixels + pick(3)) * lanes) };
	size_t width = (size_t)(blocks * lanes), size = m.block_step * (size_t)blocks;
	float *out = values(size, kind), *old = copied(out, size), *bias = values(width, kind), *w;
	char where[80];

	for (int s = 0; s < m.n_segments; s++) {
		n[s] = planes ? 1 : 1 + pick(lanes);
		m.depth += n[s];
		x[s] = values((size_t)(pixels * step), kind);
	}
	w = values((size_t)m.depth * width, factor(kind));
	m.out = out;
	m.x = (const float *const *)x;
	m.w = w;
	m.next = pick(2) ? w : NULL;
	m.bias = pick(2) ? bias : NULL;
	k->gemm(&m);
	snprintf(where, sizeof where, "%d pixels, %d blocks, depth %d, kind %d%s%s%s", pixels, blocks, m.depth, kind,
	         planes ? ", planes" : "", m.add ? ", add" : "", m.bias ? ", bias" : "");
	for (int b = 0; b < blocks; b++) {
		size_t at = (size_t)b * m.block_step, end = at + (size_t)(pixels * lanes);
		for (int i = 0; i < pixels * lanes; i++) {
			int p = i / lanes, o = b * lanes + i % lanes;
			const float *weight = w + o;
			struct sum sum = {0};
			add(&sum, m.add ? (double)old[at + (size_t)i] : m.bias ? (double)bias[o] : 0);
			for (int s = 0; s < m.n_segments; s++)
				for (int c = 0; c < n[s]; c++, weight += width)
					add(&sum, (double)x[s][p * step + c] * (double)*weight);
			check_sum(out[at + (size_t)i], &sum, where);
		}
		check_same(out + end, old + end, m.block_step - (size_t)(pixels * lanes), where);
	}
	for (int s = 0; s < m.n_segments; s++)
		free(x[s]);
	free(w);
	free(bias);
	free(old);
	free(out);
}

static void test_gemm(void)
{
	for (int pixels = 1; pixels <= 64; pixels++)
		for (int blocks = 1; blocks <= 2; blocks++) {
			gemm(pixels, blocks, false);
			gemm(pixels, blocks, true);
		}
	gemm(MAX_GROUP, 2, false);
	gemm(299, 1, false);
	gemm(300, 2, true);
}

/* Values of the network's input, and of every set whose values this one may read. */
static void random_blocks(struct gather *g, struct block *block, size_t *size)
{
	bool planes = pick(4) == 0, wide = strstr(set_name, "v4") != NULL;
	size_t pixels = (size_t)(g->in[0] * g->in[1] * g->in[2]);

	g->block = block;
	g->n_blocks = 1 + pick(4);
	*size = 0;
	for (int i = 0; i < g->n_blocks; i++) {
		int lanes = planes ? 1 : wide ? 8 << pick(2) : k->lanes;
		block[i] = (struct block){ *size, lanes, 1 + pick(lanes) };
		*size += pixels * (size_t)lanes;
		if (!planes)
			*size = (*size + MAX_LANES - 1) / MAX_LANES * MAX_LANES;
	}
}

/* What tap (z, y, x) of output pixel p reads of channel c of a block. */
static float tapped(const float *memory, const struct gather *g, const struct block *b, int tap, int p, int c)
{
	int at[3], place = 0;

	for (int i = 2; i >= 0; tap /= g->kernel[i], p /= g->out[i], i--)
		at[i] = p % g->out[i] * g->stride[i] + tap % g->kernel[i] - g->kernel[i] / 2;
	for (int i = 0; i < 3; i++) {
		if (at[i] < 0 || at[i] >= g->in[i])
			return 0;
		place = place * g->in[i] + at[i];
	}
	return memory[b->offset + (size_t)place * (size_t)b->lanes + (size_t)c];
}

static void test_pack(void)
{
	for (int round = 0; round < 300; round++) {
		struct gather g;
		struct block block[4];
		size_t size;
		int taps = 1, all = 1, segments = 0;
		for (int i = 0; i < 3; i++) {
			g.in[i] = pick(5) ? 1 + pick(9) : 1;
			g.kernel[i] = 1 + 2 * pick(3);
			g.stride[i] = 1 + pick(3);
			g.out[i] = (g.in[i] - 1) / g.stride[i] + 1;
			taps *= g.kernel[i];
			all *= g.out[i];
		}
		random_blocks(&g, block, &size);
		int first = pick(all), most = all - first < MAX_GROUP ? all - first : MAX_GROUP, pixels = 1 + pick(most);
		int tap = pick(taps), n_taps = 1 + pick(taps - tap < 12 ? taps - tap : 12);
		int L = block[0].lanes == 1 ? 1 : k->lanes;
		for (int i = 0; i < g.n_blocks; i++)
			segments += (block[i].channels + L - 1) / L;
		float *memory = values(size, ORDINARY), *to = values((size_t)(segments * n_taps * pixels * L), ORDINARY), *segment = to;
		k->pack(to, memory, &g, first, pixels, tap, n_taps);
		for (int t = tap; t < tap + n_taps; t++)
			for (int i = 0; i < g.n_blocks; i++)
				for (int c = 0; c < block[i].channels; c += L, segment += pixels * L)
					for (int o = 0; o < L && c + o < block[i].channels; o++)
						for (int p = 0; p < pixels; p++)
							check((double)segment[p * L + o],
							      (double)tapped(memory, &g, &block[i], t, first + p, c + o), 0, "pack");
		free(to);
		free(memory);
	}
}

/* out = T d T' for T [rows][6], d [6][6]: each element is a sum, its terms those of the two-fold sum. */
static void transform(struct sum *out, const double *T, int rows, const float *d, size_t step)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < rows; j++) {
			struct sum *s = &out[i * rows + j];
			*s = (struct sum){0};
			for (int a = 0; a < 6; a++)
				for (int b = 0; b < 6; b++)
					if (T[i * 6 + a] * T[j * 6 + b] != 0)
						add(s, T[i * 6 + a] * T[j * 6 + b] * (double)d[(size_t)(a * 6 + b) * step]);
		}
}

/* An image of Y x X and a run of its tiles. */
struct tiles { int Y, X, columns, first, n; size_t step; char where[80]; };

static struct tiles random_tiles(int Y, int X)
{
	struct tiles t = { .Y = Y, .X = X, .columns = (X + 3) / 4 };
	int all = t.columns * ((Y + 3) / 4);

	t.first = pick(all);
	t.n = 1 + pick(all - t.first);
	t.step = (size_t)((t.n + pick(2)) * k->lanes);
	snprintf(t.where, sizeof t.where, "%d x %d, tiles %d to %d", Y, X, t.first, t.first + t.n - 1);
	return t;
}

/* Element (i, j) of lane o of the 6x6 input of tile t. */
static float tile_input(const float *plane, const struct tiles *t, int tile, int i, int j, int o)
{
	int y = tile / t->columns * 4 - 1 + i, x = tile % t->columns * 4 - 1 + j;

	return y < 0 || y >= t->Y || x < 0 || x >= t->X ? 0 : plane[(y * t->X + x) * k->lanes + o];
}

static void winograd_in(int Y, int X)
{
	static const double B[36] = { 4, 0, -5, 0, 1, 0,  0, -4, -4, 1, 1, 0,  0, 4, -4, -1, 1, 0,
	                              0, -2, -1, 2, 1, 0,  0, 2, -1, -2, 1, 0,  0, 4, 0, -5, 0, 1 };
	struct tiles t = random_tiles(Y, X);
	enum kind kind = (enum kind)pick(KINDS);
	size_t lanes = (size_t)k->lanes, used = (size_t)t.n * lanes;
	float *plane = values((size_t)(Y * X) * lanes, kind), *v = values(WINOGRAD * t.step, ORDINARY);
	float *old = copied(v, WINOGRAD * t.step), d[36];
	struct sum sum[36];

	k->winograd_in(v, t.step, plane, Y, X, t.first, t.n);
	for (int tile = 0; tile < t.n; tile++)
		for (int o = 0; o < k->lanes; o++) {
			for (int i = 0; i < 36; i++)
				d[i] = tile_input(plane, &t, t.first + tile, i / 6, i % 6, o);
			transform(sum, B, 6, d, 1);
			for (size_t i = 0; i < 36; i++)
				check_sum(v[i * t.step + (size_t)tile * lanes + (size_t)o], &sum[i], t.where);
		}
	for (size_t i = 0; i < 36; i++)
		check_same(v + i * t.step + used, old + i * t.step + used, t.step - used, t.where);
	free(old);
	free(v);
	free(plane);
}

static void winograd_out(int Y, int X)
{
	static const double A[24] = { 1, 1, 1, 1, 1, 0,  0, 1, -1, 2, -2, 0,  0, 1, 1, 4, 4, 0,  0, 1, -1, 8, -8, 1 };
	struct tiles t = random_tiles(Y, X);
	enum kind kind = (enum kind)pick(KINDS);
	int L = k->lanes;
	size_t size = (size_t)(Y * X * L);
	float *plane = values(size, ORDINARY), *old = copied(plane, size), *m = values(WINOGRAD * t.step, kind);
	float *bias = values((size_t)L, kind), *given = pick(2) ? bias : NULL;
	struct sum sum[16];

	k->winograd_out(plane, m, t.step, Y, X, t.first, t.n, given);
	for (int tile = 0; tile < t.columns * ((Y + 3) / 4); tile++)
		for (int o = 0; o < L; o++) {
			bool in = tile >= t.first && tile < t.first + t.n;
			if (in)
				transform(sum, A, 4, m + (tile - t.first) * L + o, t.step);
			for (int i = 0; i < 16; i++) {
				int y = tile / t.columns * 4 + i / 4, x = tile % t.columns * 4 + i % 4, at = (y * X + x) * L + o;
				if (y >= Y || x >= X)
					continue;
				if (in && given)
					add(&sum[i], (double)bias[o]);
				if (in)
					check_sum(plane[at], &sum[i], t.where);
				else
					check_same(plane + at, old + at, 1, t.where);
			}
		}
	free(bias);
	free(m);
	free(old);
	free(plane);
}

static void test_winograd_in(void)
{
	for (int Y = 1; Y <= 20; Y++)
		for (int X = 1; X <= 20; X += Y < 6 ? 1 : 1 + pick(3))
			winograd_in(Y, X);
}

static void test_winograd_out(void)
{
	for (int Y = 1; Y <= 20; Y++)
		for (int X = 1; X <= 20; X += Y < 6 ? 1 : 1 + pick(3))
			winograd_out(Y, X);
}

int main(void)
{
	static const struct kernel_test test[] = {
		{ "gemm", test_gemm }, { "pack", test_pack }, { "winograd_in", test_winograd_in }, { "winograd_out", test_winograd_out },
	};

	return test_kernels(test, sizeof test / sizeof *test);
}
