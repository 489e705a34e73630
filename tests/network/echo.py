"""usage: echo.py COUNT: networks that round their input, see echo.t."""
import os
import subprocess
import sys
from itertools import permutations

import numpy as np

sys.path.insert(0, os.path.join(os.environ["TESTS"], "network"))
import planned  # noqa: E402
from compare import frames  # noqa: E402

SLOPE = 6.0


def run(command, source, target):
    with open(source, "rb") as i, open(target, "wb") as o:
        subprocess.run(command, stdin=i, stdout=o, check=True)
    return list(frames(open(target, "rb")))


def volume(r, p, shape):
    """Values around 0 .. classes-1 in the first channel, in a box with nothing around it: image, box."""
    lo = [int(r.integers(0, max(1, n // 3))) for n in shape]
    hi = [n - int(r.integers(0, max(1, (n - l) // 2))) for n, l in zip(shape, lo)]
    box = tuple(slice(l, h) for l, h in zip(lo, hi))
    image = np.zeros((p["inputs"], *shape), "<f4")
    inner = image[(slice(None), *box)]
    inner[...] = np.abs(r.integers(0, p["classes"], inner.shape) + r.uniform(-0.3, 0.3, inner.shape))
    for corner in (0, -1):                      # whatever is drawn, the box is as large as this
        inner[(slice(None), *[corner] * 3)] = 1
    return image, box


def one(seed):
    r = np.random.default_rng(seed)
    p = planned.plan(r, 2 if seed % 3 == 2 else 3, 1500, norm="BatchNorm")
    p.update(schemes=["NoNormalization"] * p["inputs"], transpose=list(permutations(range(3)))[seed % 6])
    checkpoint, = planned.model("model", p, echo=planned.echo(p, planned.weights(r, p), SLOPE))
    patch = [2] * (3 - p["dims"]) + p["patch"]
    cases = {}
    for name, low, high in (("small", 0.4, 1), ("large", 1, 1.9)):
        shape, spacing = planned.source(p, [max(1, int(n * r.uniform(low, high))) for n in patch])
        cases[name] = volume(r, p, shape)
    planned.images("images.frames", {k: image for k, (image, _) in cases.items()}, spacing)

    # To the network: the box, its axes in another order, nothing else.
    for head, ((_, got),) in run(["normalize", "model"], "images.frames", "in.frames"):
        image, box = cases[head["case"]]
        want = image[(slice(None), *box)].transpose(0, *[1 + i for i in p["transpose"]])
        assert got.shape == want.shape and (got == want).all(), (seed, head["case"], "normalize changes values")

    # And back: probabilities and labels where the image has them.
    for options in ([], ["--parity"], ["--step-size", "0.9", "--disable-tta"]):
        got = run(["infer-checkpoint", *options, checkpoint], "in.frames", "probs.frames")
        labels = run(["segment", "-d"], "probs.frames", "labels.frames")
        for (head, ((_, q),)), (_, ((_, label),)) in zip(got, labels, strict=True):
            image, box = cases[head["case"]]
            k = np.arange(p["classes"])[:, None, None, None]
            logits = SLOPE * (k * image[:1].astype("f8") - k * k / 2)
            want = np.zeros(q.shape)
            want[0] = 1
            inside = (slice(None), *box)
            e = np.exp(logits[inside] - logits[inside].max(0))
            want[inside] = e / e.sum(0)
            off = np.abs(q - want)
            what = (seed, head["case"], options, p)
            # Logits go up to 100, whence 1e-4; half-precision sums of tiny weights are off by whole logits, less than changes a label.
            assert off.max() <= 1e-4 or "--parity" in options, (off.max(), *what)
            off[inside] = 0
            assert off.max() == 0, ("outside the box", *what)
            assert label.shape[1:] == image.shape[1:] and (label[0] == np.rint(image[0])).all(), ("labels", *what)
    for options in ([], ["--step-size", "0.3", "--disable-tta"], ["--average-logits"]):
        for head, ((_, label),) in run(["infer-checkpoint", "--emit", "label", *options, checkpoint], "in.frames", "labels.frames"):
            assert (label == np.rint(cases[head["case"]][0][:1])).all(), ("labels row by row", seed, head["case"], options, p)
    return p


def put(path, image, p, forward, flip):
    """One input of the network, as it would come from a file with its axes in another order or turned round."""
    original = [image.shape[1 + i] for i in np.argsort(forward)]
    spacing = [1.0, 1.0, 1.0]
    grids = {"original": original, "spacing_mm": spacing, "transpose_forward": list(forward), "flip": [int(f) for f in flip], "crop_lo": [0, 0, 0],
             "crop_hi": list(image.shape[1:]), "shape": list(image.shape[1:]), "network_spacing_mm": spacing}
    with open("in.frames", "rb") as f:
        head = next(frames(f))[0]
    with open(path, "wb") as f:
        planned.write(f, [{"case": "case", "spacing_mm": spacing, "slab": 1, **{k: head[k] for k in ("labels", "plan")},
                           "geometry": {"format": "nifti", "network": grids}, "layers": [({"kind": "image"}, image)]}])


def turned(seed):
    """Equal inputs from files of every orientation, dozens of windows each, so that planes leave from either end of every axis
    while windows are to come.  --parity takes windows in nnU-Net's order and then puts planes back: equal bytes.  Otherwise sums
    are made in the order in which planes leave."""
    r = np.random.default_rng(seed)
    p = planned.plan(r, 3, 400)
    p.update(spacing=[1.0] * 3, transpose=[0, 1, 2], mirror=p["mirror"][:1])
    checkpoint, = planned.model("model", p, random=planned.weights(r, p))
    image = (r.standard_normal((p["inputs"], *[3 * n - int(r.integers(3)) for n in p["patch"]])) + 3).astype("<f4")
    planned.images("images.frames", {"case": image}, p["spacing"])
    run(["normalize", "model"], "images.frames", "in.frames")
    first = {}
    for forward in permutations(range(3)):
        for down in (False, True):
            flip = [bool(v) for v in r.integers(0, 2, 3)]
            flip[forward.index(0)] = down               # the network's axis that is z of the file
            put("turned.frames", image, p, forward, flip)
            for options in ((), ("--parity",)):
                (_, ((_, q),)), = run(["infer-checkpoint", *options, checkpoint], "turned.frames", "probs.frames")
                q = np.flip(q.transpose(0, *[1 + i for i in forward]), [1 + i for i in range(3) if flip[i]])
                want = first.setdefault(options, q)
                off = np.abs(q - want).max()
                assert off <= (0 if options else 1e-5), (seed, forward, flip, options, off, p)
    assert np.abs(first[()] - first[("--parity",)]).max() > 0


def main(count):
    done = [one(seed) for seed in range(int(count))]
    for seed in range(2):
        turned(1000 + seed)
    print(f"note: {count} networks that round: every label is where the image has it; 2 networks, their input from files turned in 12 ways")
    assert {tuple(p["transpose"]) for p in done} == set(permutations(range(3))) and {p["dims"] for p in done} == {2, 3}
    assert any(p["classes"] > p["features"][0] for p in done)


if __name__ == "__main__":
    main(*sys.argv[1:])
