/* mpk_scan() finds the same objects as msgpack-c, and stops at its limits before anything is allocated. */
#include <math.h>
#include <string.h>
#include "common/mpk.h"
#include "tests/stream/check.h"

static uint64_t state = 7;

static unsigned pick(unsigned n) { return (unsigned)(check_random(&state) % n); }

/* A random object, nested at most depth deep. */
static void pack_random(msgpack_packer *p, int depth)
{
	static const char bytes[70000];
	static const unsigned sizes[] = { 0, 1, 31, 32, 255, 256, 300, 65535, 65536 };
	unsigned n = sizes[pick(pick(8) ? 4 : 9)];

	switch (pick(depth > 0 ? 10 : 8)) {
	case 0: msgpack_pack_nil(p); break;
	case 1: pick(2) ? msgpack_pack_true(p) : msgpack_pack_false(p); break;
	case 2: msgpack_pack_uint64(p, check_random(&state) >> pick(60)); break;
	case 3: msgpack_pack_int64(p, -(int64_t)(check_random(&state) >> pick(48))); break;
	case 4: pick(2) ? msgpack_pack_float(p, 1.5f) : msgpack_pack_double(p, 1e300); break;
	case 5: msgpack_pack_str(p, n); msgpack_pack_str_body(p, bytes, n); break;
	case 6: msgpack_pack_bin(p, n); msgpack_pack_bin_body(p, bytes, n); break;
	case 7: n = pick(2) ? n : 1u << pick(5); msgpack_pack_ext(p, n, 5); msgpack_pack_ext_body(p, bytes, n); break;
	case 8:
		n = pick(20);
		msgpack_pack_array(p, n);
		while (n--)
			pack_random(p, depth - 1);
		break;
	case 9:
		n = pick(20);
		msgpack_pack_map(p, n);
		for (n *= 2; n; n--)
			pack_random(p, depth - 1);
		break;
	}
}

static void same_as_msgpack(const unsigned char *buf, size_t n)
{
	struct mpk_scan s = {0};
	const char *why = "";
	enum mpk_found r = mpk_scan(&s, buf, n, &why);
	msgpack_unpacked u;
	size_t off = 0;
	msgpack_unpack_return m;

	if (r == MPK_BAD && strcmp(why, "it is not msgpack"))
		return;                                 /* over a limit, which msgpack-c does not have */
	msgpack_unpacked_init(&u);
	m = msgpack_unpack_next(&u, (const char *)buf, n, &off);
	if (r == MPK_WHOLE)
		CHECK((m == MSGPACK_UNPACK_SUCCESS || m == MSGPACK_UNPACK_EXTRA_BYTES) && off == s.at, "%d, %zu and %zu bytes", m,
		    off, s.at);
	else
		CHECK(m == (r == MPK_SHORT ? MSGPACK_UNPACK_CONTINUE : MSGPACK_UNPACK_PARSE_ERROR), "scan %d, msgpack %d", r, m);
	msgpack_unpacked_destroy(&u);
}

static void objects(void)
{
	for (int i = 0; i < 3000; i++) {
		struct mpk_scan s = {0}, piecewise = {0};
		const char *why = "";
		msgpack_sbuffer b;
		msgpack_packer p;
		size_t n, step;

		msgpack_sbuffer_init(&b);
		msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
		pack_random(&p, 3);
		n = b.size;
		msgpack_sbuffer_write(&b, "\xc1\xc1", 2);   /* what follows does not matter */
		CHECK(mpk_scan(&s, b.data, b.size, &why) == MPK_WHOLE && s.at == n, "%s: %zu of %zu", why, s.at, n);
		same_as_msgpack((unsigned char *)b.data, b.size);
		step = n / 50 + 1;
		for (size_t k = 0; k < n; k += step) {
			enum mpk_found r = mpk_scan(&piecewise, b.data, k, &why);
			CHECK(r == MPK_SHORT, "%zu of %zu bytes: %d", k, n, r);
		}
		CHECK(mpk_scan(&piecewise, b.data, n, &why) == MPK_WHOLE && piecewise.at == n, "%zu of %zu", piecewise.at, n);
		msgpack_sbuffer_destroy(&b);
	}
}

static void bytes(void)
{
	unsigned char buf[24];

	for (int i = 0; i < 200000; i++) {
		for (size_t k = 0; k < sizeof buf; k++)
			buf[k] = (unsigned char)(pick(3) ? pick(256) : 0x80 + pick(128));
		same_as_msgpack(buf, 1 + pick(sizeof buf));
	}
}

static enum mpk_found scan(const void *p, size_t n, const char **why)
{
	struct mpk_scan s = {0};

	*why = "";
	return mpk_scan(&s, p, n, why);
}

static void limits(void)
{
	unsigned char deep[MPK_DEPTH + 3], *many = calloc(MPK_OBJECTS + 8, 1);
	unsigned char array[] = { 0xdd, 0xff, 0xff, 0xff, 0xff }, text[] = { 0xdb, 0x01, 0x00, 0x00, 0x01 };
	unsigned char maps[] = { 0x91, 0xdf, 0x00, 0x01, 0x00, 0x00 };
	const char *why;

	memset(deep, 0x91, sizeof deep);
	deep[MPK_DEPTH] = 0xc0;
	CHECK(scan(deep, sizeof deep, &why) == MPK_WHOLE, "%s", why);
	deep[MPK_DEPTH] = 0x91;
	CHECK(scan(deep, sizeof deep, &why) == MPK_BAD && strstr(why, "deep"), "%s", why);
	CHECK(scan(array, sizeof array, &why) == MPK_BAD && strstr(why, "entries"), "%s", why);
	CHECK(scan(maps, sizeof maps, &why) == MPK_BAD && strstr(why, "entries"), "%s", why);
	CHECK(scan(text, sizeof text, &why) == MPK_BAD && strstr(why, "long"), "%s", why);
	text[4] = 0;
	CHECK(scan(text, sizeof text, &why) == MPK_BAD && strstr(why, "long"), "%s", why);   /* with its head it is over */
	CHECK(scan("\xc1", 1, &why) == MPK_BAD && strstr(why, "not msgpack"), "%s", why);
	many[0] = 0xdd;
	many[1] = (unsigned char)((MPK_OBJECTS - 1) >> 24), many[2] = (unsigned char)((MPK_OBJECTS - 1) >> 16);
	many[3] = (unsigned char)((MPK_OBJECTS - 1) >> 8), many[4] = (unsigned char)(MPK_OBJECTS - 1);
	CHECK(scan(many, MPK_OBJECTS + 4, &why) == MPK_WHOLE, "%s", why);
	CHECK(scan(many, MPK_OBJECTS + 3, &why) == MPK_SHORT, "%s", why);
	many[5] = 0x91;
	CHECK(scan(many, MPK_OBJECTS + 5, &why) == MPK_BAD, "one object more");
	free(many);
}

static void trees(void)
{
	msgpack_zone *z = msgpack_zone_new(1024);
	msgpack_object m = mpk_map(), a = mpk_array(), copy, nul;
	int64_t three[3];
	double reals[2];

	for (int i = 0; i < 100; i++)
		mpk_append(z, &a, mpk_int(i));
	for (int i = 0; i < 100; i++)
		CHECK(a.via.array.ptr[i].via.u64 == (uint64_t)i, "%d", i);
	mpk_put(z, &m, "a", a);
	mpk_put(z, &m, "nan", mpk_real(NAN));
	mpk_put(z, &m, "text", mpk_str(z, "t"));
	mpk_put(z, &m, "n", mpk_int(-5));
	mpk_put(z, &m, "n", mpk_int(-6));
	CHECK(m.via.map.size == 4 && mpk_get_int(&m, "n", 0) == -6 && mpk_get_real(&m, "n", 0) == -6, "%u", m.via.map.size);
	CHECK(!mpk_get(&m, "tex") && !mpk_get(&m, "textt") && !mpk_get(NULL, "a") && !mpk_get_map(&m, "a") &&
	    mpk_get_array(&m, "a"), "look-ups");
	copy = mpk_copy(z, m);
	CHECK(mpk_equal(&copy, &m) && !mpk_equal(&copy, NULL) && mpk_equal(NULL, NULL), "a copy with NaN equals itself");
	mpk_remove(&copy, "nan");
	CHECK(!mpk_equal(&copy, &m) && copy.via.map.size == 3 && !mpk_get(&copy, "nan") && mpk_get(&copy, "n"), "%u",
	    copy.via.map.size);
	mpk_put(z, &m, "three", mpk_ints(z, (int64_t[]){ 1, 2, 3 }, 3));
	CHECK(mpk_get_ints(&m, "three", three, 3) && three[2] == 3 && !mpk_get_ints(&m, "three", three, 2) &&
	    !mpk_get_reals(&m, "a", reals, 2), "arrays");
	nul = mpk_str(z, "ab");
	((char *)(uintptr_t)nul.via.str.ptr)[1] = 0;
	CHECK(!mpk_as_str(&nul) && !mpk_as_str(&a), "a text that holds a zero byte is none");
	msgpack_zone_free(z);
}

int main(void)
{
	objects();
	bytes();
	limits();
	trees();
	return 0;
}
