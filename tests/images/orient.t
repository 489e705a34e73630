# What normalize takes from a file for each reader class is what that class gives: golden arrays and spacings, exactly.
[ -d "$SHARED/golden/readers" ] || { echo "needs shared/golden/readers"; exit 77; }
cat > check.py <<'X'
import json, os, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import frames, put, run

shared = os.environ["SHARED"] + "/golden"
golden = json.load(open(shared + "/readers/readers.json"))
model = shared + "/models/hippocampus_3d_fullres"
plans, dataset = (json.load(open(f"{model}/{f}.json")) for f in ("plans", "dataset"))
c = plans["configurations"]["3d_fullres"]
c["normalization_schemes"], c["use_mask_for_norm"] = ["NoNormalization"], [False]
c["resampling_fn_data"] = c["resampling_fn_seg"] = c["resampling_fn_probabilities"] = "no_resampling_hack"
for k in ("data", "seg", "probabilities"):
    c[f"resampling_fn_{k}_kwargs"] = {}
plans["transpose_forward"] = plans["transpose_backward"] = [0, 1, 2]
os.mkdir("m")
json.dump(dataset, open("m/dataset.json", "w"))
n = 0
for key, want in golden.items():
    name, reader = key.split()
    if not name.endswith((".nii", ".nii.gz")) or name == "fourd.nii.gz":
        continue
    plans["image_reader_writer"] = reader
    json.dump(plans, open("m/plans.json", "w"))
    stream = run("decode", f"{shared}/readers/{name}")
    if "error" in want:
        # what only SimpleITKIO refuses, decode reads as nibabel does; without axes in space nothing can be turned
        if name == "twod.nii.gz" and "Reorient" in reader:
            assert reader in run("normalize", "-c", "3d_fullres", "m", stdin=stream, code=3)
        continue
    (head, (got,), _), = frames(run("normalize", "-c", "3d_fullres", "m", stdin=stream))
    g = head["geometry"]["network"]
    array = np.load(f"{shared}/readers/{want['array']}")
    lo, hi = g["crop_lo"], g["crop_hi"]
    crop = array[:, lo[0]:hi[0], lo[1]:hi[1], lo[2]:hi[2]]
    assert [np.flatnonzero((array != 0).any((0, *[1 + j for j in range(3) if j != i])))[[0, -1]].tolist() for i in range(3)] == \
        [[l, h - 1] for l, h in zip(lo, hi)], (key, lo, hi)
    assert crop.shape == got.shape and np.array_equal(crop, got, equal_nan=True), key
    spacing = g.get("reader_spacing") or [g["spacing_mm"][a] for a in g["transpose_forward"]]
    assert spacing == want["spacing"], (key, spacing, want["spacing"])
    assert "nonfinite" not in head["geometry"]
    n += 1
assert n > 60, n
print("note:", n, "files and readers")
X
/usr/bin/python3 check.py
