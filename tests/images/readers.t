# Arrays and spacings of every golden PNG and NIfTI file are those of nnU-Net's own readers, exactly.
[ -d "$SHARED/golden/readers" ] || { echo "needs shared/golden/readers"; exit 77; }
cat > check.py <<'X'
import json, os, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import frames, run

folder = sys.argv[1]
golden = json.load(open(folder + "/readers.json"))
other = {"nifti2.nii.gz": "NibabelIO", "skewed.nii.gz": "NibabelIO"}     # SimpleITKIO refuses these
refused = {"greyalpha8.png": "alpha"}
files = sorted(f for f in os.listdir(folder) if f.endswith((".png", ".nii", ".nii.gz")))
assert len(files) > 25, files
for f in files:
    if f in refused:
        text = run("decode", f"{folder}/{f}", code=3)
        assert f in text and refused[f] in text, text
        continue
    (head, (got,), _), = frames(run("decode", f"{folder}/{f}"))
    want = golden[f"{f} {other.get(f, 'NaturalImage2DIO' if f.endswith('.png') else 'SimpleITKIO')}"]
    array = np.load(f"{folder}/{want['array']}")
    assert array.shape == got.shape and np.array_equal(array, got), f
    assert head["spacing_mm"] == want["spacing"], (f, head["spacing_mm"], want["spacing"])
print("note:", len(files), "files read as nnU-Net reads them")
X
/usr/bin/python3 check.py "$SHARED/golden/readers"
