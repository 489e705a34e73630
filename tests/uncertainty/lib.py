"""Streams for the tests of this folder, and the formulas of the documented scores in plain numpy (float64)."""
import math
import os
import sys

import msgpack
import numpy as np

sys.path.insert(0, os.path.join(os.environ["TESTS"], "stream"))
from make import write  # noqa: E402

SHARED = os.environ.get("SHARED", "")


def read(path):
    """All frames of a stream: dicts of the header's keys, layers {kind: [(map, array [c, z, y, x])]}, scores, flags."""
    frames = []
    with open(path, "rb") as f:
        it = msgpack.Unpacker(f, max_buffer_size=0)
        next(it)
        for head in it:
            if "end" in head:
                assert head["frames"] == len(frames)
                return frames
            layers = {}
            if "failed" not in head:
                z, y, x = head["shape"]
                arrays = [np.empty((m["channels"], z, y, x), m["type"]) for m in head["layers"]]
                dz, dy = head["slab"]
                for k in range(0, z, dz):
                    for j in range(0, y, dy):
                        for a in arrays:
                            s = a[:, k:k + dz, j:j + dy]
                            s[...] = np.frombuffer(next(it), a.dtype).reshape(s.shape)
                for m, a in zip(head["layers"], arrays):
                    layers.setdefault(m["kind"], []).append((m, a))
            closing = next(it)
            frames.append({**head, "data": layers, "scores": closing.get("scores", {}), "flags": closing.get("flags", []), "closing": closing})
    raise AssertionError("no trailer")


def member(p, name, index, of, sigmoid=False, weights=None):
    m = {"name": name, "index": index, "of": of, **({"weights": weights} if weights else {})}
    return ({"kind": "probs", "activation": "sigmoid" if sigmoid else "softmax", "member": m}, np.ascontiguousarray(p, "<f4"))


def case(name, members, labels=None, sigmoid=False, **more):
    """A frame of members [M, C, z, y, x]."""
    n = len(members)
    layers = [member(p, f"m{i + 1}", i + 1, n, sigmoid) for i, p in enumerate(members)]
    head = {"case": name, "layers": layers, "slab": members[0].shape[1], **more}
    if labels:
        head["labels"] = labels
    return head


def save(path, frames):
    with open(path, "wb") as f:
        write(f, frames)


def golden_members(name):
    """Cases of predict/NAME_2d_members: {case: [(checkpoint, probabilities [C, z, y, x])]}, checkpoints in order."""
    folder = f"{SHARED}/golden/predict/{name}_2d_members"
    checkpoints = sorted(os.listdir(folder))
    cases = sorted(f[:-4] for f in os.listdir(f"{folder}/{checkpoints[0]}") if f.endswith(".npz"))
    return {c: [(k, np.load(f"{folder}/{k}/{c}.npz")["probabilities"]) for k in checkpoints] for c in cases}


def table(path):
    """A TSV as {first cell: {column: text}}."""
    rows = [line.rstrip("\n").split("\t") for line in open(path)]
    assert all(len(r) == len(rows[0]) for r in rows), path
    return {r[0]: dict(zip(rows[0], r)) for r in rows[1:]}


# ---- formulas, P: [M, C, z, y, x] in float64 ----

def plogp(p):
    return np.where(p > 0, -p * np.log2(np.where(p > 0, p, 1)), 0)


def entropy(p, axis, sigmoid):
    return (plogp(p) + plogp(1 - p)).max(axis) if sigmoid else plogp(p).sum(axis)


def class_entropy(P, sigmoid=False):
    return entropy(P.mean(0), 0, sigmoid)


def expected_entropy(P, sigmoid=False):
    return (plogp(P) + plogp(1 - P)).mean(0).max(0) if sigmoid else plogp(P).sum(1).mean(0)


def total_entropy(P, sigmoid=False):
    return plogp(P if sigmoid else P[:, 1:]).sum((0, 1))


def student_tail(t, df):
    """P(|T| >= t) for whole df by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    theta = math.atan(t / math.sqrt(df))
    c, s = math.cos(theta), math.sin(theta)
    if df % 2:
        term, total = c, 0.0
        for k in range(1, df - 1, 2):
            total += term
            term *= c * c * (k + 1) / (k + 2)
        return 1 - 2 / math.pi * (theta + s * total)
    term, total = 1.0, 0.0
    for k in range(0, df, 2):
        total += term
        term *= c * c * (k + 1) / (k + 2)
    return 1 - s * total


def foreground(P, sigmoid=False):
    """[M, 2, z, y, x]: background and foreground."""
    fg = P.max(1) if sigmoid else P[:, 1:].sum(1)
    return np.stack([1 - fg if sigmoid else P[:, 0], fg], 1)


def contour(mask):
    """Dilation by eight neighbours in each slice, without the mask; written out voxel by voxel. mask: [z, y, x]."""
    out = np.zeros_like(mask)
    for z, y, x in np.argwhere(mask):
        out[z, max(y - 1, 0):y + 2, max(x - 1, 0):x + 2] = True
    return out & ~mask


def segmentation(mean, order=None):
    """mean: [C, z, y, x]; order: regions_class_order."""
    if order is None:
        return mean.argmax(0)
    out = np.zeros(mean.shape[1:], int)
    for p, value in zip(mean, order):
        out[p > 0.5] = value
    return out


def dice(a, b):
    s = a.sum() + b.sum()
    return float("nan") if s == 0 else 2 * (a & b).sum() / s


def close(a, b, tolerance, what):
    a, b = float(a), float(b)
    same = (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= tolerance * max(abs(b), 1e-300)
    assert same, f"{what}: {a!r} where {b!r} is expected"


def run(command, expect=0, **env):
    """A shell command; its standard error, of one line when it fails."""
    import subprocess
    r = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={**os.environ, **env})
    assert r.returncode == expect, f"{command}: status {r.returncode} where {expect} is expected: {r.stderr}"
    return r.stderr


def png(path, a):
    """An 8-bit grey PNG of [y, x]."""
    import struct
    import zlib
    chunk = lambda t, d: struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
    rows = b"".join(b"\0" + row.tobytes() for row in a.astype("|u1"))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def nifti(path, a, spacing):
    """A NIfTI-1 file of [z, y, x] uint8; spacing z, y, x."""
    import struct
    h = bytearray(352)
    struct.pack_into("<i", h, 0, 348)
    struct.pack_into("<8h", h, 40, 3, a.shape[2], a.shape[1], a.shape[0], 1, 1, 1, 1)
    struct.pack_into("<2h", h, 70, 2, 8)
    struct.pack_into("<8f", h, 76, 1, spacing[2], spacing[1], spacing[0], 0, 0, 0, 0)
    struct.pack_into("<3f", h, 108, 352, 1, 0)
    h[123] = 2
    struct.pack_into("<2h", h, 252, 1, 0)
    h[344:348] = b"n+1\0"
    with open(path, "wb") as f:
        f.write(bytes(h) + a.astype("|u1").tobytes())
