"""Calibration measures and temperatures written out in numpy (float64), and cases to try them on."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["TESTS"], "uncertainty"))
from lib import *  # noqa: E402,F403

MEASURES = ["confidence", "frequency", "ece", "ace_average", "ace_adaptive", "mce", "brier", "nll"]
NAMES = {2: {"background": 0, "LV": 1}, 5: {"background": 0, **{f"c{i}": i for i in range(1, 5)}}}
REGIONS = {"labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}, "regions_class_order": [1, 2, 3]}
HAS = [[1, 2, 3], [2, 3], [3]]


def width_bins(p, bins):
    return np.minimum((p * bins).astype(int), bins - 1)


def gaps(p, event, bins):
    """|mean probability - frequency| and voxels of each bin that is not empty."""
    b = width_bins(p, bins)
    return [(abs(p[b == i].mean() - event[b == i].mean()), (b == i).sum()) for i in range(bins) if (b == i).any()]


def adaptive(p, event, bins):
    """Bins of equal mass: voxels in order, equal ones alike; a voxel at an edge is divided."""
    values, inverse, count = np.unique(p, return_inverse=True, return_counts=True)
    surplus = np.bincount(inverse, p - event)
    at = np.concatenate([[0], np.cumsum(count)])
    total = np.interp(np.arange(bins + 1) * (len(p) / bins), at, np.concatenate([[0], np.cumsum(surplus)]))
    return abs(np.diff(total)).sum() / len(p)


def binary_loss(p, event):
    q = np.where(event, p, 1 - p)
    floor = np.where(event, 149, 25) * np.log(2)
    return np.where(q > 0, -np.log(np.where(q > 0, q, 1)), floor), (q <= 0).sum()


def measures(p, event, bins, brier=None, loss=None, zeros=None):
    """p, event: [voxels]."""
    if not len(p):
        return {"voxels": 0, "zeros": 0, **{m: float("nan") for m in MEASURES}}
    g = gaps(p, event, bins)
    if loss is None:
        loss, zeros = binary_loss(p, event)
    brier = (p - event) ** 2 if brier is None else brier
    return {"voxels": len(p), "zeros": zeros, "confidence": p.mean(), "frequency": event.mean(), "ece": sum(v * n for v, n in g) / len(p),
            "ace_average": np.mean([v for v, n in g]), "mce": max(v for v, n in g), "ace_adaptive": adaptive(p, event, bins),
            "brier": brier.mean(), "nll": loss.mean()}


def chosen(p, y, ignore, foreground, order=None):
    keep = np.ones(y.shape, bool) if ignore is None else y != ignore
    if foreground:
        keep &= (y != 0) | (segmentation(p, order) != 0)
    return p[:, keep].astype(float), y[keep]


def rows(p, y, bins, names, ignore=None, foreground=False, regions=False):
    """Of p [C, z, y, x] and y [z, y, x]: {(of, name): measures}."""
    p, y = chosen(p, y, ignore, foreground, REGIONS["regions_class_order"] if regions else None)
    p = np.minimum(p, 1)
    out = {}
    if regions:
        for r, name in enumerate(["whole", "core", "tip"]):
            out["region", name] = measures(p[r], np.isin(y, HAS[r]), bins)
        foreground_rows = list(out)
    else:
        best, own = p.argmax(0), p[y, np.arange(len(y))] if len(y) else np.zeros(0)
        loss, zeros = binary_loss(own, np.ones(len(y), bool))
        brier = ((p - np.eye(len(p))[:, y]) ** 2).sum(0)
        out["top_label", "-"] = measures(p.max(0), best == y, bins, brier, loss, zeros)
        for c, name in enumerate(names):
            out["class", name] = measures(p[c], y == c, bins)
        foreground_rows = list(out)[2:]
    mean = {m: np.mean([out[k][m] for k in foreground_rows]) for m in MEASURES}
    out["foreground_mean", "-"] = {**mean, "voxels": len(y), "zeros": sum(out[k]["zeros"] for k in foreground_rows)}
    return out


def tempered(p, t, regions):
    """p: [C, ...] in float64."""
    with np.errstate(divide="ignore", over="ignore"):
        if regions:
            q = 1 / (1 + np.exp(-(np.log(p) - np.log1p(-p)) / t))
            return np.where((p > 0) & (p < 1), q, p)
        z = np.log(p) / t
        e = np.exp(z - z.max(0))
        return e / e.sum(0)


def loss_at(p, y, t, regions):
    """Mean loss at temperature t; p: [C, voxels]."""
    q = tempered(p, t, regions)
    if not regions:
        q = q[y, np.arange(len(y))]
        return np.where(q > 0, -np.log(np.where(q > 0, q, 1)), 149 * np.log(2)).mean()
    total = 0
    for r in range(3):
        event = np.isin(y, HAS[r])
        logit = np.log(np.clip(p[r], 1e-300, None)) - np.log1p(-np.clip(p[r], None, 1 - 1e-16))
        sure = (p[r] <= 0) | (p[r] >= 1)
        total += np.where(sure, binary_loss(p[r], event)[0], np.logaddexp(0, np.where(event, -1, 1) * logit / t)).mean()
    return total / 3


def best_temperature(p, y, regions):
    """Golden section over log T; the loss is convex in 1 / T."""
    ratio, lo, hi = (5 ** 0.5 - 1) / 2, np.log(0.25), np.log(8)
    for _ in range(60):
        a, b = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
        if loss_at(p, y, np.exp(a), regions) <= loss_at(p, y, np.exp(b), regions):
            hi = b
        else:
            lo = a
    return np.exp((lo + hi) / 2)


def random_case(r, shape, classes=None, truth=None, sharp=1.0, spread=2.0):
    """p [C, z, y, x] in float32 and labels drawn from softer ones, so that p is `sharp` times too sure; regions without classes."""
    if classes:
        z = r.normal(0, spread, (classes, *shape))
        z[0] += 1
        soft = tempered(np.exp(z), sharp, False)
        y = (r.random(shape)[None] > np.cumsum(soft, 0)).sum(0).clip(0, classes - 1)
        e = np.exp(z - z.max(0))
        return (e / e.sum(0)).astype("<f4"), y
    z = r.normal(-1, spread, (3, *shape))
    inside = r.random((3, *shape)) < 1 / (1 + np.exp(-z / sharp))
    y = np.where(inside[0], 1 + inside[1] + (inside[1] & inside[2]), 0)
    return (1 / (1 + np.exp(-z))).astype("<f4"), y


def frame(name, p, ignore=None, regions=False, slab=1, **more):
    labels = REGIONS if regions else {"labels": NAMES[len(p)]}
    layer = {"kind": "probs", "activation": "sigmoid" if regions else "softmax"}
    return {"case": name, "layers": [(layer, np.ascontiguousarray(p, "<f4"))], "slab": min(slab, p.shape[1]), **labels,
            **({} if ignore is None else {"ignore": ignore}), **more}


def reference(folder, name, y):
    os.makedirs(folder, exist_ok=True)
    if y.shape[0] == 1:
        png(f"{folder}/{name}.png", y[0])
    else:
        nifti(f"{folder}/{name}.nii", y, [3.0, 1.5, 0.75])


def tsv(path):
    """A list of rows {column: text}."""
    lines = [line.rstrip("\n").split("\t") for line in open(path)]
    assert all(len(line) == len(lines[0]) for line in lines), path
    return [dict(zip(lines[0], line)) for line in lines[1:]]
