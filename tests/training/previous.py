"""augment's transforms of a previous stage against contract 8.4, step 12, voxel by voxel in numpy."""
import collections
import itertools
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/training")
from lib import frames, run, stream  # noqa: E402

rng = np.random.default_rng(9)
SHAPES = [(1, 40, 70), (14, 17, 20), (5, 16, 21)]      # the last one is flat; its balls are not


def element(radius, flat):
    """scikit-image's disk(radius) or ball(radius), of radii that are no whole numbers too."""
    if flat:
        x = np.arange(-radius, radius + 1)
        return (x ** 2 + x[:, None] ** 2 <= radius ** 2 * (1 + 1e-9))[None]
    x = np.linspace(-radius, radius, int(2 * radius + 1))
    return x ** 2 + x[:, None] ** 2 + x[:, None, None] ** 2 <= radius ** 2 * (1 + 1e-9)     # with the poles


def dilate(x, e):
    before = [(n - 1) // 2 for n in e.shape]
    wide = np.pad(x, [(b, n - 1 - b) for b, n in zip(before, e.shape)])
    out = np.zeros_like(x)
    for k in np.argwhere(e):
        out |= wide[tuple(slice(i, i + n) for i, n in zip(k, x.shape))]
    return out


def erode(x, e):
    return ~dilate(~x, e)


OPERATORS = {"dilate": dilate, "erode": erode, "close": lambda x, e: erode(dilate(x, e), e), "open": lambda x, e: dilate(erode(x, e), e)}


def blobs(shape):
    """Classes 0 (none), 1 and 2, in pieces of several sizes; a few are outside."""
    out = np.zeros(shape, int)
    for _ in range(9):
        at, size = rng.integers(0, shape), rng.integers(1, 9, 3)
        out[tuple(slice(a, a + s) for a, s in zip(at, size))] = rng.integers(0, 3)
    return out


def pieces(x):
    """Components of a mask, neighbours by corners too, as sets of indices."""
    left, out = set(map(tuple, np.argwhere(x))), []
    while left:
        todo, found = [left.pop()], set()
        while todo:
            at = todo.pop()
            found.add(at)
            for d in itertools.product((-1, 0, 1), repeat=3):
                near = tuple(a + b for a, b in zip(at, d))
                if near in left:
                    left.remove(near)
                    todo.append(near)
        out.append(found)
    return out


def cases(n, *argv):
    """(classes [2, z, y, x] before, after, image, label after, {(transform, class): [(parameter, value)]})"""
    before, patches = [], []
    for i in range(n):
        shape = SHAPES[i % 3]
        classes = blobs(shape)
        if i % 4 == 3:
            classes[:, :shape[1] // 3] = 1                  # more than 15 %
        hot = np.stack([classes == 1, classes == 2])
        before.append(hot)
        image = np.concatenate([rng.normal(size=(1, *shape)) + 3 * classes, hot]).astype("f4")
        patches.append((image, np.where(rng.random(shape) < 0.1, -1, 0) + classes, {"final": list(shape), "previous": 2, "masked": [0]}))
    out = frames(run(stream(patches), "augment", "--log", "log", *argv))
    log = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in open("log").read().splitlines()[1:]:
        name, transform, channel, parameter, value = line.split("\t")
        log[name][transform, channel if channel == "-" else int(channel) - 1].append((parameter, float(value)))
    for hot, patch, (h, a) in zip(before, patches, out, strict=True):
        assert np.isin(a["image"][1:], (0, 1)).all()
        yield hot, a["image"][1:] > 0, patch[0][0], a["image"][0], a["label"][0], log[h["case"]]


seen = collections.Counter()
for hot, got, image, same, _, log in cases(24, "-a", "--only", "morphology"):
    assert np.array_equal(image, same)
    possible = []
    for order in (0, 1), (1, 0):
        x = hot.copy()
        for k in order:
            (name, radius), = log["morphology", k]
            assert 1 <= radius <= 8
            new = OPERATORS[name](x[k], element(radius, x.shape[1] == 1))
            x[1 - k] &= ~(new & ~x[k])
            x[k] = new
            seen[name] += 1
        possible.append(x)
    assert any(np.array_equal(got, x) for x in possible), log
assert min(seen[name] for name in OPERATORS) >= 5, seen

taken = 0
for hot, got, image, same, _, log in cases(24, "-a", "--only", "removal"):
    assert np.array_equal(image, same) and not (got & ~hot).any()
    for k in range(2):
        lost, small = set(map(tuple, np.argwhere(hot[k] & ~got[k]))), [p for p in pieces(hot[k]) if len(p) < 0.15 * hot[k].size]
        small.sort(key=min)
        (_, choice), = log["removal", k]
        assert lost == (small[int(choice * len(small))] if small else set())
        taken += bool(lost)
assert taken > 30

# As labels: the same matrix, no value between.  Noise and gamma leave them alone.
for hot, got, _, _, label, log in cases(12, "--seed", "4", "--only", "mirroring,noise,gamma,brightness"):
    axes = ["zyx".index(a) for a, _ in log["mirroring", "-"]]
    assert np.array_equal(got, np.flip(hot, [1 + a for a in axes]))
same = total = 0
for hot, got, _, _, label, log in cases(12, "-a", "--only", "rotation,scaling"):
    assert not got.all(0).any()
    same += (got[1] == (label == 2)).sum()          # the reference map has the same classes
    total += label.size
assert same > 0.85 * total, same / total
