/* Half precision and the other types widen and round as numpy's do: all 65,536 halves, and floats around every rounding. */
#include <math.h>
#include <string.h>
#include "common/dtype.h"
#include "tests/stream/check.h"

static const char script[] = "/usr/bin/python3 -c \"\n"
	"import sys, numpy as np\n"
	"np.seterr(all='ignore')\n"
	"h = np.arange(65536).astype('<u2').view('<f2').astype('<f4')\n"
	"r = np.random.default_rng(3).integers(0, 2**32, 200000, dtype=np.uint32).view('<f4')\n"
	"near = h[np.isfinite(h)]\n"
	"mid = ((near[:-1].astype('f8') + near[1:]) / 2).astype('<f4')\n"
	"f = np.concatenate([h, near * np.float32(1 + 2**-20), near * np.float32(1 - 2**-20), mid,\n"
	"                    np.nextafter(mid, np.float32(np.inf)),\n"
	"                    np.nextafter(mid, np.float32(-np.inf)), r]).astype('<f4')\n"
	"o = sys.stdout.buffer\n"
	"o.write(h.tobytes() + np.array([f.size], '<u4').tobytes() + f.tobytes() + f.astype('<f2').tobytes())\n"
	"\"";

static void get(FILE *p, void *to, size_t size, size_t n) { CHECK(fread(to, size, n, p) == n, "numpy gave too little"); }

static void halves(void)
{
	FILE *p = popen(script, "r");
	static float h[65536];
	uint32_t n;
	float *f;
	uint16_t *want;

	CHECK(p, "no python3");
	get(p, h, 4, 65536);
	for (uint32_t i = 0; i < 65536; i++) {
		float x = half_to_float((uint16_t)i);
		CHECK(isnan(h[i]) ? isnan(x) : !memcmp(&x, &h[i], 4), "half 0x%04x is %a, numpy says %a", i, (double)x,
		    (double)h[i]);
	}
	get(p, &n, 4, 1);
	f = malloc(n * sizeof *f);
	want = malloc(n * sizeof *want);
	get(p, f, sizeof *f, n);
	get(p, want, sizeof *want, n);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t x = half_from_float(f[i]);
		bool nan = isnan(f[i]) && isnan(half_to_float(x));
		CHECK(nan || x == want[i], "%a rounds to 0x%04x, numpy says 0x%04x", (double)f[i], x, want[i]);
	}
	CHECK(pclose(p) == 0, "python3 failed");
	free(f);
	free(want);
}

static void widen(void)
{
	static const struct { enum dtype t; unsigned char bytes[8]; double value; } c[] = {
		{ DT_F4, { 0, 0, 0xc0, 0xbf }, -1.5 }, { DT_F2, { 0, 0xbe }, -1.5 }, { DT_U1, { 200 }, 200 },
		{ DT_I1, { 200 }, -56 },
		{ DT_U2, { 1, 0x80 }, 32769 }, { DT_I2, { 1, 0x80 }, -32767 }, { DT_U4, { 0, 0, 0, 0x80 }, 0x1p31 },
		{ DT_I4, { 0, 0, 0, 0x80 }, -0x1p31 },
		{ DT_U8, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 0x1p63 }, { DT_I8, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, -0x1p63 },
		{ DT_F8, { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, -1.5 }, { DT_BOOL, { 1 }, 1 }, { DT_BF2, { 0xc0, 0xbf }, -1.5 },
	};

	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		unsigned char odd[17];                  /* sources need not be aligned */
		float f[2];
		memcpy(odd + 1, c[i].bytes, 8);
		memcpy(odd + 1 + dtype_size(c[i].t), c[i].bytes, dtype_size(c[i].t));
		dtype_to_float(f, odd + 1, c[i].t, 2);
		CHECK(f[0] == (float)c[i].value && f[1] == f[0], "%s: %g, not %g", dtype_name(c[i].t), (double)f[0], c[i].value);
		CHECK(dtype_parse(dtype_name(c[i].t)) == c[i].t, "%s", dtype_name(c[i].t));
	}
	CHECK(dtype_parse("") == DT_NONE && dtype_parse("<f16") == DT_NONE && !dtype_streams(DT_F8) && dtype_streams(DT_I4),
	    "names");
}

static void sizes(void)
{
	size_t n;

	CHECK(size_of_block(&n, DT_F4, 8, 600, 512, 512) && n == 8ull * 600 * 512 * 512 * 4, "%zu", n);
	CHECK(!size_of_block(&n, DT_F4, 1, 1ll << 31, 1ll << 31, 1ll << 31), "2^93 values");
	CHECK(!size_of_block(&n, DT_F4, 1, 1ll << 20, 1ll << 20, 1ll << 21), "2^63 bytes");
	CHECK(!size_of_block(&n, DT_F4, 1, -1, -1, 1), "negative lengths");
}

int main(void)
{
	halves();
	widen();
	sizes();
	return 0;
}
