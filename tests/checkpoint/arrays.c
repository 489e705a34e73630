/* .npy and .npz files and nnU-Net's property files: read as numpy and pickle wrote them, written so that numpy opens them. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/npz.h"
#include "common/opt.h"
#include "common/properties.h"

static const char *const types[] = { "<f4", "<f2", "|u1", "<u2", "<i2", "<i4", "<f8", "<i8", "|i1", "<u4", "<u8", "|b1" };
enum { TYPES = sizeof types / sizeof *types };
static const struct { int n; int64_t dim[8]; } shapes[] = {
	{ 0, { 0 } }, { 1, { 5 } }, { 2, { 0, 3 } }, { 3, { 2, 3, 4 } }, { 8, { 1, 1, 1, 1, 1, 1, 1, 2 } }
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void require(bool ok, const char *what)
{
	if (!ok)
		die(XNO, "%s", what);
}

static void script(const char *verb)
{
	char *command = xasprintf("exec /usr/bin/python3 '%s/checkpoint/arrays.py' %s", getenv("TESTS"), verb);

	require(system(command) == 0, command);
	free(command);
}

/* Values 0, 1, 2 ... (of bool: 0, 1, 0, 1 ...) in the shape that the file's name says. */
static void is_ramp(const struct npy *a, int type, int shape, const char *path)
{
	size_t n = 1;
	float *v;

	require(a->type == dtype_parse(types[type]) && a->n_dims == shapes[shape].n, path);
	for (int d = 0; d < a->n_dims; d++) {
		require(a->dim[d] == shapes[shape].dim[d], path);
		n *= (size_t)a->dim[d];
	}
	v = xcalloc(n, sizeof *v);
	dtype_to_float(v, a->data, a->type, n);
	for (size_t i = 0; i < n; i++)
		if (v[i] != (float)(a->type == DT_BOOL ? i % 2 : i))
			die(XNO, "%s: element %zu is %g", path, i, (double)v[i]);
	free(v);
}

static void write_out(char *path, const struct npy *a, bool zip)
{
	struct outfile f;

	if (!outfile_open(&f, path) || !(zip ? npz_write(&f, "probabilities", a) : npy_write(&f, a)) || !outfile_commit(&f))
		die_failed();
}

static void round_trip(int type, int shape)
{
	char *in_npy = xasprintf("in-%d-%d.npy", type, shape), *in_npz = xasprintf("in-%d-%d.npz", type, shape);
	char *out_npy = xasprintf("out-%d-%d.npy", type, shape), *out_npz = xasprintf("out-%d-%d.npz", type, shape);
	struct npy a, b;

	if (!npy_read(&a, in_npy) || !npz_read(&b, in_npz, "probabilities"))
		die_failed();
	is_ramp(&a, type, shape, in_npy);
	is_ramp(&b, type, shape, in_npz);
	write_out(out_npy, &a, false);
	write_out(out_npz, &a, true);
	npy_free(&a);
	npy_free(&b);
	if (!npy_read(&a, out_npy) || !npz_read(&b, out_npz, "probabilities"))
		die_failed();
	is_ramp(&a, type, shape, out_npy);
	is_ramp(&b, type, shape, out_npz);
	npy_free(&a);
	npy_free(&b);
	free(in_npy);
	free(in_npz);
	free(out_npy);
	free(out_npz);
}

static void refused(bool ok, const char *path, const char *cause)
{
	if (ok || failed_code() != XDATA || !strstr(failed_text(), path) || !strstr(failed_text(), cause))
		die(XNO, "%s: expected '%s', got '%s'", path, cause, ok ? "success" : failed_text());
}

static void refused_array(const char *path, const char *cause)
{
	struct npy a = { 0 };

	refused(npy_read(&a, path), path, cause);
	require(!a.data, path);
}

/* Equal data, equal bytes: whatever the time and the zone. */
static void same_bytes(const struct npy *a)
{
	char *bytes[2];
	size_t n[2];

	setenv("TZ", "UTC-5", 1);
	write_out("one.npz", a, true);
	sleep(2);
	setenv("TZ", "UTC+7", 1);
	write_out("two.npz", a, true);
	if (!io_slurp("one.npz", 1 << 20, &bytes[0], &n[0]) || !io_slurp("two.npz", 1 << 20, &bytes[1], &n[1]))
		die_failed();
	require(n[0] == n[1] && !memcmp(bytes[0], bytes[1], n[0]), "equal arrays give unequal archives");
	free(bytes[0]);
	free(bytes[1]);
}

static void arrays(void)
{
	static const char *const any[] = { "probabilities", "softmax", NULL };
	struct npy a;

	for (int t = 0; t < TYPES; t++)
		for (int s = 0; s < SHAPES; s++)
			round_trip(t, s);
	for (int v = 1; v <= 3; v++) {
		char *path = xasprintf("version-%d.npy", v);
		if (!npy_read(&a, path))
			die_failed();
		is_ramp(&a, 0, 3, path);
		npy_free(&a);
		free(path);
	}
	if (!npz_read_any(&a, "softmax.npz", any))
		die_failed();
	is_ramp(&a, 0, 3, "softmax.npz");
	same_bytes(&a);
	npy_free(&a);
	refused_array("fortran.npy", "Fortran order");
	refused_array("big.npy", "big-endian");
	refused_array("object.npy", "Python objects");
	refused_array("structured.npy", "structured");
	refused_array("complex.npy", "not known");
	refused(npz_read(&a, "softmax.npz", "probabilities"), "softmax.npz", "no array probabilities");
	refused(npz_read(&a, "version-1.npy", "probabilities"), "version-1.npy", "zip archive");
	memory_limit = 1 << 20;                         /* 4 MiB in a file of some KiB */
	refused(npz_read(&a, "large.npz", "probabilities"), "large.npz", "--memory");
	memory_limit = (size_t)1 << 32;
	require(npz_read(&a, "large.npz", "probabilities"), "large.npz");
	npy_free(&a);
	require(!npy_read(&a, "not-there.npy") && failed_code() == XIO, "a missing .npy is XIO");
	require(!npz_read(&a, "not-there.npz", "a") && failed_code() == XIO, "a missing .npz is XIO");
}

static void read_properties(struct properties *p, const char *name, int protocol)
{
	char *path = xasprintf("%s-%d.pkl", name, protocol);

	if (!pkl_properties(p, path))
		die_failed();
	free(path);
}

static void refused_properties(const char *name, int protocol, const char *cause)
{
	char *path = xasprintf("%s-%d.pkl", name, protocol);
	struct properties p;

	refused(pkl_properties(&p, path), path, cause);
	free(path);
}

static void is_crop(const struct properties *p)
{
	static const int64_t shape[3] = { 3, 20, 30 }, box[3][2] = { { 0, 3 }, { 2, 19 }, { 5, 30 } };

	require(p->has_crop && !memcmp(p->shape_before_cropping, shape, sizeof shape), "shape before cropping");
	require(!memcmp(p->bbox, box, sizeof box), "crop box");
	require(p->spacing[0] == 10 && p->spacing[1] == 1.25 && p->spacing[2] == 1, "spacing");
}

static void properties(int protocol)
{
	static const double spacing[3] = { 1, 1.25, 10 }, origin[3] = { -3.5, 2, 0 };
	static const double direction[9] = { 1, 0, 0, 0, 0, -1, 0, 1, 0 };
	static const double affine[16] = { -1.5, 0, 0, 7, 0, 2.5, 0.25, 8, 0, 0, 3.5, 9, 0, 0, 0, 1 };
	struct properties p;

	read_properties(&p, "sitk", protocol);
	is_crop(&p);
	require(p.sitk_dims == 3 && !p.has_affine && !memcmp(p.sitk_spacing, spacing, sizeof spacing) &&
	        !memcmp(p.sitk_origin, origin, sizeof origin), "sitk_stuff");
	require(!memcmp(p.sitk_direction, direction, sizeof direction), "direction");
	read_properties(&p, "nibabel", protocol);
	is_crop(&p);
	require(!p.sitk_dims && p.has_affine && !memcmp(p.affine, affine, sizeof affine), "nibabel_stuff");
	read_properties(&p, "fortran", protocol);
	is_crop(&p);
	require(p.has_affine && !memcmp(p.affine, affine, sizeof affine), "an affine in Fortran order");
	read_properties(&p, "picture", protocol);
	require(!p.has_crop && !p.sitk_dims && !p.has_affine && p.spacing[0] == 999, "a picture's properties");
	read_properties(&p, "flat", protocol);
	require(p.sitk_dims == 2 && p.sitk_origin[1] == 4 && p.sitk_direction[1] == 1, "two axes");
	refused_properties("no-spacing", protocol, "no spacing");
	refused_properties("outside", protocol, "reaches outside");
	refused_properties("code", protocol, protocol == 2 ? "__builtin__.print" : "builtins.print");
}

int main(void)
{
	script("make");
	arrays();
	script("check");
	for (int protocol = 2; protocol <= 5; protocol++)
		properties(protocol);
	return 0;
}
