#!/usr/bin/python3
"""usage: make.py KIND [slab=PLANES] [rows=ROWS] [values=FILE] > STREAM: streams for tests, made with msgpack and numpy alone.

values: a file that gets offset and length of each bin's content."""
import sys

import msgpack
import numpy as np


def write(out, frames, cases=None):
    """frames: dicts of header keys, plus layers: list of (map, array [channels, z, y, x]), slab: planes, closing: map.
    Returns where the values are: a list of (offset, length)."""
    failed, at, values = 0, 0, []

    def put(o):
        nonlocal at
        b = msgpack.packb(o)
        out.write(b)
        at += len(b)
        if isinstance(o, bytes):
            values.append((at - len(o), len(o)))

    put({"qualm": 1, "history": ["make.py"], **({"cases": cases} if cases is not None else {})})
    for f in frames:
        layers, dz, closing = f.get("layers", []), f.get("slab", 1), f.get("closing", {})
        head = {k: v for k, v in f.items() if k not in ("layers", "slab", "closing", "rows")}
        if "failed" in f:
            failed += 1
            put(head)
        else:
            shape = layers[0][1].shape[1:] if layers else f.get("shape", (1, 1, 1))
            dy = f.get("rows", shape[1])
            put({**head, "shape": list(shape), "spacing_mm": f.get("spacing_mm", [3.0, 1.5, 0.75]), "slab": [dz, dy],
                 "layers": [{"kind": "x", **m, "type": a.dtype.str, "channels": a.shape[0]} for m, a in layers]})
            for z in range(0, shape[0], dz):
                for y in range(0, shape[1], dy):
                    for _, a in layers:
                        put(np.ascontiguousarray(a[:, z:z + dz, y:y + dy]).tobytes())
        put(closing)
    put({"end": True, "frames": len(frames), "failed": failed})
    return values


def small():
    """Two cases of two layers each, with members, scores, flags and keys that no program knows."""
    r = np.random.default_rng(1)
    labels = {"background": 0, "LV": 1, "myocardium": 2}
    frames = []
    for name, (z, y, x), dz in (("a", (3, 3, 2), 2), ("b", (1, 4, 3), 1)):
        p = r.random((3, z, y, x)).astype("<f4")
        p /= p.sum(0)
        frames.append({"case": name, "labels": labels, "plan": {"hash": "1a2b", "configuration": "2d"},
                       "unknown": [1, None, -3, 2.5, b"\0\1"], "slab": dz,
                       "layers": [({"kind": "probs", "activation": "softmax", "member": {"name": "m1", "index": 1, "of": 2}}, p),
                                  ({"kind": "label"}, p.argmax(0)[None].astype("|u1"))],
                       "closing": {"scores": {"class_entropy": 0.25}, "flags": ["empty_mask"], "other": {"k": "v"}}})
    return frames


def types():
    """Every type a layer may have, in two slabs."""
    r = np.random.default_rng(2)
    layers = []
    for t in ("<f4", "<f2", "|u1", "<u2", "<i2", "<i4"):
        a = r.integers(0, 120, (2, 4, 5, 6)).astype(t) if t != "<i4" else r.integers(-2**31, 2**31, (2, 4, 5, 6)).astype(t)
        layers.append(({"kind": "t_" + t[1:]}, a))
    return [{"case": "types", "slab": 3, "layers": layers}]


def page():
    """The stream whose dump frame(5) shows."""
    label = np.array([[[[0, 1, 1], [0, 2, 1]]]], "|u1")
    entropy = np.array([[[[0, 0.5, 0.25], [0, 1.5, 1]]]], "<f4")
    return [{"case": "a", "labels": {"background": 0, "LV": 1, "myocardium": 2}, "spacing_mm": [8.0, 1.25, 1.25],
             "layers": [({"kind": "label"}, label), ({"kind": "class_entropy", "base": "2"}, entropy)],
             "closing": {"scores": {"class_entropy": 0.5}, "flags": []}},
            {"case": "b", "failed": {"stage": "decode", "reason": "b_0000.png is truncated"}}]


def failing():
    return [small()[0], {"case": "bad", "failed": {"stage": "decode", "reason": "no such file"}}, small()[1]]


if __name__ == "__main__":
    kind, args = sys.argv[1], dict(a.split("=") for a in sys.argv[2:])
    frames = {"small": small, "types": types, "failing": failing, "page": page}[kind]()
    for f in frames:
        if "slab" in args and "layers" in f:
            f["slab"] = min(int(args["slab"]), f["layers"][0][1].shape[1])
        if "rows" in args and "layers" in f:
            f["slab"], f["rows"] = 1, int(args["rows"])
    values = write(sys.stdout.buffer, frames, cases=len(frames))
    if "values" in args:
        with open(args["values"], "w") as f:
            f.writelines("%d %d\n" % v for v in values)
