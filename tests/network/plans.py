"""usage: plans.py COUNT: random plans through the programs, see plans.t."""
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.environ["TESTS"], "network"))
import planned  # noqa: E402
from compare import frames  # noqa: E402

TOLERANCE = 1e-4                # of the largest logit: two engines sum in another order


def infer(backend, checkpoints, *options):
    """{(case, checkpoint): logits [c, z, y, x]} on the network's grid."""
    with open("in.frames", "rb") as i, open("out.frames", "wb") as o:
        subprocess.run(["infer-checkpoint", "-d", backend, "--emit", "logits", "--grid", "network", *options, *checkpoints], stdin=i, stdout=o, check=True)
    return {(h["case"], l["member"]["name"]): a for h, layers in frames(open("out.frames", "rb")) for l, a in layers}


def shapes(r, p):
    """An image smaller than the patch and one larger, in part odd, in a few windows."""
    patch = [1] * (3 - p["dims"]) + p["patch"]
    small = [int(r.integers(max(1, n // 2), n + 1)) for n in patch]
    large = [n + int(r.integers(0, max(2, n))) for n in patch]
    if p["dims"] == 2:
        large[0] = 2
    while np.prod([1 + 2 * n // max(q, 2) for n, q in zip(large, patch)]) > 40:
        large[int(np.argmax(np.divide(large, patch)))] -= 1
    return {"small": small, "large": large}


def one(seed):
    r = np.random.default_rng(seed)
    p = planned.plan(r, 2 + seed % 2, 2500)
    w = planned.weights(r, p)
    checkpoints = planned.model("model", p, random=w, level=planned.level(p, w))
    cases = {}
    for name, shape in shapes(r, p).items():
        shape, spacing = planned.source(p, shape)
        cases[name] = r.standard_normal((p["inputs"], *shape)) * 50 + 100
    planned.images("images.frames", cases, spacing)
    with open("images.frames", "rb") as i, open("in.frames", "wb") as o:
        subprocess.run(["normalize", "model"], stdin=i, stdout=o, check=True)
    step = str(r.choice(["0.5", "0.7", "1"]))
    want, got = infer("ref", checkpoints, "--step-size", step), infer("cpu", checkpoints, "--step-size", step)
    bias = next(v for k, v in w.items() if k.endswith(f"seg_layers.{len(p['features']) - 2}.bias"))
    worst = 0.0
    assert len(want) == 4 and want.keys() == got.keys(), want.keys()
    for key in want:
        for values in (want[key], got[key]):
            # No voxel that no window covers, and weights that add up.
            off = np.abs(values - bias[:, None, None, None]).max() if key[1] == "level" else 0
            assert np.isfinite(values).all() and off <= 1e-5 * np.abs(bias).max(), (seed, key, off, p)
        off = np.abs(want[key] - got[key]).max() / np.abs(want[key]).max()
        assert off <= TOLERANCE, (seed, key, off, p)
        assert key[1] == "level" or want[key].std() > 1e-3, (seed, key, "all logits are equal")
        worst = max(worst, off)
    return p, worst


def main(count):
    done = [one(seed) for seed in range(int(count))]
    print(f"note: {count} random plans: cpu differs from ref by {max(w for _, w in done):.1e} of the largest logit at most")
    has = {"2 dimensions": sum(p["dims"] == 2 for p, _ in done), "residual": sum(p["resenc"] for p, _ in done), "flat plans": sum(p["flat"] for p, _ in done),
           "batch norm": sum(p["norm"] == "BatchNorm" for p, _ in done), "one head": sum(p["deep_supervision"] is False for p, _ in done),
           "flat kernels": sum(any(1 in k for k in p["kernels"]) for p, _ in done), "more classes than features": sum(p["classes"] > p["features"][0] for p, _ in done),
           "uneven strides": sum(any(1 in s and 2 in s for s in p["strides"]) for p, _ in done)}
    assert min(has.values()) >= 1, has


if __name__ == "__main__":
    main(*sys.argv[1:])
