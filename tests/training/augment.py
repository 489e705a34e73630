"""augment against contract 8.4 in numpy; the parameters come from --log."""
import collections
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/training")
from lib import body, frames, run, stream  # noqa: E402

rng = np.random.default_rng(5)
GRIDS = {"plane": ((1, 75, 62), (1, 53, 44)), "volume": ((27, 31, 35), (18, 20, 23)), "flat": ((5, 34, 38), (5, 24, 21))}


def smooth(shape):
    """A lattice of random numbers, between which there are straight lines."""
    coarse = rng.normal(size=[n // 6 + 2 for n in shape])
    for d, n in enumerate(shape):
        at = np.arange(n) / 6
        i = at.astype(int)
        w = (at - i).reshape([-1 if k == d else 1 for k in range(len(shape))])
        coarse = np.take(coarse, i, d) * (1 - w) + np.take(coarse, i + 1, d) * w
    return coarse


def patch(grid, channels=2, **sample):
    shape, final = GRIDS[grid]
    field = smooth(shape)
    label = np.digitize(field, [-0.3, 0.1, 0.5])
    label[np.broadcast_to(np.arange(shape[1])[:, None] < shape[1] // 4, shape)] = -1
    return rng.normal(size=(channels, *shape)).astype("f4") + field.astype("f4"), label, {"final": list(final), "masked": [0] * channels, **sample}


def crop(a, final):
    begin = [n // 2 - m // 2 for n, m in zip(a.shape[-3:], final)]
    return a[(..., *(slice(b, b + m) for b, m in zip(begin, final)))]


def augment(patches, *argv):
    """[(header, image, label, {transform: {(channel, parameter): value}})]"""
    out = frames(run(stream(patches), "augment", "--log", "log", *argv))
    log = collections.defaultdict(lambda: collections.defaultdict(dict))
    for line in open("log").read().splitlines()[1:]:
        name, transform, channel, parameter, value = line.split("\t")
        log[name][transform][channel if channel == "-" else int(channel), parameter] = float(value)
    assert len(out) == len(patches)
    return [(h, a["image"].astype("f8"), a["label"][0].astype(int), log[h["case"]]) for h, a in out]


def each(kind, channels=2, grids=GRIDS, n=3, **sample):
    """n patches of each grid, augmented by one transform; with what came out of them."""
    for grid in grids:
        patches = [patch(grid, channels, **sample) for _ in range(n)]
        for p, o in zip(patches, augment(patches, "-a", "--only", kind)):
            final = p[2]["final"]
            assert list(o[2].shape) == final and o[0]["sample"]["augmented"] == kind.split(","), o[0]
            yield grid, final, p, o


def close(a, b, tolerance=2e-5):
    assert np.allclose(a, b, rtol=0, atol=tolerance), abs(a - b).max()


def same_labels(label, p, final):
    assert np.array_equal(label, np.maximum(crop(p[1], final), 0))


def positions(final, shape, log, flat):
    """Where each voxel of the patch comes from, [z, y, x, 3], with the matrices written out."""
    angle = [np.radians(log["rotation"].get(("-", f"degrees_{a}"), 0)) for a in "zyx"]
    scale = log["scaling"].get(("-", "factor"), 1)
    c, s = np.cos(angle), np.sin(angle)
    rz, ry, rx = (np.array(m) for m in ([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]], [[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]],
                                        [[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]]))
    m = rx @ ry @ rz @ np.diag([1 if flat else scale, scale, scale])
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in final), indexing="ij"), -1)
    return grid @ m.T + (np.array(shape) - 1) / 2


def interpolate(a, at, beyond=0.0):
    """a [z, y, x] between its voxels; `beyond` outside."""
    padded = np.pad(a.astype("f8"), 2, constant_values=beyond)
    at = np.clip(at, -1.5, np.array(a.shape) + 0.5) + 2
    low = np.floor(at).astype(int)
    w, out = at - low, 0
    for k in np.ndindex(2, 2, 2):
        weight = np.prod([w[..., d] if k[d] else 1 - w[..., d] for d in range(3)], 0)
        out = out + weight * padded[tuple(low[..., d] + k[d] for d in range(3))]
    return out


for kind in "rotation", "scaling", "rotation,scaling":
    for grid, final, (image, label, _), (_, out, got, log) in each(kind):
        assert len(log["rotation"]) == ("rotation" in kind) * (3 if grid == "volume" else 1) and len(log["scaling"]) == ("scaling" in kind)
        at = positions(final, label.shape, log, grid != "volume")
        for c in range(2):
            close(out[c], interpolate(image[c], at), 2e-4)
        values = np.unique(np.append(label, -1))
        score = np.stack([interpolate(label == v, at, float(v == -1)) for v in values])
        top = np.sort(score, 0)
        clear = top[-1] - top[-2] > 1e-3                # thousandths are a tie in half precision
        assert clear.mean() > 0.95 and np.array_equal(got[clear], np.maximum(values[score.argmax(0)], 0)[clear])
        corner = (at < -1).any(-1) | (at > np.array(label.shape)).any(-1)
        assert not got[corner].any() and not out[:, corner].any()

for grid, final, (image, label, sample), (_, out, got, log) in each("noise", n=2):
    added, sd = out - crop(image, final), log["noise"]["-", "sd"]
    n = added[0].size
    assert 0 < sd < 0.1 and abs(added.std() / sd - 1) < 4.5 / np.sqrt(4 * n) and abs(added.mean()) < 4.5 * sd / np.sqrt(2 * n)
    assert abs((added[0] * added[1]).mean()) < 4.5 * sd ** 2 / np.sqrt(n)       # channels have noise of their own
    same_labels(got, (image, label), final)
(_, out, _, _), (_, more, _, _) = augment([(np.zeros((2, 12, 30, 30), "f4"), np.zeros((12, 30, 30), int), {"final": [12, 30, 30]})] * 2,
                                          "-a", "--only", "noise")
assert len(np.intersect1d(out[0], out[1])) < 50 and len(np.intersect1d(out, more)) < 50 and len(np.unique(out[0])) > 10700


def blurred(x, sd):
    for d, s in enumerate(sd):
        length = 6 * s + 0.5
        length = int(min((2 * k + 1 for k in range(9)), key=lambda k: (abs(k - length), -k)))
        half = length // 2
        k = np.exp(-0.5 * (np.arange(-half, half + 1) / s) ** 2) if s else np.ones(1)
        k /= k.sum()
        wide = np.pad(x, [(half * (i == d),) * 2 for i in range(3)], "reflect") if s else x
        x = sum(w * np.take(wide, np.arange(i, i + x.shape[d]), d) for i, w in enumerate(k))
    return x


def coarse(x, zoom, flat):
    for d in reversed(range(3)):
        n = x.shape[d]
        m = n if d == 0 and flat else int(np.rint(np.float32(zoom) * n))
        kept = np.minimum(np.floor((np.arange(m) + 0.5) * (n / m)), n - 1).astype(int)
        at = np.maximum((np.arange(n) + 0.5) * (m / n) - 0.5, 0)
        low = np.minimum(at.astype(int), m - 1)
        w = (at - low).reshape([-1 if k == d else 1 for k in range(3)])
        x = np.take(x, kept[low], d) * (1 - w) + np.take(x, kept[np.minimum(low + 1, m - 1)], d) * w
    return x


def power(x, gamma, sign):
    x = sign * x
    range_ = x.max() - x.min()
    y = ((x - x.min()) / range_) ** gamma * range_ + x.min()
    return sign * ((y - y.mean()) * (x.std(ddof=1) / y.std(ddof=1)) + x.mean())


def contrast(x, m):
    return np.clip((x - x.mean()) * m + x.mean(), x.min(), x.max())


FORMULAS = {
    "blur": lambda x, p, grid: blurred(x, [p.get(f"sd_{a}", 0) for a in "zyx"]),
    "brightness": lambda x, p, grid: x * p["factor"],
    "contrast": lambda x, p, grid: contrast(x, p["factor"]),
    "low-resolution": lambda x, p, grid: coarse(x, p["zoom"], grid != "volume"),
    "inverted-gamma": lambda x, p, grid: power(x, p["gamma"], -1),
    "gamma": lambda x, p, grid: power(x, p["gamma"], 1),
}
for kind, formula in FORMULAS.items():
    for grid, final, (image, label, _), (_, out, got, log) in each(kind, n=8):
        x = crop(image, final).astype("f8")
        for c in range(2):
            p = {k: v for (channel, k), v in log[kind].items() if channel == c}
            assert len(p) == (1 if kind != "blur" else 2 if grid == "plane" else 3)
            close(out[c], formula(x[c], p, grid))
        assert log[kind][0, next(iter(p))] != log[kind][1, next(iter(p))]
        same_labels(got, (image, label), final)

# All of them, one after the other, in their order.
patches = [patch(g) for g in GRIDS for _ in range(3)]
order = [k for k in FORMULAS]
for (image, label, sample), (h, out, got, log) in zip(patches, augment(patches, "-a", "--only", ",".join(reversed(order)))):
    assert h["sample"]["augmented"] == order
    x = crop(image, sample["final"]).astype("f8")
    for c in range(2):
        y = x[c]
        for kind in order:
            y = FORMULAS[kind](y, {k: v for (channel, k), v in log[kind].items() if channel == c}, "volume" if got.shape[0] == 18 else "")
        close(out[c], y, 1e-4)

# Mirroring: every set of axes that there is.
seen = collections.defaultdict(set)
for grid in GRIDS:
    patches = [patch(grid, 1) for _ in range(60)]
    for (image, label, sample), (_, out, got, log) in zip(patches, augment(patches, "--only", "mirroring", "--seed", "3")):
        axes = tuple("zyx".index(a) for _, a in log["mirroring"])
        seen[grid].add(axes)
        close(out[0], np.flip(crop(image[0], sample["final"]), axes), 0)
        assert np.array_equal(got, np.flip(np.maximum(crop(label, sample["final"]), 0), axes))
assert [len(seen[g]) for g in GRIDS] == [4, 8, 8], seen

# No label arises, and what is outside is 0 in masked channels, wherever it has moved to.
patches = [patch(g, 2, masked=[0, 1]) for g in GRIDS for _ in range(10)]
for (image, label, sample), (_, out, got, log) in zip(patches, augment(patches)):
    assert set(np.unique(got)) <= set(np.unique(np.maximum(label, 0)))
for grid, final, (image, label, _), (_, out, got, log) in each("brightness,mirroring", 2, masked=[0, 1]):
    hidden = np.flip(crop(label, final) < 0, [0, 1, 2][grid == "plane":])
    assert hidden.any() and not out[1, hidden].any() and (out[1, ~hidden] != 0).all() and (out[0] != 0).all()
patches = [patch(g, 2, masked=[0, 1]) for g in GRIDS]
for (image, label, sample), (_, out, got, log) in zip(patches, augment(patches, "--only", "none")):
    at = crop(label, sample["final"]) < 0
    close(out, crop(image, sample["final"]) * np.stack([at < 2, ~at]), 0)
    assert not log
    same_labels(got, (image, label), sample["final"])

# Threads, seeds, and a patch by itself.
patches = [patch(g, 2, masked=[0, 1], number=[1, i, 2]) for i in range(8) for g in GRIDS]
data = stream(patches)
one = run(data, "augment", "-j", "1", "--log", "one")
for j in "2", "7":
    assert body(one) == body(run(data, "augment", "-j", j, "--log", "other")) and open("one").read() == open("other").read()
assert body(one) == body(run(data, "augment", "--memory", "1M", "-j", "3"))
assert body(one) != body(run(data, "augment", "--seed", "1"))
alone = frames(run(stream(patches[17:18]), "augment"))[0][1]
assert np.array_equal(alone["image"], frames(one)[17][1]["image"])

# What is passed on: patches for validation, what was augmented before, other frames.
kept = stream([patch("plane", validation=True), patch("volume", augmented=[])])
for (h, a), (g, b) in zip(frames(kept), frames(run(kept, "augment")), strict=True):
    assert h["sample"] == g["sample"] and h["shape"] == g["shape"] and list(a) == list(b) and all(np.array_equal(a[k], b[k]) for k in a)
assert body(one) == body(run(one, "augment"))
mixed = stream([patch("plane"), patch("plane", validation=True), patch("plane")])
assert [h["case"] for h, _ in frames(run(mixed, "augment"))] == ["p0", "p1", "p2"]

# What is wrong.
bad = {"leaves no patch of 1 x 99 x 44": patch("plane", final=[1, 99, 44]), "2 channels, 2 of them": patch("plane", previous=2),
       "does not tell masked": patch("plane", masked=[1]), "does not tell number": patch("plane", number=[1])}
for text, p in bad.items():
    message = run(stream([p]), "augment", status=3)
    assert text in message and message.count("\n") == 1 and "p0" in message, message
kept = frames(run(stream([patch("plane"), patch("plane", final=[1, 99, 44]), patch("plane")]), "sh", "-c", "augment -k || [ $? -eq 3 ]"))
assert ["failed" in h for h, _ in kept] == [False, True, False]
assert "'sharpen' is no transform" in run(b"", "augment", "--only", "noise,sharpen", status=2)
