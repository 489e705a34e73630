# Which files make a case, in which order; what disagrees is refused by name; -k turns it into a failed frame.
cat > check.py <<'X'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import frames, nifti, png, put, run

grey = lambda v, size=(4, 5): png(np.full((*size, 1), v), 8, 0)
names = lambda s: [h["case"] for h, _, _ in frames(s)]
os.mkdir("f")
for i, n in enumerate(("b_0001", "b_0000", "a-1_0000", "a_0000", "plain", "B_0000")):
    put(f"f/{n}.png", grey(i))
put("f/dataset.json", b"{}")
put("f/.hidden_0000.png", grey(9))
stream = run("decode", "f")
assert names(stream) == ["B", "a", "a-1", "b", "plain"], names(stream)               # bytes of the case's name
assert b"\xa5cases\x05" in stream[:200]
b = frames(stream)[3]
assert b[0]["layers"][0]["channels"] == 2 and b[1][0][:, 0, 0, 0].tolist() == [1, 0]
assert names(run("decode", "f/plain.png", "f/b_0001.png", "f/a_0000.png", "f/b_0000.png")) == ["plain", "b", "a"]
assert names(run("decode", stdin=b"f/plain.png\nf/a_0000.png")) == names(run("decode", "-", stdin=b"f/plain.png\nf/a_0000.png\n")) == ["plain", "a"]
assert "empty" in run("decode", stdin=b"f/plain.png\n\n", code=3) and "lists no images" in run("decode", stdin=b"", code=3)
assert [h["case"] for h, _, _ in frames(run("decode", "-l", "f"))] == ["B_0000", "a-1_0000", "a_0000", "b_0000", "b_0001", "plain"]
os.mkdir("none")
assert "none" in run("decode", "none", code=3)
assert "missing.png" in run("decode", "missing.png", code=4)
assert "twice" in run("decode", "f", "f/a_0000.png", code=3)
put("x_0000.png", grey(1)), put("x_0000.nii", nifti(np.zeros((1, 4, 5), "u1")))
text = run("decode", "x_0000.png", "x_0000.nii", code=3)
assert "x_0000.png" in text and "x_0000.nii" in text, text

# channels that disagree; without -k the program ends with the first bad case, with it the others come through
os.mkdir("g")
put("g/a_0000.png", grey(1)), put("g/a_0001.png", grey(1, (4, 6)))
put("g/b_0000.png", grey(1))
put("g/c_0000.png", grey(1)), put("g/c_0002.png", grey(1))
v = np.zeros((2, 4, 5), "i2")
put("g/d_0000.nii", nifti(v, pixdim=(1, 1, 8))), put("g/d_0001.nii", nifti(v, pixdim=(1, 1, 8.001)))
put("g/e_0000.nii", nifti(v, pixdim=(1, 1, 8))), put("g/e_0001.nii", nifti(v, pixdim=(1, 1, 8.00001)))   # within numpy.allclose
put("g/f_0000.png", grey(1)[:50])
text = run("decode", "g", code=3)
assert "decode: a: " in text and "a_0000.png" in text and "a_0001.png" in text, text
import subprocess
p = subprocess.run(["decode", "-k", "g"], capture_output=True)
assert p.returncode == 3 and p.stderr.count(b"\n") == 4, p.stderr
got = {h["case"]: h.get("failed", {}).get("reason") for h, _, _ in frames(p.stdout)}
assert got["b"] is None and got["e"] is None and "voxels" in got["a"] and "0001 is missing" in got["c"] and "spacing" in got["d"] and "truncated" in got["f"], got
# encode passes failed cases on and says so with its status
q = subprocess.run(["encode", "-o", "o", "-L", "image", "-p"], input=p.stdout, capture_output=True)
assert q.returncode == 3 and frames(q.stdout)[0][0]["failed"]["reason"] == got["a"], q.stderr
assert sorted(os.listdir("o")) == ["b_0000.png", "e_0000.nii", "e_0001.nii"], os.listdir("o")

# labels
for a, words in ((v + 0.5, "0.5"), (v - 1, "-1"), (v + 65536.0, "65536")):
    text = run("decode", "-l", put("l.nii", nifti(a.astype("f4"))), code=3)
    assert "l.nii" in text and words in text, text
assert "channels" in run("decode", "-l", put("l.png", png(np.zeros((4, 5, 3), int), 8, 2)), code=3)
for top, kind in ((255, "|u1"), (256, "<u2")):
    head, (got,), _ = frames(run("decode", "-l", put("l.nii", nifti((v + top).astype("f4")))))[0]
    assert head["layers"] == [{"kind": "label", "type": kind, "channels": 1}] and (got == top).all(), head

# the size of slabs, and encode's own errors
deep = np.random.default_rng(1).integers(0, 9, (7, 4, 5)).astype("u1")
put("deep.nii", nifti(deep))
for slab in ("1", "3", "7", "100"):
    head, (got,), _ = frames(run("decode", "-l", "--slab", slab, "deep.nii"))[0]
    assert head["slab"] == [min(7, int(slab)), 4] and np.array_equal(got[0], deep)
stream = run("decode", "-l", "--slab", "3", "deep.nii")
assert "7 planes" in run("encode", "-o", "o", "-t", "png", stdin=stream, code=2)
assert "it has: label" in run("encode", "-o", "o", "-L", "label,probs", stdin=stream, code=3)
assert "ended" in run("encode", "-o", "o", stdin=stream[:-20], code=3)
(head, (got,), _), = frames(run("encode", "-o", "o", "-p", stdin=stream))
assert head == frames(stream)[0][0] and np.array_equal(got[0], deep)
assert not [n for n in os.listdir("o") if n not in ("b_0000.png", "e_0000.nii", "e_0001.nii", "deep.nii")], os.listdir("o")
run("encode", stdin=stream, code=2)
put("file", b"")
run("encode", "-o", "file/x", stdin=stream, code=4)
X
/usr/bin/python3 check.py
