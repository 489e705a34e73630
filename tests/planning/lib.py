"""What the tests of planning share: running programs, raw data sets, files made without the code under test."""
import gzip
import json
import os
import struct
import subprocess
import zlib

import numpy as np

SHARED = os.environ.get("SHARED", "")


def run(*argv, code=0, **env):
    """stdout of a program that must end with this code; of one that fails, what it says on stderr."""
    p = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **env})
    assert p.returncode == code, (argv, p.returncode, p.stderr)
    return p.stderr if code else p.stdout


def read(path):
    with open(path) as f:
        return json.load(f)


def save(path, o):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as f:
        json.dump(o, f)


def same(a, b, what="", relative=1e-6):
    """Equal JSON: keys and their order, types, numbers to 1e-6 of their size."""
    assert type(a) is type(b), (what, a, b)
    if isinstance(a, dict):
        assert list(a) == list(b), (what, list(a), list(b))
        for k in a:
            same(a[k], b[k], f"{what}.{k}", relative)
    elif isinstance(a, list):
        assert len(a) == len(b), (what, a, b)
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{what}[{i}]", relative)
    elif isinstance(a, float):
        assert a == b or abs(a - b) <= relative * abs(b), (what, a, b)
    else:
        assert a == b, (what, a, b)


def nifti(path, a, spacing=(1, 1, 1), origin=(0, 0, 0), axes=None):
    """A NIfTI-1 file of [z, y, x] uint8, int16 or float32; spacing z, y, x; axes: columns of the affine in RAS, x first."""
    h = bytearray(352)
    kind = {"u1": (2, 8), "i2": (4, 16), "f4": (16, 32)}[a.dtype.str[1:]]
    axes = np.diag([-1, -1, 1]) if axes is None else np.array(axes)
    struct.pack_into("<i", h, 0, 348)
    struct.pack_into("<8h", h, 40, 3, *a.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", h, 70, *kind)
    struct.pack_into("<8f", h, 76, 1, *spacing[::-1], 0, 0, 0, 0)
    struct.pack_into("<3f", h, 108, 352, 1, 0)
    h[123] = 2
    struct.pack_into("<2h", h, 252, 0, 1)
    for i in range(3):
        struct.pack_into("<4f", h, 280 + 16 * i, *(axes[i] * np.array(spacing[::-1])), origin[i])
    h[344:348] = b"n+1\0"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with (gzip.open(path, "wb", compresslevel=1) if path.endswith(".gz") else open(path, "wb")) as f:
        f.write(bytes(h) + np.ascontiguousarray(a).tobytes())


def png(path, a):
    """An 8-bit grey PNG of [y, x]."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + r.tobytes() for r in a.astype("u1"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", a.shape[1], a.shape[0], 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def dataset(folder, n, channels=("MRI",), labels=None, ending=".nii.gz", **more):
    save(f"{folder}/dataset.json", {"channel_names": {str(i): c for i, c in enumerate(channels)},
                                    "labels": labels or {"background": 0, "a": 1, "b": 2},
                                    "numTraining": n, "file_ending": ending, **more})
