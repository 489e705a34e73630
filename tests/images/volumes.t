# NRRD and MetaImage: golden files as SimpleITKIO sees them, every type and order, attached, detached and compressed; what is
# not read is refused by name; and encode gives the source's geometry back, line for line, or converts it.
cat > check.py <<'X'
import gzip, json, os, sys, zlib
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import CODES, frames, nifti, put, run

rng = np.random.default_rng(8)
META = {"i1": "MET_CHAR", "u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "i4": "MET_INT", "u4": "MET_UINT", "i8": "MET_LONG_LONG",
        "u8": "MET_ULONG_LONG", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
NRRD = {"i1": "signed char", "u1": "uchar", "i2": "short", "u2": "unsigned short", "i4": "int", "u4": "uint32_t", "i8": "int64", "u8": "unsigned long long",
        "f4": "float", "f8": "double"}
GEOMETRY = "TransformMatrix = 0 1 0 0 0 -1 -1 0 0\nOffset = 1.5 -2 0.1\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = PSR\nElementSpacing = 1.25 1.5 8\n"
SPACE = "space: left-posterior-superior\nspace directions: (0,1.25,0) (0,0,-1.5) (-8,0,0)\nkinds: domain domain domain\nspace origin: (1.5,-2,0.10000000000000001)\n"


def mha(a, order="<", pack=False, geometry=GEOMETRY, file="LOCAL", more="", kind=None, size=None):
    data = a.astype(a.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if pack else data
    head = f"ObjectType = Image\nNDims = {a.ndim}\nBinaryData = True\nBinaryDataByteOrderMSB = {order == '>'}\nCompressedData = {bool(pack)}\n"
    head += geometry + f"DimSize = {size or ' '.join(map(str, a.shape[::-1]))}\nElementType = {kind or META[a.dtype.str[1:]]}\n{more}ElementDataFile = {file}\n"
    return head.encode() + (data if file == "LOCAL" else b""), data


def nrrd(a, order="<", pack=False, geometry=SPACE, file=None, more="", kind=None, sizes=None, dims=None):
    data = a.astype(a.dtype.newbyteorder(order)).tobytes()
    data = gzip.compress(data, mtime=0) if pack else data
    head = f"NRRD0004\n# a comment: here\ntype: {kind or NRRD[a.dtype.str[1:]]}\ndimension: {dims or a.ndim}\nsizes: {sizes or ' '.join(map(str, a.shape[::-1]))}\n"
    head += geometry + f"endian: {'big' if order == '>' else 'little'}\nencoding: {'gzip' if pack else 'raw'}\nkey:=value: more\n{more}"
    head += f"data file: {file}\n" if file else ""
    return head.encode() + b"\n" + (b"" if file else data), data


one = lambda b, name: frames(run("decode", put(name, b)))[0]
n = 0
for make, whole, apart in ((mha, "x.mha", "x.mhd"), (nrrd, "x.nrrd", "x.nhdr")):
    for kind in CODES:
        for order in "<>":
            for pack in (False, True):
                a = (rng.random((3, 5, 4)) * 100 - (0 if kind[0] == "u" else 50)).astype(kind)
                if kind[0] != "f":
                    a[0, 0, 0], a[0, 0, 1] = np.iinfo(kind).min, np.iinfo(kind).max
                os.makedirs("d", exist_ok=True)
                for name in (whole, apart):
                    b, data = make(a, order, pack, **({"file": "x.data"} if name == apart else {}))
                    put("d/x.data", data)
                    head, (got,), _ = one(b, "d/" + name)
                    assert np.array_equal(got[0], a.astype("f4")), (name, kind, order, pack)
                    assert head["spacing_mm"] == [8, 1.5, 1.25] and head["geometry"]["ending"] == name[1:], head
                    n += 1
a = (rng.random((3, 5, 4)) * 100).astype("i2")
raw = a.tobytes()
# other ways to say it
same = lambda b, name, spacing=[8, 1.5, 1.25], array=a: (lambda h, g: h["spacing_mm"] == spacing and np.array_equal(g[0][0], array))(*one(b, name)[:2])
assert same(mha(a, geometry="")[0], "y.mha", [1, 1, 1]) and same(mha(a, geometry="ElementSize = 2 3 4\n")[0], "y.mha", [4, 3, 2])
assert same(mha(a, geometry="ElementSize = 9 9 9\nElementSpacing = -2 3 4\n")[0], "y.mha", [4, 3, 2])
assert same(b"NDims = 3\nDimSize = 4 5 3\nElementType = MET_SHORT\nElementSpacing=1 2 3\nElementByteOrderMSB = False\nElementDataFile=LOCAL\n" + raw, "y.mha", [3, 2, 1])
assert same(mha(a)[0].replace(b"\n", b"\r\n", 10).replace(b"LOCAL\n", b"LOCAL\r\n")[:-len(raw)] + raw, "y.mha")
put("y.raw", b"front" + raw)
assert same(mha(a, file="y.raw", more="HeaderSize = 5\n")[0], "y.mhd") and same(mha(a, file="y.raw", more="HeaderSize = -1\n")[0], "y.mhd")
assert same(nrrd(a, file="y.raw", more="byte skip: 5\n")[0], "y.nhdr") and same(nrrd(a, file="y.raw", more="byteskip: -1\n")[0], "y.nhdr")
put("y.raw", b"line\nand line\n" + raw)
assert same(nrrd(a, file="y.raw", more="line skip: 2\n")[0], "y.nhdr") and same(nrrd(a, file="y.raw", more="lineskip: 1\nbyte skip: 9\n")[0], "y.nhdr")
assert same(nrrd(a, file="y.raw")[0][:-1].replace(b"sizes", b"line skip: 2\nsizes"), "y.nhdr")                     # no empty line
assert same(nrrd(a, geometry="spacings: 2 3 NaN\n")[0], "y.nrrd", [1, 3, 2]) and same(nrrd(a, geometry="")[0], "y.nrrd", [1, 1, 1])
flat = a[0]
assert same(mha(flat, geometry="ElementSpacing = 1.25 1.5\n")[0], "y.mha", [999 * 1.5, 1.5, 1.25], a[:1])
assert same(nrrd(flat, geometry="space dimension: 2\nspace directions: (1.25,0) (0,1.5)\n")[0], "y.nrrd", [999 * 1.5, 1.5, 1.25], a[:1])
four = np.stack([a, a + 1])
for b, name in ((mha(four, geometry="ElementSpacing = 1 2 3 4\n")[0], "y.mha"), (nrrd(four, geometry="spacings: 1 2 3 4\n")[0], "y.nrrd")):
    head, (got,), _ = one(b, name)
    assert head["spacing_mm"] == [3, 2, 1] and np.array_equal(got, four)
f = a.astype("f4")
f[0, 0, 0] = np.nan
assert np.isnan(one(mha(f)[0], "y.mha")[1][0][0, 0, 0, 0]) and np.isnan(one(nrrd(f)[0], "y.nrrd")[1][0][0, 0, 0, 0])     # ITK keeps it here

for b, words in ((mha(a, more="ElementNumberOfChannels = 3\n")[0], "vectors"), (mha(a, more="BinaryData = False\n")[0], "text"), (mha(a, file="LIST")[0], "more than one"),
                 (mha(a, file="s%03d.raw 0 2 1")[0], "more than one"), (mha(a, file="none.raw")[0], "none.raw"), (mha(a, kind="MET_STRING")[0], "MET_STRING"),
                 (mha(a, size="4 5")[0], "DimSize"), (mha(a, size="4 5 0")[0], "DimSize"), (mha(a, size="32000 32000 32000")[0], "--memory"), (mha(a, size="3000 3000 30")[0], "truncated"),
                 (mha(a, geometry="ElementSpacing = 0 1 1\n")[0], "spacing"), (mha(a, geometry="Offset = 1 2\n")[0], "Offset"), (mha(a)[0][:-1], "truncated"),
                 (mha(a, pack=True)[0][:-1], "truncated"), (mha(a)[0].replace(b"Image", b"Tube "), "Tube"), (b"NDims = 3\n", "ElementDataFile"),
                 (b"ObjectType = Image\nDimSize = 1 2 3\n", "NDims"), (b"ObjectType = Image\n\0\1\2\n", "none of a MetaImage"),
                 (nrrd(a, kind="block")[0], "block"), (nrrd(a, geometry=SPACE.replace("(0,1.25,0)", "none"))[0], "no direction"), (nrrd(a, geometry="kinds: vector domain domain\n")[0], "vectors"),
                 (nrrd(a, file="LIST")[0], "more than one"), (nrrd(a)[0].replace(b"raw", b"hex"), "hex"), (nrrd(a)[0].replace(b"endian: little\n", b""), "endian"), (nrrd(a, dims=7)[0], "dimension: 7"),
                 (nrrd(a, sizes="1 2")[0], "sizes"), (nrrd(a, geometry="space directions: (1,0,0) (0,1,0) (0,0,1)\n")[0], "space"), (nrrd(a, geometry=SPACE.replace(")", "", 1))[0], "space directions"),
                 (nrrd(a)[0][:-1], "truncated"), (nrrd(a, pack=True)[0][:-1], "truncated"), (nrrd(a)[0].replace(b"0004", b"x"), "first line"), (nrrd(a, more="nothing\n")[0], "'nothing'")):
    text = run("decode", put("bad.x", b), code=3)
    assert "bad.x" in text and words in text, (words, text)

# labels through encode: nnU-Net's type rule, the source's lines of geometry, equal bytes every time
lines = lambda b: [l for l in b.decode("latin1").split("\n") if l.startswith(tuple(w.split(b" =")[0].split(b":")[0].decode() for w in (GEOMETRY + SPACE).encode().split(b"\n") if w))]
for make, name, geometry, kinds in ((mha, "c.mha", GEOMETRY, ("UCHAR", "USHORT")), (mha, "c.mhd", GEOMETRY, ("UCHAR", "USHORT")), (nrrd, "c.nrrd", SPACE, ("uint8_t", "uint16_t")),
                                    (nrrd, "c.nhdr", SPACE, ("uint8_t", "uint16_t"))):
    for largest, kind in ((254, 0), (255, 1)):
        label = rng.integers(0, 9, (3, 5, 4)).astype("u2")
        label.flat[3] = largest
        b, data = make(label, pack=True, **({"file": "c.data"} if name in ("c.mhd", "c.nhdr") else {}))
        put("c.data", data)
        stream = run("decode", "-l", put(name, b))
        for out in ("out", "again"):
            run("encode", "-o", out, stdin=stream)
        for g in os.listdir("out"):
            assert open(f"out/{g}", "rb").read() == open(f"again/{g}", "rb").read()
        back = open(f"out/{name}", "rb").read()
        assert kinds[kind].encode() in back and lines(back) == lines(b) == geometry.split("\n")[:-1], (name, lines(back))
        h, (got,), _ = frames(run("decode", "-l", f"out/{name}"))[0]
        assert np.array_equal(got[0], label) and h["spacing_mm"] == [8, 1.5, 1.25]
        n += 1

# one format to another and back: the same grid in space
start = run("decode", put("s_0000.nii", nifti(a.astype("f4"), pixdim=(1.25, 1.5, 8))))
kinds = ("mha", "nrrd", "mhd", "nii", "nrrd", "nii.gz")
stream = start
for kind in kinds:
    run("encode", "-o", "conv", "-L", "image", "-t", kind, stdin=stream)
    stream = run("decode", f"conv/s_0000.{kind}")
    head, (got,), _ = frames(stream)[0]
    assert head["spacing_mm"] == [8, 1.5, 1.25] and np.array_equal(got[0], a.astype("f4")), kind
    text = open(f"conv/s_0000.{kind}", "rb").read()
    if kind == "mha":
        # the NIfTI's sform is skewed, so ITK takes the qform: its offset in LPS
        assert b"Offset = 11.5 -7.25 3\n" in text, text[:400]
    if kind == "nii":
        q = np.frombuffer(text[252:256], "<i2"), np.frombuffer(text[280:328], "<f4").reshape(3, 4)
        assert q[0].tolist() == [0, 1] and np.allclose(q[1][:, 3], [-11.5, 7.25, 3]) and np.allclose(np.linalg.norm(q[1][:, :3], axis=0), [1.25, 1.5, 8])
# RAS spaces
ras = SPACE.replace("left-posterior-superior", "RAS")
run("encode", "-o", "conv", "-L", "image", "-t", "mha", stdin=run("decode", put("r_0000.nrrd", nrrd(a, geometry=ras)[0])))
text = open("conv/r_0000.mha", "rb").read()
assert b"TransformMatrix = 0 -1 0 0 0 -1 1 0 0\nOffset = -1.5 2 0.1" in text, text[:400]

shared = os.environ["SHARED"] + "/golden/readers"
if os.path.isdir(shared):
    golden = json.load(open(shared + "/readers.json"))
    for f in ("vol.mha", "vol.nrrd", "vol.mhd"):
        head, (got,), _ = frames(run("decode", f"{shared}/{f}"))[0]
        want = golden[f"{f} SimpleITKIO"]
        assert np.array_equal(np.load(f"{shared}/{want['array']}"), got) and head["spacing_mm"] == want["spacing"], (f, head["spacing_mm"])
        n += 1
print("note:", n, "files")
X
/usr/bin/python3 check.py
