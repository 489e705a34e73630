"""fingerprint against contract 7.1 in numpy."""
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import dataset, nifti, png, read, run, same, save  # noqa: E402

rng = np.random.default_rng(3)


def box(image):
    where = np.argwhere((image != 0).any(0))
    return (where.min(0), where.max(0) + 1) if len(where) else (np.zeros(3, int), np.array(image.shape[1:]))


def statistics(cases):
    """cases: [(image [c, z, y, x], label)].  Values with how often each was drawn, in place of 10^8 of them."""
    samples, out = 10**8 // len(cases), {}
    drawn = [[] for _ in cases[0][0]]
    for image, label in cases:
        rs = np.random.RandomState(1234)
        lo, hi = box(image)
        cut = tuple(slice(a, b) for a, b in zip(lo, hi))
        for c, x in enumerate(image):
            v = x[cut][label[cut] > 0]
            if len(v):
                drawn[c].append((v, np.bincount(rs.randint(0, len(v), samples), minlength=len(v))))
    for c, parts in enumerate(drawn):
        v, n = (np.concatenate(p).astype(float) for p in zip(*parts))
        order = np.argsort(v, kind="stable")
        v, n = v[order], n[order]
        cumulative = np.cumsum(n)
        mean = (v * n).sum() / n.sum()

        def percentile(q):
            at = (n.sum() - 1) * q / 100
            a, b = (v[np.searchsorted(cumulative, k, side="right")] for k in (np.floor(at), np.ceil(at)))
            return float(a + (b - a) * (at - np.floor(at)))
        v = v[n > 0]
        n = n[n > 0]
        cumulative = np.cumsum(n)
        out[str(c)] = {"max": float(v[-1]), "mean": float(mean), "median": percentile(50), "min": float(v[0]),
                       "percentile_00_5": percentile(0.5), "percentile_99_5": percentile(99.5),
                       "std": float(np.sqrt(((v - mean) ** 2 * n).sum() / n.sum()))}
    return out


def expected(cases, spacings, intensities):
    sizes = [np.subtract(*box(image)[::-1]) for image, _ in cases]
    return {"foreground_intensity_properties_per_channel": intensities,
            "median_relative_size_after_cropping": float(np.median([np.prod(s) / i[0].size for s, (i, _) in zip(sizes, cases)])),
            "shapes_after_crop": [s.tolist() for s in sizes], "spacings": spacings}


def check(folder, cases, spacings, *options, draw=True, **env):
    run("fingerprint", "--clean", "-o", "out", *options, folder, **env)
    ours = read("out/dataset_fingerprint.json")
    intensities = ours["foreground_intensity_properties_per_channel"]
    same(ours, expected(cases, spacings, statistics(cases) if draw else intensities), folder)
    return intensities["0"]["mean"]


def case(shape, channels=1):
    """An image in a frame of zeros, with labels partly outside the frame's box."""
    image = (rng.gamma(2, 100, (channels, *shape)) - 50).astype("f4")
    image[:, :, :2] = image[:, :, :, -1:] = 0
    return image, rng.choice(np.array([0, 1, 2], "u1"), shape, p=[0.8, 0.15, 0.05])


# Two channels, sizes and spacings that differ, one case without foreground (whose statistics are then in double precision).
cases, spacings = [], []
for i in range(5):
    image, label = case(rng.integers(4, 14, 3), 2)
    if i == 2:
        label[:] = 0
    spacing = np.float32([2.5, 0.7 + i / 10, 0.7]).astype(float).tolist()
    cases.append((image, label))
    spacings.append(spacing)
    for c in range(2):
        nifti(f"raw/Dataset001_Two/imagesTr/case{i}_{c:04d}.nii.gz", image[c], spacing)
    nifti(f"raw/Dataset001_Two/labelsTr/case{i}.nii.gz", label, spacing)
dataset("raw/Dataset001_Two", 5, ("T1", "T2"))
mean = check("raw/Dataset001_Two", cases, spacings)
assert mean != float(np.float32(mean))

# A fingerprint that is there stays.
save("out/dataset_fingerprint.json", {})
run("fingerprint", "-o", "out", "raw/Dataset001_Two")
assert read("out/dataset_fingerprint.json") == {}

# The key `dataset`: files anywhere, in its order, with variables.
listed = {f"n{i}": {"images": [f"{'$PLACE' if i else 'imagesTr'}/case{i}_0001.nii.gz"],
                    "label": f"../Dataset001_Two/labels${{SUFFIX}}/case{i}.nii.gz"} for i in (3, 0, 4)}
os.makedirs("raw/Dataset002_Listed")
os.symlink("../Dataset001_Two/imagesTr", "raw/Dataset002_Listed/imagesTr")
dataset("raw/Dataset002_Listed", 3, dataset=listed)
mean = check("raw/Dataset002_Listed", [(cases[i][0][1:], cases[i][1]) for i in (3, 0, 4)], [spacings[i] for i in (3, 0, 4)],
             draw=False, PLACE=os.path.abspath("raw/Dataset001_Two/imagesTr"), SUFFIX="Tr")
assert mean == float(np.float32(mean))

# Pictures: whole numbers for spacings, one plane.
cases = [case((1, 9, 8)) for _ in range(3)]
for i, (image, label) in enumerate(cases):
    image[:] = np.abs(image) % 256 // 1
    png(f"raw/Dataset003_Pictures/imagesTr/p{i}_0000.png", image[0, 0])
    png(f"raw/Dataset003_Pictures/labelsTr/p{i}.png", label[0])
dataset("raw/Dataset003_Pictures", 3, ending=".png")
check("raw/Dataset003_Pictures", cases, [[999, 1, 1]] * 3, draw=False)

# A reader that turns volumes: sagittal, from left to right, top down, label and image turned alike or each in its own way.
axes = {"asl": np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0]]), "las": np.diag([-1, 1, 1])}
cases, spacings = [], []
for i, (ours, theirs) in enumerate((("asl", "asl"), ("asl", "las"), ("las", "las"))):
    image, label = case((5, 7, 6))                      # as the reader gives it: z, y, x in RAS
    spacing = np.float32([2, 1.25, 0.5]).astype(float).tolist()
    cases.append((image, label))
    spacings.append(spacing)

    def turned(a, name):
        return (a[:, :, ::-1], spacing) if name == "las" else (a[:, :, ::-1].transpose(2, 0, 1), [0.5, 2, 1.25])
    for path, a, name in ((f"imagesTr/c{i}_0000", image[0], ours), (f"labelsTr/c{i}", label, theirs)):
        nifti(f"raw/Dataset004_Turned/{path}.nii.gz", *turned(a, name), axes=axes[name])
dataset("raw/Dataset004_Turned", 3, overwrite_image_reader_writer="NibabelIOWithReorient")
check("raw/Dataset004_Turned", cases, spacings, "-j", "3")

# The same bytes for any number of threads.
run("fingerprint", "-o", "out1", "-j", "1", "raw/Dataset004_Turned")
assert open("out1/dataset_fingerprint.json", "rb").read() == open("out/dataset_fingerprint.json", "rb").read()

# No foreground at all.
nifti("raw/Dataset005_Empty/imagesTr/a_0000.nii.gz", np.ones((3, 3, 3), "u1"))
nifti("raw/Dataset005_Empty/labelsTr/a.nii.gz", np.zeros((3, 3, 3), "u1"))
dataset("raw/Dataset005_Empty", 1)
assert "no case has foreground" in run("fingerprint", "-o", "empty", "raw/Dataset005_Empty", code=3)
assert not os.listdir("empty")
