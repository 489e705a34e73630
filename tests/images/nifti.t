# Every scalar type, both byte orders, both versions, plain and compressed; and encode gives the source's geometry back.
cat > check.py <<'X'
import gzip, os, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import CODES, frames, geometry, nifti, put, run

rng = np.random.default_rng(5)
n = 0
for kind in CODES:
    for version in (1, 2):
        for order in "<>":
            a = (rng.random((3, 5, 4)) * 100 - (0 if kind[0] == "u" else 50)).astype(kind)
            if kind[0] != "f":
                a[0, 0, 0], a[0, 0, 1] = np.iinfo(kind).min, np.iinfo(kind).max
            data = nifti(a, version, order)
            for name, b in (("x.nii", data), ("x.nii.gz", gzip.compress(data))):
                (head, (got,), _), = frames(run("decode", put(name, b)))
                assert np.array_equal(got[0], a.astype("f4")), (kind, version, order)
                assert head["spacing_mm"] == [8, 1.5, 1.25] and head["geometry"]["ending"] == name[1:], head
                n += 1

a = (rng.random((3, 5, 4)) * 100).astype("i2")
one = lambda b, name="x.nii": frames(run("decode", put(name, b)))[0]
for version in (1, 2):
    for order in "<>":
        assert np.array_equal(one(nifti(a, version, order, slope=0.5, inter=-3.25))[1][0][0], (a * 0.5 - 3.25).astype("f4"))
assert np.array_equal(one(nifti(a, slope=0, inter=7))[1][0][0], a)                  # a slope of 0 means none
assert np.array_equal(one(nifti(a.astype("f8") / 7, slope=3, inter=1))[1][0][0], (a / 7 * 3 + 1).astype("f4"))
assert np.array_equal(one(nifti(a, offset=4096))[1][0][0], a) and np.array_equal(one(nifti(a, 2, offset=0))[1][0][0], a)
assert one(nifti(a, units=3))[0]["spacing_mm"] == [8e-3, 1.5e-3, 1.25e-3] and one(nifti(a, units=1))[0]["spacing_mm"] == [8e3, 1.5e3, 1.25e3]
assert one(nifti(a, pixdim=(0, -2, float("nan"))))[0]["spacing_mm"] == [1, 2, 1]
assert one(nifti(a[0]))[0]["spacing_mm"] == [999 * 1.5, 1.5, 1.25] and one(nifti(a[:1]))[0]["spacing_mm"] == [8, 1.5, 1.25]
assert np.array_equal(one(nifti(a, dims=[5, 4, 5, 3, 1, 1]))[1][0][0], a)           # trailing axes of length 1
assert np.array_equal(one(nifti(a, dims=[4, 4, 5, 1, 3]))[1][0][:, 0], a)           # volumes of a 4D file are channels
f = a.astype("f4")
f[0, 0, 0], f[0, 0, 1] = np.nan, np.inf
assert one(nifti(f))[1][0][0, 0, 0, :2].tolist() == [0, 0]                          # as libnifti reads them

for b, words in ((nifti(a, dims=[5, 4, 5, 1, 1, 3]), "5D"), (nifti(a, code=128), "RGB"), (nifti(a, code=2304), "RGB"), (nifti(a, code=32), "complex"),
                 (nifti(a, code=1536), "type 1536"), (nifti(a, dims=[3, 4, 5, -3]), "axis 3"), (nifti(a, dims=[9, 4, 5, 3]), "9 dimensions"),
                 (nifti(a)[:-1], "truncated"), (nifti(a)[:344] + b"ni1\0" + nifti(a)[348:], ".img"), (nifti(a)[:344] + bytes(4) + nifti(a)[348:], "magic"),
                 (nifti(a, dims=[3, 32000, 32000, 32000]), "--memory"), (nifti(a, dims=[3, 3000, 3000, 30]), "truncated"), (nifti(a, offset=1 << 30)[:400], "truncated"),
                 (b"", "empty"), (b"something else", "no format"), (gzip.compress(b"something else" * 99), "348"), (gzip.compress(nifti(a))[:-3], "truncated")):
    text = run("decode", put("bad.nii", b), code=3)
    assert "bad.nii" in text and words in text, (words, text)

# labels through encode: geometry bit for bit, nnU-Net's type rule, equal bytes every time
for version in (1, 2):
    for order in "<>":
        for largest, kind in ((254, "u1"), (255, "u2"), (60000, "u2")):
            for shape in ((3, 5, 4), (1, 5, 4), (5, 4)):
                label = rng.integers(0, 9, shape).astype("u2")
                label.flat[3] = largest
                source = nifti(label, version, order)
                for name, b in (("c.nii", source), ("c.nii.gz", gzip.compress(source))):
                    stream = run("decode", "-l", put(name, b))
                    run("encode", "-o", "out", stdin=stream)
                    back = open(f"out/{name}", "rb").read()
                    run("encode", "-o", "again", stdin=stream)
                    assert back == open(f"again/{name}", "rb").read()
                    plain = gzip.decompress(back) if name.endswith("gz") else back
                    little = nifti(label, version)
                    assert geometry(plain) == geometry(little), (version, order, shape)
                    assert plain[352 if version == 1 else 544:] == label.astype(kind).tobytes(), (version, shape, largest)
                    os.remove(name)
                    n += 1
# floats and another ending
stream = run("decode", put("x.nii", nifti(a.astype("f4") / 3)))
run("encode", "-o", "out", "-L", "image", "-t", "nii.gz", stdin=stream)
assert gzip.decompress(open("out/x_0000.nii.gz", "rb").read())[352:] == (a.astype("f4") / 3).tobytes()
print("note:", n, "files in and out")
X
/usr/bin/python3 check.py
