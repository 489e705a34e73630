# Real files: labels and images of volumes come back out of encode with the same geometry, byte for byte, and the same values.
[ -d "$SHARED/data/sunnybrook-nifti" ] && [ -d "$SHARED/golden/predict" ] || { echo "needs shared/data/sunnybrook-nifti and shared/golden/predict"; exit 77; }
cat > check.py <<'X'
import glob, gzip, os, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
from lib import geometry, run

shared, n = os.environ["SHARED"], 0
folders = [(f, "-l") for f in (f"{shared}/data/sunnybrook-nifti/labelsTr", f"{shared}/data/sunnybrook-nifti/labels3Tr", f"{shared}/data/msd-hippocampus/labelsTr",
                               f"{shared}/golden/predict/ct_2ch_3d", f"{shared}/golden/predict/sunnybrook_2d_on_volumes")]
folders += [(f, None) for f in (f"{shared}/golden/images", f"{shared}/data/sunnybrook-nifti/imagesTr")]
for i, (folder, labels) in enumerate(folders):
    stream = run("decode", labels, folder) if labels else run("decode", folder)
    run("encode", "-o", f"out{i}", "-L", "label" if labels else "image", stdin=stream)
    for f in sorted(glob.glob(folder + "/*.nii.gz")):
        a, b = (gzip.decompress(open(p, "rb").read()) for p in (f, f"out{i}/{os.path.basename(f)}"))
        assert geometry(a) == geometry(b), f
        assert b[70:72] == (b"\2\0" if labels else b"\x10\0"), f
        n += 1
    again = run("decode", labels, f"out{i}") if labels else run("decode", f"out{i}")
    open("a", "wb").write(stream), open("b", "wb").write(again)
    run("frames", "-d", "a", "--data", "b")
assert n > 50, n
print("note:", n, "files")
X
/usr/bin/python3 check.py
