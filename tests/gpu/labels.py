"""usage: labels.py LEAST_SHARE LEAST_DICE A B ...: label maps of pairs of streams, A and B as C and D and so on: the share of equal
labels (percent) and the Dice of each class, over all cases together; fails where one is below the least."""
import os
import sys

import numpy

sys.path.insert(0, os.path.join(os.environ["TESTS"], "network"))
from compare import frames  # noqa: E402


def maps(path):
    with open(path, "rb") as f:
        return {head["case"]: layers[0][1] for head, layers in frames(f)}


def main(least_share, least_dice, *streams):
    equal = voxels = 0
    worst, where = 1.0, "-"
    for one, other in zip(streams[::2], streams[1::2]):
        a, b = maps(one), maps(other)
        assert a and list(a) == list(b), (one, other)
        both, of_a, of_b = (numpy.zeros(256, "i8") for _ in range(3))
        for name, x in a.items():
            y = b[name]
            assert x.shape == y.shape, (name, x.shape, y.shape)
            equal, voxels = equal + int((x == y).sum()), voxels + x.size
            both += numpy.bincount(x[x == y].ravel(), minlength=256)
            of_a, of_b = (n + numpy.bincount(v.ravel(), minlength=256) for n, v in ((of_a, x), (of_b, y)))
        for k in range(1, 256):
            if of_a[k] + of_b[k]:
                dice = 2 * both[k] / (of_a[k] + of_b[k])
                if dice < worst:
                    worst, where = dice, f"{other}, class {k}"
    print(f"{100 * equal / voxels:.4f} % of {voxels} labels equal, least Dice {worst:.5f} ({where})")
    sys.exit(not (100 * equal / voxels >= float(least_share) and worst >= float(least_dice)))


main(*sys.argv[1:])
