# BMP and TIFF: golden files as NaturalImage2DIO and Tiff3DIO see them, depths and types, byte orders, strips, tiles and
# compression, side files; what is not read is refused by name; and encode writes them.
cat > check.py <<'X'
import json, os, struct, sys, zlib
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import CODES, frames, nifti, put, run

rng = np.random.default_rng(9)
one = lambda b, name: frames(run("decode", put(name, b)))[0]
n = 0


def bmp(rows, bits, palette=None, header=40, compression=0, masks=(), up=True, colours=None):
    """rows [y, bytes of a row]"""
    h, pad = len(rows), -rows.shape[1] % 4
    body = b"".join(bytes(r) + bytes(pad) for r in (rows[::-1] if up else rows))
    w = rows.shape[1] * 8 // bits
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, h if up else -h, 1, bits, compression, len(body), 0, 0, colours or (len(palette) if palette is not None else 0), 0)
        info += b"".join(struct.pack("<I", m) for m in masks)
        info += bytes(max(0, header - len(info)))
    table = b"" if palette is None else b"".join(bytes([b, g, r] + ([0] if header > 12 else [])) for r, g, b in palette)
    at = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + info + table + body


ramp = np.repeat(np.arange(256)[:, None], 3, 1)
for w in (1, 4, 7):
    grey = rng.integers(0, 256, (5, w), "u1")
    colour = rng.integers(0, 256, (5, w, 4), "u1")
    palette = rng.integers(0, 256, (256, 3))
    for up in (True, False):
        assert np.array_equal(one(bmp(grey, 8, ramp, up=up), "p.bmp")[1][0][0, 0], grey)
        head, (got,), _ = one(bmp(grey, 8, palette, up=up), "p.bmp")
        assert np.array_equal(got[:, 0], np.moveaxis(palette[grey], 2, 0)) and head["spacing_mm"] == [999, 1, 1]
        assert np.array_equal(one(bmp(colour[:, :, :3].reshape(5, -1), 24, up=up), "p.bmp")[1][0][:, 0], np.moveaxis(colour[:, :, 2::-1], 2, 0))
        assert np.array_equal(one(bmp(colour.reshape(5, -1), 32, up=up), "p.bmp")[1][0][:, 0], np.moveaxis(colour[:, :, 2::-1], 2, 0))
    assert np.array_equal(one(bmp(grey, 8, palette, header=12), "p.bmp")[1][0][:, 0], np.moveaxis(palette[grey], 2, 0))
    flat = colour.reshape(5, -1)
    assert np.array_equal(one(bmp(flat, 32, compression=3, masks=(0xff, 0xff00, 0xff0000, 0xff000000), header=108), "p.bmp")[1][0][:, 0], np.moveaxis(colour, 2, 0))
    assert np.array_equal(one(bmp(flat, 32, compression=3, masks=(0xff00, 0xff0000, 0xff000000)), "p.bmp")[1][0][:, 0], np.moveaxis(colour[:, :, 1:], 2, 0))
    n += 11
good = bmp(grey, 8, ramp)
for b, words in ((good[:-1], "truncated"), (good[:20], "truncated"), (bmp(grey, 8, ramp, compression=1), "compression 1"), (bmp(grey, 4, ramp), "4 bits"), (bmp(grey, 8, ramp, header=41)[:14] + b"\7" + good[15:], "header"),
                 (bmp(grey | 128, 8, palette[:20]), "palette"), (bmp(flat, 32, compression=3, masks=(0xf800, 0x7e0, 0x1f)), "8 bits each"), (bmp(grey, 8, ramp, colours=300), "palette")):
    text = run("decode", put("bad.bmp", b), code=3)
    assert "bad.bmp" in text and words in text, (words, text)


def tiff(pages, order="<", deflate=False, tile=0, rows=None, description=None, big=False, photometric=None, planar=1, bits=None):
    """pages [y, x] or [y, x, samples] of one type"""
    a = pages[0]
    samples = a.shape[2] if a.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[a.dtype.kind]
    out = bytearray((b"II" if order == "<" else b"MM") + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
    link = 8 if big else 4
    for i, p in enumerate(pages):
        p = p.astype(p.dtype.newbyteorder(order)).reshape(*p.shape[:2], samples)
        h, w = p.shape[:2]
        if tile:
            blocks = [np.pad(p[y:y + tile, x:x + tile], ((0, max(0, y + tile - h)), (0, max(0, x + tile - w)), (0, 0))) for y in range(0, h, tile) for x in range(0, w, tile)]
        else:
            blocks = [p[y:y + (rows or h)] for y in range(0, h, rows or h)]
        blocks = [zlib.compress(b.tobytes()) if deflate else b.tobytes() for b in blocks]
        at = []
        for b in blocks:
            at.append(len(out))
            out += b
        tags = [(256, 4, [w]), (257, 4, [h]), (258, 3, [bits or 8 * a.dtype.itemsize] * samples), (259, 3, [8 if deflate else 1]), (262, 3, [photometric or (2 if samples > 2 else 1)]), (277, 3, [samples]),
                (284, 3, [planar]), (339, 3, [kind] * samples)]
        if samples in (2, 4):
            tags.append((338, 3, [2]))
        tags += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, at), (325, 4, [len(b) for b in blocks])] if tile else [(273, 4, at), (278, 4, [rows or h]), (279, 4, [len(b) for b in blocks])]
        if description and i == 0:
            tags.append((270, 2, description.encode() + b"\0"))
        entries = b""
        for tag, type_, values in sorted(tags, key=lambda t: t[0]):
            data = values if type_ == 2 else struct.pack(order + f"{len(values)}{'HI'[type_ - 3]}", *values)
            room = 8 if big else 4
            if len(data) > room:
                place = len(out)
                out += data
                data = struct.pack(order + ("Q" if big else "I"), place)
            entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, type_, len(values)) + data.ljust(room, b"\0")
        out += bytes(len(out) % 2)
        out[link:link + (8 if big else 4)] = struct.pack(order + ("Q" if big else "I"), len(out))
        out += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
        link = len(out)
        out += bytes(8 if big else 4)
    if big:
        out[4:8] = struct.pack(order + "HH", 8, 0)
    return bytes(out)


for kind in list(CODES) + ["f2"]:
    for order in "<>":
        v = (rng.random((3, 21, 18)) * 100 - (0 if kind[0] == "u" else 50)).astype(kind)
        for options in ({}, {"rows": 4}, {"deflate": True, "rows": 5}, {"tile": 16}, {"tile": 16, "deflate": True}, {"big": True}):
            for pages in (v, v[:1]):
                b = tiff(pages, order, **options)
                if options.get("big"):
                    b = b[:8] + b[8:]
                head, (got,), _ = one(b, "t.tif")
                assert np.array_equal(got[0], pages.astype("f4")), (kind, order, options)
                assert head["spacing_mm"] == ([1, 1, 1] if len(pages) > 1 else [999, 1, 1]), head
                n += 1
for samples in (3, 4):
    c = rng.integers(0, 256, (21, 18, samples), "u1")
    for options in ({}, {"rows": 4, "deflate": True}, {"tile": 16}):
        assert np.array_equal(one(tiff([c], **options), "t.tif")[1][0][:, 0], np.moveaxis(c, 2, 0))
        n += 1
v = rng.integers(0, 256, (3, 21, 18), "u1")
assert one(tiff(v[:1], description='{"shape": [1, 21, 18]}'), "t.tif")[0]["spacing_mm"] == [1, 1, 1]           # tifffile's word for three axes
assert one(tiff(v, description="ImageJ=1.11a\nimages=3\nslices=3\n"), "t.tif")[0]["shape"] == [3, 21, 18]
for b, words in ((tiff([v[0], v[1][:9]]), "page 2"), (tiff([np.dstack([v[0], v[1]])]), "neither grey"), (tiff([np.dstack(v)] * 2), "three axes"), (tiff([np.dstack(v)], planar=2), "plane each"),
                 (tiff([np.dstack(v)], photometric=6), "YCbCr"), (tiff(v, description='{"shape": [4, 21, 18]}'), "4 planes"), (tiff(v[:1], bits=12), "12 bits"), (tiff(v, description='{"shape": [1, 3, 21, 18]}'), "three axes"),
                 (tiff(np.concatenate([v, v]), description="ImageJ=1.11a\nimages=6\nchannels=2\nslices=3\n"), "three axes"), (tiff(v)[:-40], "truncated"), (b"II*\0", "truncated")):
    text = run("decode", put("bad.tif", b), code=3)
    assert "bad.tif" in text and words in text, (words, text)
# the side file has no channel suffix
put("s.json", b'{"spacing": [3.0, 0.5, 0.25]}')
assert one(tiff(v), "s_0000.tif")[0]["spacing_mm"] == one(tiff(v), "s.tiff")[0]["spacing_mm"] == [3, 0.5, 0.25] == frames(run("decode", "-l", "s.tiff"))[0][0]["spacing_mm"]
for text, words in ((b'{"spacing": [3.0, 0.5]}', "spacing"), (b'{"spacing": [3.0, 0, 1]}', "spacing"), (b"{}", "spacing"), (b"x", "s.json")):
    put("s.json", text)
    assert words in run("decode", "s.tiff", code=3)
put("s.json", b'{"spacing": [3.0, 0.5, 0.1]}')

# written: labels by nnU-Net's type rule, the side file, equal bytes every time
for largest, depth in ((254, "u1"), (255, "u2")):
    label = rng.integers(0, 9, (3, 21, 18)).astype("u2")
    label.flat[3] = largest
    for pages, name in ((label, "s.tif"), (label, "s.tiff"), (label[:1], "flat.tif")):
        stream = run("decode", "-l", put(name, tiff(pages)))
        for out in ("out", "again"):
            run("encode", "-o", out, stdin=stream)
        for g in os.listdir("out"):
            assert open(f"out/{g}", "rb").read() == open(f"again/{g}", "rb").read()
        head, (got,), _ = frames(run("decode", "-l", f"out/{name}"))[0]
        assert np.array_equal(got[0], pages) and head["spacing_mm"] == ([3, 0.5, 0.1] if len(pages) > 1 else [999, 1, 1]), head
        assert struct.pack("<HHII", 258, 3, 1, 8 if depth == "u1" else 16) in open(f"out/{name}", "rb").read()
        n += 1
assert json.load(open("out/s.json")) == {"spacing": [3.0, 0.5, 0.1]} and not os.path.exists("out/flat.json")
# a float volume of one plane stays a volume; another format's spacing goes into the side file
stream = run("decode", put("n_0000.nii", nifti((v[:1] / 7).astype("f4"))))
run("encode", "-o", "out", "-L", "image", "-t", "tiff", stdin=stream)
head, (got,), _ = frames(run("decode", "out/n_0000.tiff"))[0]
assert head["spacing_mm"] == [8, 1.5, 1.25] and np.array_equal(got[0], (v[:1] / 7).astype("f4")) and json.load(open("out/n.json")) == {"spacing": [8, 1.5, 1.25]}
run("encode", "-o", "out", "-L", "image", "-t", "nii", stdin=run("decode", "out/n_0000.tiff"))
assert frames(run("decode", "out/n_0000.nii"))[0][0]["spacing_mm"] == [8, 1.5, 1.25]

# BMP
grey = rng.integers(0, 255, (5, 7), "u1")
grey[1, 1] = 255
for w in (7, 4):
    stream = run("decode", put("b_0000.bmp", bmp(grey[:, :w], 8, ramp)))
    run("encode", "-o", "out", "-L", "image", stdin=stream)
    head, (got,), _ = frames(run("decode", "out/b_0000.bmp"))[0]
    assert np.array_equal(got[0, 0], grey[:, :w]) and head["spacing_mm"] == [999, 1, 1]
stream = run("decode", "-l", put("b.tif", tiff([grey.astype("u2") * 2])))
assert "BMP" in run("encode", "-o", "out", "-t", "bmp", stdin=stream, code=3)
assert "planes" in run("encode", "-o", "out", "-t", "bmp", stdin=run("decode", "-l", "s.tif"), code=2)
assert not os.path.exists("out/b.bmp") and not os.path.exists("out/s.bmp")

shared = os.environ["SHARED"] + "/golden/readers"
if os.path.isdir(shared):
    golden = json.load(open(shared + "/readers.json"))
    for f, reader in (("grey8.bmp", "NaturalImage2DIO"), ("vol_0000.tif", "Tiff3DIO")):
        head, (got,), _ = frames(run("decode", f"{shared}/{f}"))[0]
        want = golden[f"{f} {reader}"]
        assert np.array_equal(np.load(f"{shared}/{want['array']}"), got) and head["spacing_mm"] == want["spacing"], f
print("note:", n, "files")
X
/usr/bin/python3 check.py
