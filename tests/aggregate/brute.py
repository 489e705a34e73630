"""The aggregations written out in numpy, voxel by voxel where that is plainest; nothing of it is fast."""
import itertools
import math
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.environ["TESTS"], "uncertainty"))
from lib import *  # noqa: E402, F403
from lib import contour  # noqa: E402

IMAGE = ["mean", "sum", "threshold_mean", "threshold_sum", "threshold_share", "quantile_mean", "quantile_sum", "patch"]
PART = ["foreground", "contour", "contour_mm", "volume_weighted", "ring", "foreground_core"]
FOREGROUND = ["background", "non_boundary", "background_core", "distance_weighted"]
DEFAULTS = dict(ring="both", width=2.0, width_mm=False, patch=10.0, patch_mm=False, in_slice=False, threshold=None, quantile=0.9, empty="worst")


def once(f):
    """Several maps share a mask: what f makes of it is kept."""
    kept = {}

    def again(mask, *rest):
        key = mask.tobytes(), mask.shape, *(tuple(a) if isinstance(a, np.ndarray) else a for a in rest)
        if key not in kept:
            kept[key] = f(mask, *rest)
        return kept[key]
    return again


@once
def length_mm(mask, dy, dx):
    """Marching squares of each slice at one half, on the mask carried on beyond the edge, of which half a pixel counts."""
    total = 0.0
    for m in mask.astype(int):
        y, x = m.shape
        m = np.pad(m, 1, mode="edge")
        for j, i in itertools.product(range(y + 1), range(x + 1)):
            a, b, c, d = m[j, i], m[j, i + 1], m[j + 1, i], m[j + 1, i + 1]
            at_y, at_x = (0.5 if j in (0, y) else 1), (0.5 if i in (0, x) else 1)
            s = a + b + c + d
            if s in (1, 3):
                total += math.hypot(dy, dx) / 2
            elif s == 2 and a == b:
                total += dx * at_x
            elif s == 2 and a == c:
                total += dy * at_y
            elif s == 2:
                total += math.hypot(dy, dx)
    return total


@once
def near(mask, spacing, in_slice):
    """Distance of each voxel to the nearest one on the other side, by looking at all of them."""
    out = np.full(mask.shape, np.inf)
    for inside in (True, False):
        here, there = np.argwhere(mask == inside), np.argwhere(mask != inside)
        for p in here:
            d = (there - p) * spacing
            if in_slice:
                d = d[there[:, 0] == p[0]]
            if len(d):
                out[tuple(p)] = math.sqrt((d ** 2).sum(1).min())
    return out


def patch(u, window):
    return max(u[k:k + window[0], j:j + window[1], i:i + window[2]].mean()
               for k in range(u.shape[0] - window[0] + 1) for j in range(u.shape[1] - window[1] + 1) for i in range(u.shape[2] - window[2] + 1))


def chosen(u, where, empty, segmented):
    if segmented and where.any():
        return u[where].mean()
    return {"worst": math.inf, "image": u.mean(), "skip": math.nan}[empty]


def scores(u, mask, spacing, o, image=True, foreground=True):
    """{aggregation: value} of one map [z, y, x] and one part."""
    o = {**DEFAULTS, **o}
    u, spacing = u.astype(np.float64), np.array(spacing, float)
    some, otherwise = mask.any(), {"worst": math.inf, "image": u.mean(), "skip": math.nan}[o["empty"]]
    s = {}
    if image:
        s["mean"], s["sum"] = u.mean(), u.sum()
        t = o["threshold"]
        if t is not None:
            s["threshold_sum"], s["threshold_share"] = u[u >= t].sum(), (u >= t).mean()
            s["threshold_mean"] = u[u >= t].mean() if (u >= t).any() else 0.0
        n = mask.sum() if o["quantile"] == "foreground" else max(1, u.size - math.floor(round(o["quantile"] * u.size, 5)))
        tail = np.sort(u.ravel())[u.size - n:]
        s["quantile_mean"], s["quantile_sum"] = (tail.mean(), tail.sum()) if n else (otherwise, otherwise)
        window = [max(1, math.floor(o["patch"] / d + 0.5)) if o["patch_mm"] else int(o["patch"]) for d in spacing]
        window = [min(w, n) for w, n in zip(window, u.shape)]
        s["patch"] = patch(u, [1, *window[1:]] if o["in_slice"] else window)
    unit = spacing if o["width_mm"] else np.ones(3)
    d = near(mask, unit, o["in_slice"])
    close = d <= o["width"] * (1 + 1e-6)
    ring = {"in": close & mask, "out": close & ~mask, "both": close}[o["ring"]]
    s["foreground"] = chosen(u, mask, o["empty"], some)
    n = contour(mask).sum()
    s["contour"] = u.sum() / n if n else otherwise
    n = length_mm(mask, spacing[1], spacing[2])
    s["contour_mm"] = u.sum() * spacing[1] * spacing[2] / n if n else otherwise
    s["volume_weighted"] = u.mean() / mask.sum() if some else otherwise
    s["ring"] = chosen(u, ring, o["empty"], some)
    s["foreground_core"] = chosen(u, mask & ~close, o["empty"], some)
    if foreground:
        s["background"] = chosen(u, ~mask, o["empty"], some)
        s["non_boundary"] = chosen(u, ~close, o["empty"], some)
        s["background_core"] = chosen(u, ~mask & ~close, o["empty"], some)
        w = np.minimum(d, 4 * (max(spacing[1:]) if o["width_mm"] else 1))
        s["distance_weighted"] = (w * u).sum() / w.sum() if some else otherwise
    return s


def options(o):
    o = {**DEFAULTS, **o}
    words = ["--ring", o["ring"], "--width", f"{o['width']:g}" + "mm" * o["width_mm"], "--patch", f"{o['patch']:g}" + "mm" * o["patch_mm"],
             "--quantile", str(o["quantile"]), "--empty", o["empty"]] + ["--in-slice"] * o["in_slice"]
    return " ".join(words + (["--threshold", repr(o["threshold"])] if o["threshold"] is not None else []))


def maps_frame(name, seg, maps, labels, spacing, **more):
    """A frame of a label layer and maps {kind: [c, z, y, x]}; c > 1: one channel a region."""
    layers = [({"kind": "label"}, seg[None].astype("|u1"))]
    layers += [({"kind": k, **({"per_region": True} if len(u) > 1 else {})}, u.astype("<f4")) for k, u in maps.items()]
    return {"case": name, "labels": labels, "layers": layers, "spacing_mm": list(map(float, spacing)), **more}


def parts_of(seg, labels):
    """[(suffix, mask)] of the foreground and each class or region."""
    rest = [(":" + n, np.isin(seg, v)) for n, v in labels.items() if v != 0]
    return [("", seg > 0)] + rest


def all_scores(seg, maps, labels, spacing, o):
    """{column: value} that aggregate is to give."""
    out = {}
    for kind, u in maps.items():
        for i, (suffix, mask) in enumerate(parts_of(seg, labels)):
            view = u.max(0) if len(u) > 1 and i == 0 else u[i - 1] if len(u) > 1 else u[0]
            for a, v in scores(view, mask, spacing, o, image=i == 0 or len(u) > 1, foreground=i == 0).items():
                out[f"{kind}.{a}{suffix}"] = v
    return out


def compare(got, want, what, tolerance=1e-6):
    missing = set(want) ^ {k for k in got if "." in k}
    assert not missing, (what, sorted(missing)[:10])
    for k, v in want.items():
        t = tolerance if "distance_weighted" in k else 1e-9
        close(got[k], v, t, f"{what} {k}")  # noqa: F405
