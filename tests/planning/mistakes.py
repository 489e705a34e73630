"""What nnU-Net's integrity check finds, one case a mistake."""
import os
import shutil
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import dataset, nifti, png, run, save, read  # noqa: E402

raw = "raw/Dataset001_Bad"
rng = np.random.default_rng(1)


def image(shape=(4, 5, 6)):
    return rng.random(shape, "f4") + 1


def label(shape=(4, 5, 6), top=2):
    return rng.integers(0, top + 1, shape).astype("u1")


def put(name, first=None, second=None, seg=None, spacings=((2, 1, 1),) * 3, **more):
    nifti(f"{raw}/imagesTr/{name}_0000.nii.gz", image() if first is None else first, spacings[0])
    nifti(f"{raw}/imagesTr/{name}_0001.nii.gz", image() if second is None else second, spacings[1])
    nifti(f"{raw}/labelsTr/{name}.nii.gz", label() if seg is None else seg, spacings[2], **more)


def check(code=3, *options):
    p = subprocess.run(["fingerprint", "-o", "out", *options, raw], capture_output=True, text=True)
    assert p.returncode == code, p.stderr
    return p.stderr.replace("fingerprint: ", "").replace(raw + "/", "").splitlines()


# A good data set: nothing is said; a label that lies elsewhere is mentioned.
put("good")
put("moved", origin=(5, 0, 0))
dataset(raw, 2, ("T1", "T2"))
said = check(0)
assert len(said) == 1 and said[0].startswith("moved: origin or orientation of labelsTr/moved.nii.gz"), said
shutil.rmtree("out")

nan = image()
nan[1, 2, 3] = nan[0, 0, 0] = np.nan
half = label().astype("f4")
half[0, 0, 0], half[1, 1, 1], half[3, 3, 3] = 0.5, -1, 7
many = (np.arange(120).reshape(4, 5, 6) + 1).astype("u1")
put("channel_shape", second=image((4, 5, 7)))
put("channel_spacing", spacings=((2, 1, 1), (2, 1, 1.5), (2, 1, 1)))
put("label_shape", seg=label((4, 6, 6)))
put("label_spacing", spacings=((2, 1, 1), (2, 1, 1), (2, 1, 1.001)))
put("label_values", seg=half)
put("label_many", seg=many)
put("missing_channel")
os.remove(f"{raw}/imagesTr/missing_channel_0001.nii.gz")
put("missing_label")
os.remove(f"{raw}/labelsTr/missing_label.nii.gz")
put("nan", second=nan)
put("one_more")
shutil.copy(f"{raw}/imagesTr/one_more_0001.nii.gz", f"{raw}/imagesTr/one_more_0002.nii.gz")
put("truncated")
with open(f"{raw}/imagesTr/truncated_0000.nii.gz", "r+b") as f:
    f.truncate(300)
put("two", seg=label(top=3))
os.remove(f"{raw}/imagesTr/two_0001.nii.gz")
for name in "nan", "good", "moved":
    put(name, second=nan if name == "nan" else None)
dataset(raw, 15, ("T1", "T2"), overwrite_image_reader_writer="NibabelIO")    # SimpleITK would read NaN as 0
wanted = """raw/Dataset001_Bad/dataset.json: numTraining is 15, but there are 14 cases
channel_shape: imagesTr/channel_shape_0000.nii.gz has 6 x 5 x 4 voxels (x, y, z), imagesTr/channel_shape_0001.nii.gz has 7 x 5 x 4
channel_spacing: imagesTr/channel_spacing_0000.nii.gz has a spacing of 1 x 1 x 2 mm, imagesTr/channel_spacing_0001.nii.gz has 1.5 x 1 x 2
label_many: labelsTr/label_many.nii.gz holds the values 3, 4, 5, 6, 7, 8, ...; dataset.json knows 0 to 2
label_shape: imagesTr/label_shape_0000.nii.gz has 6 x 5 x 4 voxels (x, y, z), labelsTr/label_shape.nii.gz has 6 x 6 x 4
label_spacing: imagesTr/label_spacing_0000.nii.gz has a spacing of 1 x 1 x 2 mm, labelsTr/label_spacing.nii.gz has 1.001 x 1 x 2
label_values: labelsTr/label_values.nii.gz holds the values 0.5, -1, 7; dataset.json knows 0 to 2
missing_channel: 2 channels are expected (T1, ...), imagesTr/missing_channel_0000.nii.gz has 1
missing_label: cannot open labelsTr/missing_label.nii.gz: No such file or directory
nan: imagesTr/nan_0001.nii.gz: 2 voxels of channel 1 are not a number (NaN)
one_more: 2 channels are expected (T1, ...), imagesTr/one_more_0000.nii.gz and the other files have 3
truncated: imagesTr/truncated_0000.nii.gz: TRUNCATED
two: 2 channels are expected (T1, ...), imagesTr/two_0000.nii.gz has 1
two: labelsTr/two.nii.gz holds the value 3; dataset.json knows 0 to 2
Dataset001_Bad: 14 mistakes; 12 of 14 cases are affected""".replace("raw/Dataset001_Bad/dataset", "dataset").splitlines()
for options in ((), ("-j", "1"), ("-j", "5", "--verify-only")):
    said = check(3, *options)
    assert len(said) == len(wanted), said
    for ours, want in zip(said, wanted):
        if want.endswith("TRUNCATED"):
            want = want[:-len(" TRUNCATED")]
            assert ours.startswith(want), (ours, want)
        else:
            assert ours == want, (ours, want)
assert not os.path.exists("out") or not os.listdir("out")

# The ignore label is a label; NaN in a label map is not.
seg = label(top=3)
put("ignored", seg=seg)
half[0, 0, 0] = np.nan
put("nan_label", seg=half)
lists = {n: {"images": [f"imagesTr/{n}_000{c}.nii.gz" for c in (0, 1)], "label": f"labelsTr/{n}.nii.gz"} for n in ("ignored", "nan_label")}
dataset(raw, 2, ("T1", "T2"), labels={"background": 0, "a": 1, "b": 2, "ignore": 3}, dataset=lists, overwrite_image_reader_writer="NibabelIO")
assert check(3, "--verify-only")[:-1] == ["nan_label: labelsTr/nan_label.nii.gz holds the values NaN, -1, 7; dataset.json knows 0 to 3"]

# Mistakes of the data set as a whole, one line each.
d = read(raw + "/dataset.json")
for change, says in (({"labels": {"background": 0, "a": 1, "c": 3}}, "consecutive"), ({"numTraining": None}, "numTraining"),
                     ({"file_ending": ".jpg"}, "imagesTr"), ({"dataset": {}}, "no case"),
                     ({"dataset": {"x": {"images": ["a"]}}}, "label"), ({"dataset": {"x": {"images": [], "label": "b"}}}, "images")):
    save(raw + "/dataset.json", {**d, **({"dataset": None} if "file_ending" in change else {}), **change})
    said = check(3, "--verify-only")
    assert len(said) == 1 and says in said[0], (change, said)
shutil.rmtree("raw")
dataset("raw/Dataset002_Pictures", 2, ending=".png")
for name in "a", "b":
    png(f"raw/Dataset002_Pictures/imagesTr/{name}_0000.png", np.ones((3, 3)))
    png(f"raw/Dataset002_Pictures/labelsTr/{name}.png", np.ones((3, 3)))
png("raw/Dataset002_Pictures/imagesTr/stray.png", np.ones((3, 3)))
p = subprocess.run(["fingerprint", "--verify-only", "raw/Dataset002_Pictures"], capture_output=True, text=True)
assert p.returncode == 0 and p.stderr.count("\n") == 1 and "stray.png is left out" in p.stderr, p.stderr
save("raw/Dataset003_None/dataset.json", read("raw/Dataset002_Pictures/dataset.json"))
assert "imagesTr" in run("fingerprint", "--verify-only", "raw/Dataset003_None", code=4)
assert "dataset.json" in run("fingerprint", "--verify-only", "raw", code=4)
