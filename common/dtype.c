#include <string.h>
#include "common/dtype.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "payloads are little-endian and used in place");

static const struct { const char *name; size_t size; } table[] = {
	[DT_NONE] = { "", 0 }, [DT_F4] = { "<f4", 4 }, [DT_F2] = { "<f2", 2 }, [DT_U1] = { "|u1", 1 }, [DT_U2] = { "<u2", 2 },
	[DT_I2] = { "<i2", 2 }, [DT_I4] = { "<i4", 4 }, [DT_F8] = { "<f8", 8 }, [DT_I8] = { "<i8", 8 }, [DT_I1] = { "|i1", 1 },
	[DT_U4] = { "<u4", 4 }, [DT_U8] = { "<u8", 8 }, [DT_BOOL] = { "|b1", 1 }, [DT_BF2] = { "<V2", 2 },
};

size_t dtype_size(enum dtype t) { return table[t].size; }
const char *dtype_name(enum dtype t) { return table[t].name; }
bool dtype_streams(enum dtype t) { return t >= DT_F4 && t <= DT_I4; }

enum dtype dtype_parse(const char *name)
{
	for (size_t i = 1; i < sizeof table / sizeof *table; i++)
		if (!strcmp(table[i].name, name))
			return (enum dtype)i;
	return DT_NONE;
}

bool size_mul(size_t *out, int64_t a, int64_t b)
{
	return a >= 0 && b >= 0 && !__builtin_mul_overflow((size_t)a, (size_t)b, out) && *out <= (size_t)INT64_MAX;
}

bool size_of_block(size_t *out, enum dtype t, int64_t channels, int64_t z, int64_t y, int64_t x)
{
	size_t n;

	return size_mul(&n, channels, z) && size_mul(&n, (int64_t)n, y) && size_mul(&n, (int64_t)n, x) &&
	       size_mul(out, (int64_t)n, (int64_t)dtype_size(t));
}

uint16_t half_from_float(float x)
{
	uint32_t u, sign, mag;

	memcpy(&u, &x, 4);
	sign = u >> 16 & 0x8000;
	mag = u & 0x7fffffff;
	if (mag > 0x7f800000)                           /* NaN stays NaN */
		return (uint16_t)(sign | 0x7e00);
	if (mag >= 0x477ff000)                          /* 65520 and more round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (mag < 0x38800000) {                         /* below 2^-14: multiples of 2^-24, rounded by the adder */
		float f;
		memcpy(&f, &mag, 4);
		f += 0.5f;                              /* ulp of 0.5 is 2^-24 */
		memcpy(&mag, &f, 4);
		return (uint16_t)(sign | (mag - 0x3f000000));
	}
	mag += 0xfff + (mag >> 13 & 1);                 /* nearest, ties to even */
	return (uint16_t)(sign | (mag - 0x38000000) >> 13);
}

float half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff, u;
	float f;

	if (e == 0) {
		f = (float)m * 0x1p-24f;
		return sign ? -f : f;
	}
	u = sign | (e == 31 ? 0x7f800000 : (e + 112) << 23) | m << 13;
	memcpy(&f, &u, 4);
	return f;
}

void bytes_swap(void *data, size_t size, size_t n)
{
	unsigned char *p = data;

	for (; n; n--, p += size)
		for (size_t i = 0; i < size / 2; i++) {
			unsigned char t = p[i];
			p[i] = p[size - 1 - i];
			p[size - 1 - i] = t;
		}
}

float half_round(float x) { return half_to_float(half_from_float(x)); }

#define WIDEN(T) do { for (size_t i = 0; i < n; i++) { T v; memcpy(&v, (const char *)src + i * sizeof v, sizeof v); dst[i] = (float)v; } } while (0)

void dtype_to_float(float *dst, const void *src, enum dtype t, size_t n)
{
	switch (t) {
	case DT_F4: memcpy(dst, src, n * 4); break;
	case DT_F8: WIDEN(double); break;
	case DT_U1: case DT_BOOL: WIDEN(uint8_t); break;
	case DT_I1: WIDEN(int8_t); break;
	case DT_U2: WIDEN(uint16_t); break;
	case DT_I2: WIDEN(int16_t); break;
	case DT_U4: WIDEN(uint32_t); break;
	case DT_I4: WIDEN(int32_t); break;
	case DT_U8: WIDEN(uint64_t); break;
	case DT_I8: WIDEN(int64_t); break;
	case DT_F2:
		for (size_t i = 0; i < n; i++) {
			uint16_t h;
			memcpy(&h, (const char *)src + 2 * i, 2);
			dst[i] = half_to_float(h);
		}
		break;
	case DT_BF2:
		for (size_t i = 0; i < n; i++) {
			uint16_t h;
			uint32_t u;
			memcpy(&h, (const char *)src + 2 * i, 2);
			u = (uint32_t)h << 16;
			memcpy(&dst[i], &u, 4);
		}
		break;
	case DT_NONE: break;
	}
}
