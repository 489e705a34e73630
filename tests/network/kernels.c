/* Matrix product, staging of rows and Winograd's transforms of the fast CPU engine, each by itself against its formula in double, at
 * every instruction set of this machine: all remainders, images smaller than a kernel, huge, tiny and denormal values,
 * infinities and NaN. */
#include "tests/network/kernels.h"

/* deep: more weights than a second-level cache holds. */
static void gemm(int pixels, int blocks, bool planes, bool deep)
{
	enum { SEGMENTS = 12, MANY = 1 << 17 };
	enum kind kind = (enum kind)pick(KINDS);
	int lanes = k->lanes, step = planes ? 1 : lanes, n[SEGMENTS];
	float *x[SEGMENTS];
	struct product m = { .pixels = pixels, .blocks = blocks, .n = n, .planes = planes,
	                     .n_segments = deep ? SEGMENTS : 1 + pick(planes ? SEGMENTS : 5), .add = pick(2),
	                     .out_step = (size_t)(lanes * (1 + pick(3))), .offset = (size_t)(pick(3) * step) };
	size_t width = (size_t)(blocks * lanes), size;
	float *out, *old, *bias = values(width, kind), *w;
	char where[80];

	m.block_step = (size_t)(pixels + pick(3)) * m.out_step;
	size = m.block_step * (size_t)blocks;
	out = values(size, kind);
	old = copied(out, size);
	for (int s = 0; s < m.n_segments; s++) {
		n[s] = planes ? 1 : 1 + pick(lanes) + (deep ? MANY / SEGMENTS / (int)width : 0);
		m.depth += n[s];
		x[s] = values(m.offset + (size_t)(pixels * step + n[s]), kind);
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
		for (size_t i = (size_t)b * m.block_step; i < (size_t)(b + 1) * m.block_step; i++) {
			int p = (int)((i - (size_t)b * m.block_step) / m.out_step), o = (int)(i % m.out_step);
			const float *weight = w + b * lanes + o;
			struct sum sum = {0};
			if (p >= pixels || o >= lanes) {
				check_same(out + i, old + i, 1, where);
				continue;
			}
			add(&sum, m.add ? (double)old[i] : m.bias ? (double)bias[b * lanes + o] : 0);
			for (int s = 0; s < m.n_segments; s++)
				for (int c = 0; c < n[s]; c++, weight += width)
					add(&sum, (double)x[s][m.offset + (size_t)(p * step + c)] * (double)*weight);
			check_sum(out[i], &sum, where);
		}
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
			gemm(pixels, blocks, false, false);
			gemm(pixels, blocks, true, false);
		}
	gemm(128, 2, false, false);
	gemm(299, 1, false, false);
	gemm(300, 2, true, false);
	for (int i = 0; i < KINDS; i++)
		gemm(25, 1 + i % 2, false, true);
}

/* leaky(x * scale + shift) of channel c: a sum of two and its bound. */
static void check_normed(float got, float x, const struct norm *n, int c, const char *where)
{
	struct sum sum = {0};

	if (!n->scale) {
		check((double)got, (double)x, 0, where);
		return;
	}
	add(&sum, (double)x * (double)n->scale[c]);
	add(&sum, (double)n->shift[c]);
	if (!(sum.exact > 0)) {
		sum.exact *= (double)n->slope;
		sum.size *= (double)n->slope;
		sum.n++;
	}
	check_sum(got, &sum, where);
}

static void test_stage(void)
{
	bool wide = strstr(set_name, "v4") != NULL;

	for (int round = 0; round < 3000; round++) {
		int which = pick(3), L = k->lanes, lanes = which == 0 ? 1 : which == 1 && wide ? 24 - L : L, step = lanes == 1 ? 1 : L;
		int X = 1 + pick(20), stride = 1 + pick(3), pad = pick(3), width = 1 + pick(24), most = lanes < L ? lanes : L;
		enum kind kind = (enum kind)pick(KINDS);
		size_t part = (size_t)((width + pick(2)) * step);
		float *row = values((size_t)(X * lanes), kind), *scale = values((size_t)L, factor(kind)), *shift = values((size_t)L, kind);
		float *to = values(part * (size_t)stride, ORDINARY), *old = copied(to, part * (size_t)stride);
		struct norm n = { lanes == 1 || pick(2) ? NULL : scale, shift, pick(2) ? 0.01f : 1 };
		bool empty = pick(8) == 0;
		char where[80];
		snprintf(where, sizeof where, "stage: X %d, stride %d, pad %d, width %d, lanes %d", X, stride, pad, width, lanes);
		k->stage(to, part, empty ? NULL : row, lanes, X, stride, pad, width, &n);
		for (int q = 0; q < stride; q++) {
			const float *got = to + (size_t)q * part;
			for (int i = 0; i < width; i++)
				for (int c = 0; c < most; c++) {
					int x = i * stride + q - pad;
					if (empty || x < 0 || x >= X)
						check((double)got[i * step + c], 0, 0, where);
					else
						check_normed(got[i * step + c], row[x * lanes + c], &n, c, where);
				}
			check_same(got + width * step, old + (size_t)q * part + width * step, part - (size_t)(width * step), where);
		}
		free(old);
		free(to);
		free(shift);
		free(scale);
		free(row);
	}
}

/* B' and A' of F(4x4,3x3) and F(2x2,3x3). */
static const double B4[36] = { 4, 0, -5, 0, 1, 0,  0, -4, -4, 1, 1, 0,  0, 4, -4, -1, 1, 0,
                               0, -2, -1, 2, 1, 0,  0, 2, -1, -2, 1, 0,  0, 4, 0, -5, 0, 1 };
static const double B2[16] = { 1, 0, -1, 0,  0, 1, 1, 0,  0, -1, 1, 0,  0, 1, 0, -1 };
static const double A4[24] = { 1, 1, 1, 1, 1, 0,  0, 1, -1, 2, -2, 0,  0, 1, 1, 4, 4, 0,  0, 1, -1, 8, -8, 1 };
static const double A2[8] = { 1, 1, 1, 0,  0, 1, -1, -1 };

/* out = T d T' for T [rows][n], d [n][n]: each element is a sum, its terms those of the two-fold sum; size [n][n]: how large
 * the terms of d were. */
static void transform(struct sum *out, const double *T, int rows, int n, const double *d, const double *size)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < rows; j++) {
			struct sum *s = &out[i * rows + j];
			*s = (struct sum){0};
			for (int a = 0; a < n; a++)
				for (int b = 0; b < n; b++) {
					double t = T[i * n + a] * T[j * n + b];
					if (t == 0)
						continue;
					add(s, t * d[a * n + b]);
					s->size += fabs(t) * (size[a * n + b] - fabs(d[a * n + b]));
				}
			s->n += 2;
		}
}

/* An image of Y x X and a run of its tiles of M x M. */
struct tiles { int M, Y, X, columns, all, first, n; size_t step, points; char where[80]; };

static struct tiles random_tiles(int Y, int X)
{
	struct tiles t = { .M = pick(2) ? 4 : 2, .Y = Y, .X = X };

	t.points = (size_t)((t.M + 2) * (t.M + 2));
	t.columns = (X + t.M - 1) / t.M;
	t.all = t.columns * ((Y + t.M - 1) / t.M);
	t.first = pick(t.all);
	t.n = 1 + pick(t.all - t.first);
	t.step = (size_t)((t.n + pick(2)) * k->lanes);
	snprintf(t.where, sizeof t.where, "%d x %d, M %d, tiles %d to %d", Y, X, t.M, t.first, t.first + t.n - 1);
	return t;
}

/* Element i of lane o of the input of a tile, normed, and how large what it was made of was. */
static double tile_input(double *size, const float *plane, const struct tiles *t, const struct norm *n, int tile, int i, int o)
{
	int N = t->M + 2, y = tile / t->columns * t->M - 1 + i / N, x = tile % t->columns * t->M - 1 + i % N;
	double v, product;

	*size = 0;
	if (y < 0 || y >= t->Y || x < 0 || x >= t->X)
		return 0;
	v = (double)plane[(y * t->X + x) * k->lanes + o];
	*size = fabs(v);
	if (!n->scale)
		return v;
	product = v * (double)n->scale[o];
	v = product + (double)n->shift[o];
	*size = 2 * (fabs(product) + fabs((double)n->shift[o]));
	return v > 0 ? v : v * (double)n->slope;
}

static void winograd_in(int Y, int X)
{
	struct tiles t = random_tiles(Y, X);
	enum kind kind = (enum kind)pick(KINDS);
	size_t lanes = (size_t)k->lanes, used = (size_t)t.n * lanes;
	float *plane = values((size_t)(Y * X) * lanes, kind), *v = values(t.points * t.step, ORDINARY);
	float *old = copied(v, t.points * t.step), *scale = values(lanes, ORDINARY), *shift = values(lanes, ORDINARY);
	struct norm n = { pick(2) ? scale : NULL, shift, 0.01f };
	double d[36], size[36];
	struct sum sum[36];

	k->winograd_in(t.M, v, t.step, plane, Y, X, t.first, t.n, &n);
	for (int tile = 0; tile < t.n; tile++)
		for (int o = 0; o < k->lanes; o++) {
			for (int i = 0; i < (int)t.points; i++)
				d[i] = tile_input(&size[i], plane, &t, &n, t.first + tile, i, o);
			transform(sum, t.M == 4 ? B4 : B2, t.M + 2, t.M + 2, d, size);
			for (size_t i = 0; i < t.points; i++)
				check_sum(v[i * t.step + (size_t)tile * lanes + (size_t)o], &sum[i], t.where);
		}
	for (size_t i = 0; i < t.points; i++)
		check_same(v + i * t.step + used, old + i * t.step + used, t.step - used, t.where);
	free(shift);
	free(scale);
	free(old);
	free(v);
	free(plane);
}

/* Mean and squared deviations of lane o of the tiles, which are as exact as sums in float about a centre. */
static void check_moments(const double *moments, int n, const float *plane, const struct tiles *t, int o)
{
	double mean = 0, square = 0, largest = 0;
	int pixels = 0;

	for (int pass = 0; pass < 2; pass++)
		for (int y = 0; y < t->Y; y++)
			for (int x = 0; x < t->X; x++) {
				int tile = y / t->M * t->columns + x / t->M;
				double v = (double)plane[(y * t->X + x) * k->lanes + o];
				if (tile < t->first || tile >= t->first + t->n)
					continue;
				largest = fmax(largest, fabs(v));
				pixels += pass == 0;
				mean += pass == 0 ? v : 0;
				square += pass == 0 ? 0 : (v - mean / pixels) * (v - mean / pixels);
			}
	mean /= pixels;
	if (n != pixels)
		wrong_value(n, pixels, 0, t->where);
	if (!isfinite(mean)) {
		if (isfinite(moments[o]) || isfinite(moments[k->lanes + o]))
			wrong_value(moments[o], mean, 0, t->where);
		return;
	}
	check(moments[o], mean, 0x1p-18 * largest + LEAST, t->where);
	check(moments[k->lanes + o], square, 0x1p-14 * pixels * largest * largest + LEAST, t->where);
}

static void winograd_out(int Y, int X)
{
	struct tiles t = random_tiles(Y, X);
	enum kind kind = (enum kind)pick(KINDS);
	int L = k->lanes, M = t.M, n;
	size_t area = (size_t)(Y * X * L);
	float *plane = values(area, ORDINARY), *old = copied(plane, area), *m = values(t.points * t.step, kind);
	float *bias = values((size_t)L, kind), *given = pick(2) ? bias : NULL;
	double moments[2 * MAX_LANES], d[36], size[36], *measured = pick(2) ? moments : NULL;
	struct sum sum[16];

	n = k->winograd_out(M, plane, m, t.step, Y, X, t.first, t.n, given, measured);
	for (int tile = 0; tile < t.all; tile++)
		for (int o = 0; o < L; o++) {
			bool in = tile >= t.first && tile < t.first + t.n;
			for (size_t i = 0; i < t.points && in; i++) {
				d[i] = (double)m[i * t.step + (size_t)((tile - t.first) * L + o)];
				size[i] = fabs(d[i]);
			}
			if (in)
				transform(sum, M == 4 ? A4 : A2, M, M + 2, d, size);
			for (int i = 0; i < M * M; i++) {
				int y = tile / t.columns * M + i / M, x = tile % t.columns * M + i % M, at = (y * X + x) * L + o;
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
	for (int o = 0; o < L && measured; o++)
		check_moments(moments, n, plane, &t, o);
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
		{ "gemm", test_gemm }, { "stage", test_stage }, { "winograd_in", test_winograd_in }, { "winograd_out", test_winograd_out },
	};

	return test_kernels(test, sizeof test / sizeof *test);
}
