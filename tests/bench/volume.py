#!/usr/bin/python3
"""usage: volume.py FILE.nii.gz X,Y,Z: a made-up CT volume of 1 mm, noise over blocks of a few shades, 16 bits a voxel."""
import gzip
import os
import struct
import sys
import numpy as np
path, (x, y, z) = sys.argv[1], (int(n) for n in sys.argv[2].split(","))
os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
header = struct.pack("<i35xb8h14x2h2x8f3f2b", 348, 0, 3, x, y, z, 1, 1, 1, 1, 4, 16, 1, 1, 1, 1, 0, 0, 0, 0, 352, 1, 0, 0, 2)
header += bytes(252 - len(header)) + struct.pack("<2h6f12f", 0, 1, *[0] * 6, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
header += bytes(344 - len(header)) + b"n+1\0" + bytes(4)
r = np.random.default_rng(1)
blocks = r.integers(-500, 500, (z // 16 + 1, y // 16 + 1, x // 16 + 1))
with gzip.open(path, "wb", compresslevel=1) as f:
    f.write(header)
    for k in range(z):
        plane = np.repeat(np.repeat(blocks[k // 16], 16, 0), 16, 1)[:y, :x] + r.integers(-60, 60, (y, x))
        f.write(plane.astype("<i2").tobytes())
