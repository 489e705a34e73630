"""Streams of patches as sample-patches writes them, and what comes out of a program."""
import io
import subprocess

import msgpack
import numpy as np


def stream(patches):
    """patches: [(image [c,z,y,x], label [z,y,x] with -1 outside, keys of sample)]."""
    out = [msgpack.packb({"qualm": 1, "history": []})]
    for i, (image, label, sample) in enumerate(patches):
        z, y, x = label.shape
        kinds = {"image": ("<f4", image), "label": ("<u2", np.maximum(label, 0)[None]), "outside": ("|u1", (label < 0)[None])}
        sample = {"number": [0, 0, i], "final": sample["final"], **sample}
        out.append(msgpack.packb({"case": f"p{i}", "shape": [z, y, x], "spacing_mm": [1.0, 1.0, 1.0], "slab": [z, y], "sample": sample,
                                  "layers": [{"kind": k, "type": t, "channels": len(a)} for k, (t, a) in kinds.items()]}))
        out += [msgpack.packb(np.ascontiguousarray(a, t).tobytes()) for t, a in kinds.values()]
        out.append(msgpack.packb({}))
    out.append(msgpack.packb({"end": True, "frames": len(patches), "failed": 0}))
    return b"".join(out)


def frames(data):
    """[(header, {kind: array [c,z,y,x]})]"""
    u = msgpack.Unpacker(io.BytesIO(data), max_buffer_size=0, strict_map_key=False)
    u.unpack()
    out = []
    while True:
        h = u.unpack()
        if "end" in h:
            return out
        layers = h.get("layers", [])
        parts = {layer["kind"]: [] for layer in layers}
        for _ in range(-(-h["shape"][0] // h["slab"][0]) if layers else 0):
            for layer in layers:
                parts[layer["kind"]].append(np.frombuffer(u.unpack(), layer["type"]).reshape(layer["channels"], -1, *h["shape"][1:]))
        u.unpack()
        out.append((h, {k: np.concatenate(v, 1) for k, v in parts.items()}))


def body(data):
    """The stream without its header, which names the command."""
    u = msgpack.Unpacker(io.BytesIO(data), max_buffer_size=0)
    u.unpack()
    return data[u.tell():]


def run(data, *argv, status=0):
    p = subprocess.run(argv, input=data, capture_output=True)
    assert p.returncode == status, (argv, p.returncode, p.stderr)
    return p.stdout if not status else p.stderr.decode()
