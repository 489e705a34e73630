# Arrays and spacings of every golden PNG and NIfTI file are those of nnU-Net's own readers, exactly.
[ -d "$SHARED/golden/readers" ] || { echo "needs shared/golden/readers"; exit 77; }
cat > check.py <<'X'
import json, os, subprocess, sys
import msgpack, numpy as np
folder = sys.argv[1]
golden = json.load(open(folder + "/readers.json"))
# SimpleITKIO refuses these, or reads them as channels; NibabelIO reads the first two
other = {"nifti2.nii.gz": "NibabelIO", "skewed.nii.gz": "NibabelIO"}
refused = {"greyalpha8.png", "fourd.nii.gz"}
files = sorted(f for f in os.listdir(folder) if f.endswith((".png", ".nii", ".nii.gz")))
assert len(files) > 25, files
for f in files:
    p = subprocess.run(["decode", f"{folder}/{f}"], capture_output=True)
    if f in refused:
        assert p.returncode == 3 and p.stderr.count(b"\n") == 1 and f.encode() in p.stderr, (f, p)
        continue
    assert p.returncode == 0 and not p.stderr, (f, p)
    head, frame, pixels, closing, end = msgpack.Unpacker(__import__("io").BytesIO(p.stdout), max_bin_len=1 << 30)
    reader = other.get(f, "NaturalImage2DIO" if f.endswith(".png") else "SimpleITKIO")
    want = golden[f"{f} {reader}"]
    array = np.load(f"{folder}/{want['array']}")
    got = np.frombuffer(pixels, "<f4").reshape(frame["layers"][0]["channels"], *frame["shape"])
    assert array.shape == got.shape and np.array_equal(array, got, equal_nan=True), f
    assert frame["spacing_mm"] == want["spacing"], (f, frame["spacing_mm"], want["spacing"])
print(len(files), "files agree")
X
/usr/bin/python3 check.py "$SHARED/golden/readers"
