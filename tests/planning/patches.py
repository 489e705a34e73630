"""sample-patches against contract 2.6 and 8.3 in numpy, on images whose voxels say where they are."""
import collections
import io
import os
import subprocess
import sys

import msgpack
import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import dataset, nifti, read, run, save  # noqa: E402

rng = np.random.default_rng(11)


def frames(*argv):
    """[(header, {kind: array})] of the stream that sample-patches writes, and its bytes after the header of the stream."""
    p = subprocess.run(["sample-patches", "-o", "out", *argv], capture_output=True)
    assert p.returncode == 0, p.stderr
    u = msgpack.Unpacker(io.BytesIO(p.stdout), max_buffer_size=0, strict_map_key=False)
    u.unpack()
    out, begin = [], u.tell()
    while True:
        h = u.unpack()
        if "end" in h:
            return out, p.stdout[begin:]
        z, y, x = h["shape"]
        parts = {layer["kind"]: [] for layer in h["layers"]}
        for _ in range(-(-z // h["slab"][0])):
            for layer in h["layers"]:
                parts[layer["kind"]].append(np.frombuffer(u.unpack(), layer["type"]).reshape(layer["channels"], -1, y, x))
        u.unpack()
        out.append((h, {k: np.concatenate(v, 1) for k, v in parts.items()}))


def make(name, cases, labels, patch, batch, spacing=(1, 1, 1), **more):
    """A data set without normalisation or resampling, and plans of that patch."""
    raw = f"raw/{name}"
    for case, (image, label) in cases.items():
        for c, x in enumerate(image):
            nifti(f"{raw}/imagesTr/{case}_{c:04d}.nii.gz", x, spacing)
        nifti(f"{raw}/labelsTr/{case}.nii.gz", label, spacing)
    dataset(raw, len(cases), ("noNorm",) * len(image), labels, **more)
    save("out/dataset_fingerprint.json", {
        "foreground_intensity_properties_per_channel": {str(c): dict.fromkeys(("mean", "std", "percentile_00_5", "percentile_99_5"), 1.0)
                                                        for c in range(len(image))},
        "median_relative_size_after_cropping": 1.0, "shapes_after_crop": [[16, 32, 32]], "spacings": [list(map(float, spacing))]})
    run("plan", "-o", "out", raw)
    plans = read("out/nnUNetPlans.json")
    c = plans["configurations"]
    c["mine"] = {"inherits_from": "3d_fullres" if len(patch) == 3 else "2d", "patch_size": patch, "batch_size": batch}
    c["next"] = {"inherits_from": "mine", "previous_stage": "mine"}
    save("out/nnUNetPlans.json", plans)
    return raw


def case(shape, start, p=(0.9, 0.06, 0.04)):
    """Every voxel another number: of the case in millions, of the place below; the second channel its negative."""
    image = start + 1 + np.arange(np.prod(shape), dtype="f4").reshape(shape)
    return np.stack([image, -image]), rng.choice(np.arange(len(p)).astype("u1"), shape, p=p)


def initial(patch):
    """nnU-Net's initial patch, with the matrices written out."""
    three = len(patch) == 3
    flat = three and max(patch) / patch[0] > 3
    limit = np.pi / 6 if three and not flat else np.pi / 12 if not three and max(patch) / min(patch) > 1.5 else np.pi / 2
    c, s = np.cos(limit), np.sin(limit)
    turns = [[[1, 0, 0], [0, c, -s], [0, s, c]], [[c, 0, s], [0, 1, 0], [-s, 0, c]], [[c, -s, 0], [s, c, 0], [0, 0, 1]]] if three else [[[c, -s], [s, c]]]
    size = np.array(patch, float)
    for r in turns:
        size = np.maximum(size, abs(np.array(patch) @ np.array(r)))
    size = (size / 0.85).astype(int)
    if flat:
        size[0] = patch[0]
    return [1] * (3 - len(patch)) + size.tolist()


def bounds(shape, patch, final):
    need = [max(p - f, p - s) for p, f, s in zip(patch, final, shape)]
    return [-n // 2 for n in need], [s + n // 2 + n % 2 - p for s, n, p in zip(shape, need, patch)]


def padded(a, begin, patch, fill):
    out = np.full((*a.shape[:-3], *patch), fill, a.dtype)
    lo = [max(0, -b) for b in begin]
    hi = [min(p, s - b) for p, s, b in zip(patch, a.shape[-3:], begin)]
    if all(x < y for x, y in zip(lo, hi)):
        out[(..., *(slice(x, y) for x, y in zip(lo, hi)))] = a[(..., *(slice(x + b, y + b) for x, y, b in zip(lo, hi, begin)))]
    return out


def check(got, cases, final, patch, channels=None):
    """What every patch owes; how often which case and structure came."""
    n = collections.Counter()
    for h, layer in got:
        s = h["sample"]
        image, label = channels(s["case"]) if channels else cases[s["case"]][0], cases[s["case"]][1]
        assert h["shape"] == list(patch) and s["final"] == [1] * (3 - len(final)) + list(final), h
        assert h["case"] == "e%04d_i%04d_s%03d_%s" % (*s["number"], s["case"])
        assert (layer["image"] == padded(image, s["begin"], patch, 0)).all()
        assert (layer["label"][0] == padded(label, s["begin"], patch, 0)).all()
        assert (layer["outside"][0] == padded(np.zeros_like(label), s["begin"], patch, 1)).all()
        lo, hi = bounds(label.shape, patch, s["final"])
        assert all(b >= x for b, x in zip(s["begin"], lo)), (s, lo)
        if not s["structure"]:
            assert all(b <= y for b, y in zip(s["begin"], hi)), (s, hi)
        n[s["case"]] += 1
        n["structure " + s["structure"]] += 1
    return n


def near(n, total, share):
    """A count within 5 standard deviations."""
    assert abs(n - total * share) < 5 * np.sqrt(total * share * (1 - share)) + 1e-9, (n, total * share)


# ---- sizes, cases, foreground ----

labels = {"background": 0, "a": 1, "b": 2}
cases = {"one": case((9, 21, 30), 0), "small": case((3, 8, 9), 1e6), "none": case((8, 16, 20), 2e6, (1, 0, 0)), "only_b": case((8, 20, 22), 3e6, (0.9, 0, 0.1))}
raw = make("Dataset001_Plain", cases, labels, [8, 16, 16], 12)
patch = initial([8, 16, 16])
got, whole = frames("-c", "mine", "-f", "all", "-i", "30", "--epochs", "2", "-j", "3", raw)
n = check(got, cases, [8, 16, 16], patch)
total = 2 * 30 * 12
for name in cases:
    near(n[name], total, 1 / 4)
forced = 2 * 30 * 4                                       # round(12 * 0.67) = 8 samples of a batch come first
near(n["structure a"], forced, 1 / 4)
near(n["structure b"], forced, 1 / 2)
near(n["structure "], total, 8 / 12 + 4 / 12 / 4)         # those not forced, and a case without foreground
half = [(h, p) for h, p in got if h["sample"]["number"][0] == 1]
for h, _ in got:
    s = h["sample"]
    assert (s["structure"] == "") == (s["number"][2] < 8 or s["case"] == "none"), s
    if s["structure"]:
        label = cases[s["case"]][1]
        lo = bounds(label.shape, patch, [8, 16, 16])[0]
        voxels = np.argwhere(label == labels[s["structure"]])
        assert any(s["begin"] == np.maximum(lo, v - np.array(patch) // 2).tolist() for v in voxels), s
for d in range(3):                                        # places without foreground are spread evenly over their range
    lo, hi = (b[d] for b in bounds((9, 21, 30), patch, [8, 16, 16]))
    at = [h["sample"]["begin"][d] for h, _ in got if h["sample"]["case"] == "one" and not h["sample"]["structure"]]
    near(sum(a <= (lo + hi) // 2 for a in at), len(at), ((lo + hi) // 2 - lo + 1) / (hi - lo + 1))
    assert min(at) == lo and max(at) == hi

# The same bytes by any number of threads, from the second epoch on; others for another seed.
assert frames("-c", "mine", "-f", "all", "-i", "30", "--epochs", "2", "-j", "1", raw)[1] == whole
later = frames("-c", "mine", "-f", "all", "-i", "30", "-e", "1", raw)[0]
assert [(h["case"], p["image"].tobytes()) for h, p in later] == [(h["case"], p["image"].tobytes()) for h, p in half]
assert [h["case"] for h, _ in frames("-c", "mine", "-f", "all", "-i", "30", "-e", "1", "--seed", "1", raw)[0]] != [h["case"] for h, _ in half]

# Folds, validation, share of foreground, planes of volumes.
save("out/splits_final.json", [{"train": ["one"], "val": ["small"]}, {"train": ["small", "one"], "val": ["only_b"]}])
assert set(check(frames("-c", "mine", "-i", "3", raw)[0], cases, [8, 16, 16], patch)) & set(cases) == {"one"}
assert set(check(frames("-c", "mine", "-i", "9", "-f", "1", raw)[0], cases, [8, 16, 16], patch)) & set(cases) == {"one", "small"}
n = check(frames("-c", "mine", "-i", "9", "-f", "1", "--validation", "--oversample", "1", "-b", "2", raw)[0], cases, [8, 16, 16], [8, 16, 16])
assert n == {"only_b": 18, "structure b": 18}
for size in [16, 16], [24, 16], [32, 16], [56, 40]:
    make("Dataset001_Plain", cases, labels, size, 5)
    n = check(frames("-c", "mine", "-f", "all", "-i", "12", raw)[0], cases, size, initial(size))
    assert n["structure a"] + n["structure b"] <= 12 * 2 and n["structure "] >= 12 * 3
assert initial([56, 40]) == [1, 65, 65] and initial([256, 256]) == [1, 301, 301] and initial([128] * 3) == [205] * 3
for size in [8, 16, 32], [16, 8, 8], [4, 16, 24]:
    make("Dataset001_Plain", cases, labels, size, 5)
    check(frames("-c", "mine", "-f", "all", "-i", "2", raw)[0], cases, size, initial(size))

# ---- at most 10,000 voxels of a class, chosen as numpy does; regions ----

big = {"big": case((20, 60, 60), 0, (0.5, 0.4, 0.1))}
raw = make("Dataset002_Regions", big, {"background": 0, "whole": [1, 2], "core": [2]}, [4, 8, 8], 2, regions_class_order=[1, 2])
label, patch = big["big"][1].ravel(), initial([4, 8, 8])
rs, kept = np.random.RandomState(1234), {}
for name, values in (("whole", [1, 2]), ("core", [2])):
    voxels = np.concatenate([np.flatnonzero(label == v) for v in values])
    kept[name] = {tuple(v) for v in np.stack(np.unravel_index(voxels[rs.choice(len(voxels), min(len(voxels), 10000), replace=False)], (20, 60, 60)), 1).tolist()}
got = frames("-c", "mine", "-f", "all", "-i", "150", "--oversample", "1", raw)[0]
n = check(got, big, [4, 8, 8], patch)
near(n["structure whole"], 300, 1 / 2)
inner = 0
for h, _ in got:
    s, lo = h["sample"], bounds((20, 60, 60), patch, [4, 8, 8])[0]
    if all(b > x for b, x in zip(s["begin"], lo)):        # not moved to the border: the voxel is known
        inner += 1
        assert tuple(b + p // 2 for b, p in zip(s["begin"], patch)) in kept[s["structure"]], s
assert inner > 100

# ---- ignore label: whatever is not forced is placed by annotated voxels ----

image, label = case((6, 30, 30), 0, (0.0, 0.0, 0.0, 1.0))
label[2:4, 10:13, 20:22] = 0
label[3, 11, 21] = 1
scribble = {"s": (image, label)}
raw = make("Dataset003_Ignore", scribble, {"background": 0, "a": 1, "b": 2, "ignore": 3}, [2, 4, 4], 3)
patch = initial([2, 4, 4])
for h, _ in frames("-c", "mine", "-f", "all", "-i", "20", raw)[0]:
    s = h["sample"]
    assert s["structure"] == ("annotated" if s["number"][2] < 2 else "a"), s
    centre = tuple(b + p // 2 for b, p in zip(s["begin"], patch))
    assert label[centre] != 3 if s["structure"] == "annotated" else centre == (3, 11, 21), s

# ---- cascade: the previous stage's labels as further channels; crop; coarser voxels ----

raw = make("Dataset001_Plain", cases, labels, [8, 16, 16], 3)
before = {k: rng.choice(np.arange(3).astype("u1"), v[1].shape) for k, v in cases.items()}
for k, a in before.items():
    nifti(f"before/{k}.nii.gz", a)
check(frames("-c", "next", "-f", "all", "-i", "4", "--previous", "before", raw)[0], cases, [8, 16, 16], initial([8, 16, 16]),
      lambda k: np.concatenate([cases[k][0], [before[k] == 1], [before[k] == 2]]))

image, label = case((6, 20, 22), 0, (0.5, 0.3, 0.2))
image[:, :, :5] = image[:, 0] = 0
image[:, 3, 8, 8:12] = 0                                  # a hole that is filled: inside
image[:, 2, 5:7, 9] = 0                                   # open to the side: outside where it is background
raw = make("Dataset004_Crop", {"c": (image, label)}, labels, [4, 8, 8], 4)
want = np.where((image[0] == 0) & (label == 0), 1, 0)[1:, 5:].astype("u1")
want[2, 3, 8:12] = 0
want = np.where(label[1:, 5:] > 0, 0, want)
for h, layer in frames("-c", "mine", "-f", "all", "-i", "4", raw)[0]:
    assert (layer["outside"][0] == padded(want, h["sample"]["begin"], h["shape"], 1)).all(), h["sample"]
    assert (layer["label"][0] == padded(label[1:, 5:], h["sample"]["begin"], h["shape"], 0)).all()

# A z-score within a mask is the one that the first stage was trained with: what is labelled is inside, what was predicted is not.
plans = read("out/nnUNetPlans.json")
plans["configurations"]["3d_fullres"].update(normalization_schemes=["ZScoreNormalization"] * 2, use_mask_for_norm=[True] * 2)
save("out/nnUNetPlans.json", plans)
nifti("before/c.nii.gz", np.full(label.shape, 2, "u1"))
alone, cascade = (frames("-c", c, "-f", "all", "-i", "4", *previous, raw)[0] for c, *previous in (["mine"], ["next", "--previous", "before"]))
for (_, a), (_, b) in zip(alone, cascade, strict=True):
    assert a["image"].std() > 0 and np.array_equal(a["image"], b["image"][:2])
os.remove("before/c.nii.gz")

# ---- refusals ----


def refused(text, code, *argv):
    said = run("sample-patches", "-o", "out", *argv, code=code)
    assert text in said and said.count("\n") == 1, said


refused("-c", 2, raw)
refused("no configuration", 2, "-c", "none", raw)
refused("--previous", 2, "-c", "next", raw)
refused("no previous stage", 2, "-c", "mine", "--previous", "before", raw)
refused("neither a number", 2, "-c", "mine", "-f", "x", raw)
refused("no fold 7", 3, "-c", "mine", "-f", "7", raw)
refused("does not have", 3, "-c", "mine", "-f", "0", raw)
save("out/splits_final.json", [{"train": [None]}])
refused("are no names", 3, "-c", "mine", raw)
save("out/splits_final.json", {"train": 1})
refused("no fold 0", 3, "-c", "mine", raw)
refused("MiB", 3, "-c", "mine", "-f", "all", "--memory", "10K", raw)
refused("c: ", 3, "-c", "next", "-f", "all", "--previous", "before", raw)
os.remove(f"{raw}/labelsTr/c.nii.gz")
refused("c: cannot open", 3, "-c", "mine", "-f", "all", raw)
