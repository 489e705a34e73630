#include <stdlib.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/pickle.h"
#include "common/properties.h"

static bool read_crop(struct properties *p, const struct pickle_value *shape, const struct pickle_value *box)
{
	double size[3], b[6];

	if (!shape || !box)
		return true;
	if (!pickle_reals(size, 3, shape) || !pickle_reals(b, 6, box))
		return fail(XDATA, "shape_before_cropping or bbox_used_for_cropping is not of three axes");
	for (int d = 0; d < 3; d++) {
		if (!(0 <= b[2 * d] && b[2 * d] <= b[2 * d + 1] && b[2 * d + 1] <= size[d] && size[d] < 0x1p31))
			return fail(XDATA, "bbox_used_for_cropping reaches outside shape_before_cropping on axis %d", d);
		p->shape_before_cropping[d] = (int64_t)size[d];
		p->bbox[d][0] = (int64_t)b[2 * d];
		p->bbox[d][1] = (int64_t)b[2 * d + 1];
	}
	p->has_crop = true;
	return true;
}

static bool read_sitk(struct properties *p, const struct pickle_value *s)
{
	if (!s)
		return true;
	for (int n = 2; n <= 3; n++)
		if (pickle_reals(p->sitk_spacing, n, pickle_get(s, "spacing")) &&
		    pickle_reals(p->sitk_origin, n, pickle_get(s, "origin")) &&
		    pickle_reals(p->sitk_direction, n * n, pickle_get(s, "direction")))
			p->sitk_dims = n;
	return p->sitk_dims || fail(XDATA, "sitk_stuff has no spacing, origin and direction of two or three axes");
}

static bool read_tree(struct properties *p, const struct pickle_value *root)
{
	const struct pickle_value *nibabel = pickle_get(root, "nibabel_stuff");

	if (!pickle_reals(p->spacing, 3, pickle_get(root, "spacing")))
		return fail(XDATA, "no properties of nnU-Net: there is no spacing of three axes");
	p->has_affine = nibabel && pickle_reals(&p->affine[0][0], 16, pickle_get(nibabel, "original_affine"));
	if (nibabel && !p->has_affine)
		return fail(XDATA, "nibabel_stuff has no original_affine");
	return read_crop(p, pickle_get(root, "shape_before_cropping"), pickle_get(root, "bbox_used_for_cropping")) &&
	       read_sitk(p, pickle_get(root, "sitk_stuff"));
}

bool pkl_properties(struct properties *p, const char *path)
{
	struct pickle tree;
	char *buf;
	size_t n;
	bool ok;

	*p = (struct properties){ 0 };
	if (!io_slurp(path, memory_limit, &buf, &n))
		return false;
	if ((ok = pickle_read(&tree, buf, n, NULL))) {
		ok = read_tree(p, tree.root);
		pickle_free(&tree);
	}
	free(buf);
	if (!ok)
		fail_prefix("%s", path);
	return ok;
}
