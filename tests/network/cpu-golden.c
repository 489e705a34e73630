/* The fast engine against PyTorch's logits: 30 small architectures and the trained networks, at every instruction set.
 * release only: network/cpu runs each kernel under the sanitizers */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/architecture.h"
#include "common/die.h"
#include "filters/infer-checkpoint/engine.h"
#include "tests/network/levels.h"

/* Of the largest logit; and the least share of equal labels with bf16, of all voxels of all networks. */
static const double tolerance[LEVELS] = { 1e-4, 1e-4, 1e-4, 2e-2 }, least_share = 0.995;

/* A .npy file of numpy's save, '<f4' in C order: its values and its shape (1, C, ...) with z = 1 put in for 2D. */
static float *read_npy(const char *path, int64_t shape[5])
{
	FILE *f = fopen(path, "rb");
	unsigned char head[10];
	char text[4096] = "";
	int n = 0;
	size_t length, count = 1;
	int64_t dim[5];
	float *a;

	if (!f || fread(head, 1, 10, f) != 10)
		die_sys("cannot read %s", path);
	length = (size_t)(head[8] | head[9] << 8);
	if (length >= sizeof text || fread(text, 1, length, f) != length || !strstr(text, "'<f4'") ||
	    !strstr(text, "'fortran_order': False"))
		die(XDATA, "%s: unexpected header", path);
	for (char *p = strchr(strstr(text, "'shape'"), '(') + 1, *end; n < 5; p = end + 1) {
		dim[n] = strtoll(p, &end, 10);
		if (end == p)
			break;
		count *= (size_t)dim[n++];
	}
	for (int i = 0; i < 5; i++)
		shape[i] = i < 2 ? dim[i] : n == 5 ? dim[i] : i == 2 ? 1 : dim[i - 1];
	a = xmalloc(count, sizeof *a);
	if (fread(a, sizeof *a, count, f) != count)
		die(XDATA, "%s: too short", path);
	fclose(f);
	return a;
}

static double worst[LEVELS];
static size_t voxels, other_labels;             /* with bf16 */

/* How many of n voxels have another largest logit; a, b [channels][n]. */
static size_t differing(const float *a, const float *b, int channels, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = 0, bt = 0;
		for (size_t c = 1; c < (size_t)channels; c++) {
			at = a[c * n + i] > a[at * n + i] ? c : at;
			bt = b[c * n + i] > b[bt * n + i] ? c : bt;
		}
		count += at != bt;
	}
	return count;
}

static double difference(const float *a, const float *b, size_t n)
{
	double most = 0, largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(a[i]))
			return INFINITY;
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
		largest = fmax(largest, fabs((double)b[i]));
	}
	return most / largest;
}

/* folder: holds input.npy and logits.npy.  Returns how many instruction sets fail. */
static int compare(const char *folder, const char *checkpoint, const struct architecture *a)
{
	struct checkpoint c;
	struct network n;
	int64_t in_shape[5], out_shape[5];
	char *in_path = xasprintf("%s/input.npy", folder), *out_path = xasprintf("%s/logits.npy", folder);
	float *in = read_npy(in_path, in_shape), *expected = read_npy(out_path, out_shape), *weights, *got;
	size_t count = (size_t)(out_shape[1] * out_shape[2] * out_shape[3] * out_shape[4]);
	int wrong = 0;

	if (!network_build(&n, a, (int)in_shape[1], (int)out_shape[1], in_shape + 2) || !checkpoint_open(&c, checkpoint))
		die_failed();
	weights = xmalloc(n.n_weights, sizeof *weights);
	got = xmalloc(count, sizeof *got);
	if (!network_load(weights, &n, &c))
		die_failed();
	checkpoint_close(&c);
	printf("%s:", folder + strlen(getenv("SHARED")) + strlen("/golden/"));
	for (int isa = 0; isa <= last_level(); isa++) {
		void *e = cpu_open(&n, 1, 1, 1, (enum isa)isa);
		engine_cpu.load(e, 0, weights, 2);
		memcpy(got, engine_cpu.forward(e, 0, 0, in, 1), count * sizeof *got);
		engine_cpu.close(e);
		double d = difference(got, expected, count);
		worst[isa] = fmax(worst[isa], d);
		wrong += !(d <= tolerance[isa]);
		printf(" %.1e%s", d, d <= tolerance[isa] ? "" : " WRONG");
	}
	if (last_level() == ISA_BF16) {
		size_t n_voxels = count / (size_t)n.n_outputs, others = differing(got, expected, n.n_outputs, n_voxels);
		printf(", other labels with bf16: %zu of %zu", others, n_voxels);
		voxels += n_voxels;
		other_labels += others;
	}
	puts("");
	network_free(&n);
	free(weights);
	free(got);
	free(in);
	free(expected);
	free(in_path);
	free(out_path);
	return wrong;
}

static int architecture(const char *folder)
{
	char *json = xasprintf("%s/architecture.json", folder), *checkpoint = xasprintf("%s/checkpoint_final.pth", folder);
	struct json top;
	struct architecture a;
	int wrong;

	if (!json_read(&top, json) || !architecture_read(&a, &top))
		die_failed();
	wrong = compare(folder, checkpoint, &a);
	json_free(&top);
	free(json);
	free(checkpoint);
	return wrong;
}

static int trained(const char *shared, const char *name, const char *configuration, const char *checkpoint)
{
	char *folder = xasprintf("%s/golden/forward/%s", shared, name);
	char *plans = xasprintf("%s/golden/models/%s/plans.json", shared, name);
	char *path = xasprintf("%s/golden/models/%s/%s", shared, name, checkpoint);
	struct plan p;
	int wrong;

	if (!plan_read(&p, plans, configuration))
		die_failed();
	wrong = compare(folder, path, &p.arch);
	plan_free(&p);
	free(folder);
	free(plans);
	free(path);
	return wrong;
}

int main(void)
{
	static const char *const model[][3] = {
		{ "phantom_2d", "2d", "fold_0/checkpoint_59.pth" },
		{ "sunnybrook_2d", "2d", "fold_0/checkpoint_44.pth" },
		{ "hippocampus_3d_fullres", "3d_fullres", "fold_0/checkpoint_final.pth" },
		{ "hippocampus_3d_cascade_fullres", "3d_cascade_fullres", "fold_0/checkpoint_final.pth" },
		{ "hippocampus_regions", "3d_fullres", "fold_all/checkpoint_final.pth" },
		{ "sunnybrook_resenc_3d", "3d_fullres", "fold_all/checkpoint_final.pth" },
		{ "ct_2ch_3d", "3d_fullres", "fold_all/checkpoint_final.pth" },
	};
	const char *shared = getenv("SHARED");
	char *pattern = xasprintf("%s/golden/architectures/*", shared ? shared : "");
	glob_t g;
	int wrong = 0;

	if (!shared || glob(pattern, 0, NULL, &g)) {
		puts("no golden architectures (../shared is not there)");
		return 77;
	}
	puts("error at base, v3, v4, bf16, relative to the largest logit:");
	for (size_t i = 0; i < g.gl_pathc; i++)
		wrong += architecture(g.gl_pathv[i]);
	for (size_t i = 0; i < sizeof model / sizeof *model; i++)
		wrong += trained(shared, model[i][0], model[i][1], model[i][2]);
	printf("note: %zu networks, largest error relative to the largest logit: base %.1e, v3 %.1e, v4 %.1e, bf16 %.1e\n",
	       g.gl_pathc + sizeof model / sizeof *model, worst[ISA_BASE], worst[ISA_V3], worst[ISA_V4], worst[ISA_BF16]);
	if (voxels) {
		double share = 1 - (double)other_labels / (double)voxels;
		printf("note: bf16: %.3f %% of %zu labels are equal\n", 100 * share, voxels);
		wrong += share < least_share;
	}
	globfree(&g);
	free(pattern);
	return wrong > 0;
}
