"""agree.py A B SHARE ERROR: whether two streams hold the same layers but for the last bits: labels equal in more than SHARE of the voxels,
values within ERROR of the largest."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "network"))
from compare import frames

share, error = float(sys.argv[3]), float(sys.argv[4])
a, b = (list(frames(open(path, "rb"))) for path in sys.argv[1:3])
assert a and len(a) == len(b), f"{len(a)} and {len(b)} frames"
same, n, worst = 0, 0, 0.0
for x, y in zip(a, b):
    assert len(x[1]) == len(y[1]) and x[1], "other layers"
    for (_, u), (_, v) in zip(x[1], y[1]):
        assert u.shape == v.shape and np.isfinite(u).all(), "another shape, or values that are not finite"
        u, v = u.astype(np.float64), v.astype(np.float64)
        if u.shape[0] > 1:
            worst = max(worst, np.abs(u - v).max() / np.abs(v).max())
            u, v = u.argmax(0), v.argmax(0)
        same += (u == v).sum()
        n += u.size
print(f"note: {100 * same / n:.4f} % of {n} labels are equal, values within {worst:.1e} of the largest")
assert same >= share * n and worst <= error, "too far apart"
