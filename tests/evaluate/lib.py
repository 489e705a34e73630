"""What the tests of evaluation share: files without the code under test, and the rules restated voxel by voxel."""
import gzip
import itertools
import json
import os
import struct
import subprocess

import numpy as np

SHARED = os.environ.get("SHARED", "")
GOLDEN = SHARED + "/golden"


def run(*argv, code=0):
    """stdout of a program that must end with this code; of one that fails, its one line on stderr."""
    p = subprocess.run(argv, capture_output=True, text=True)
    assert p.returncode == code, (argv, p.returncode, p.stderr)
    if code:
        assert p.stderr.count("\n") == 1, (argv, p.stderr)
        return p.stderr
    return p.stdout


def write(path, a, spacing=(1, 1, 1)):
    """A NIfTI-1 file of [z, y, x] uint8 or uint16; spacing z, y, x."""
    h = bytearray(352)
    struct.pack_into("<i", h, 0, 348)
    struct.pack_into("<8h", h, 40, 3, *a.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", h, 70, *((2, 8) if a.dtype == np.uint8 else (512, 16)))
    struct.pack_into("<8f", h, 76, 1, *spacing[::-1], 0, 0, 0, 0)
    struct.pack_into("<3f", h, 108, 352, 1, 0)
    h[123] = 2
    struct.pack_into("<2h", h, 252, 1, 0)
    h[344:348] = b"n+1\0"
    with (gzip.open if path.endswith(".gz") else open)(path, "wb") as f:
        f.write(bytes(h) + a.tobytes())


def read(path):
    """The voxels [z, y, x] of a NIfTI-1 label file."""
    b = gzip.open(path).read() if path.endswith(".gz") else open(path, "rb").read()
    x, y, z = struct.unpack_from("<3h", b, 42)
    kind = {2: "<u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 512: "<u2"}[struct.unpack_from("<h", b, 70)[0]]
    a = np.frombuffer(b, kind, x * y * z, int(struct.unpack_from("<f", b, 108)[0]))
    return a.reshape(z, y, x).astype(int)


def dataset(path, labels, order=None):
    d = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    with open(path, "w") as f:
        json.dump({**d, **({"regions_class_order": order} if order else {})}, f)


def structures(labels):
    """{nnU-Net's key: values} of classes or regions, in order."""
    labels = {k: v for k, v in labels.items() if k != "ignore"}
    if any(isinstance(v, list) and len(v) > 1 for v in labels.values()):
        return {str(tuple(v) if isinstance(v, list) else v): [int(x) for x in np.atleast_1d(v)] for v in labels.values() if np.any(np.atleast_1d(v))}
    return {str(v): [v] for v in sorted({int(np.atleast_1d(v)[0]) for v in labels.values()} - {0})}


# ---- contract 6.2 ----

def metrics(pred, ref, values, ignore=None):
    p, r = np.isin(pred, values), np.isin(ref, values)
    use = np.ones(ref.shape, bool) if ignore is None else ref != ignore
    tp, fp, fn, tn = (int((a & b & use).sum()) for a, b in ((p, r), (p, ~r), (~p, r), (~p, ~r)))
    none = tp + fp + fn == 0
    return {"Dice": float("nan") if none else 2 * tp / (2 * tp + fp + fn), "FN": fn, "FP": fp,
            "IoU": float("nan") if none else tp / (tp + fp + fn), "TN": tn, "TP": tp, "n_pred": tp + fp, "n_ref": tp + fn}


def means(cases, keys):
    """foreground_mean and mean of [{key: metrics}]."""
    mean = {}
    for k in keys:
        mean[k] = {}
        for m in cases[0][k]:
            v = [c[k][m] for c in cases if not np.isnan(c[k][m])]
            mean[k][m] = float(np.mean(v)) if v else float("nan")
    return {m: float(np.mean([mean[k][m] for k in keys])) for m in mean[keys[0]]}, mean


# ---- surfaces ----

def boundary(mask):
    out = []
    for at in np.argwhere(mask):
        for d in range(mask.shape[0] == 1, 3):
            for s in (-1, 1):
                to = at.copy()
                to[d] += s
                if not 0 <= to[d] < mask.shape[d] or not mask[tuple(to)]:
                    out.append(tuple(at))
    return np.array(sorted(set(out)), float).reshape(-1, 3)


def surface(pred, ref, spacing, tolerance):
    """HD95 and surface Dice of two masks."""
    a, b = boundary(pred) * spacing, boundary(ref) * spacing
    if not len(a) and not len(b):
        return float("nan"), float("nan")
    if not len(a) or not len(b):
        return float("inf"), 0.0
    d = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))
    d = np.concatenate([d.min(1), d.min(0)])
    return float(np.percentile(d, 95)), float((d <= tolerance * (1 + 1e-6)).mean())


# ---- contract 6.1 ----

def components(mask):
    """Lists of voxels, by flooding over all neighbours."""
    left, out = {tuple(v) for v in np.argwhere(mask)}, []
    while left:
        todo = [min(left)]
        left.discard(todo[0])
        for at in todo:
            for d in itertools.product((-1, 0, 1), repeat=3):
                to = tuple(np.add(at, d))
                if to in left:
                    left.discard(to)
                    todo.append(to)
        out.append(todo)
    return out


def keep_largest(a, values):
    a = a.copy()
    parts = components(np.isin(a, values))
    for part in parts:
        if len(part) < max(map(len, parts)):
            a[tuple(np.transpose(part))] = 0
    return a


def same(a, b, what=""):
    """Equal JSON: keys and their order, types, numbers to 1e-9."""
    assert type(a) is type(b), (what, a, b)
    if isinstance(a, dict):
        assert list(a) == list(b), (what, list(a), list(b))
        for k in a:
            same(a[k], b[k], f"{what}.{k}")
    elif isinstance(a, list):
        assert len(a) == len(b), (what, a, b)
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{what}[{i}]")
    elif isinstance(a, float):
        assert a == b or (a != a and b != b) or abs(a - b) <= 1e-9 * max(1, abs(b)), (what, a, b)
    else:
        assert a == b, (what, a, b)
