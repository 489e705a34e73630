# Every bit depth and colour type of PNG, interlaced or not, by nnU-Net's rules; and pictures come back out of encode.
cat > check.py <<'X'
import os, sys, zlib
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import frames, png, put, run

rng = np.random.default_rng(6)
one = lambda b: frames(run("decode", put("p.png", b)))[0]
n = 0
for width, height in ((13, 7), (1, 1), (3, 9)):
    for interlace in (False, True):
        for depth in (1, 2, 4, 8, 16):
            s = rng.integers(0, 2 ** depth, (height, width, 1))
            scale = {1: 1, 2: 85, 4: 17, 8: 1, 16: 1}[depth]
            for trns in (None, b"\0\1"):
                head, (got,), _ = one(png(s, depth, 0, interlace, trns=trns))
                assert np.array_equal(got[0, 0], s[:, :, 0] * scale) and head["spacing_mm"] == [999, 1, 1], (depth, interlace)
                n += 1
            if depth < 16:
                palette = rng.integers(0, 256, (2 ** depth, 3))
                for trns in (None, b"\x80\0"[:depth + 1]):
                    _, (got,), _ = one(png(s, depth, 3, interlace, palette, trns))
                    assert np.array_equal(got[:, 0], np.moveaxis(palette[s[:, :, 0]], 2, 0)), (depth, interlace)
                    n += 1
            if depth >= 8:
                for colour, channels in ((2, 3), (6, 4)):
                    s = rng.integers(0, 2 ** depth, (height, width, channels))
                    _, (got,), _ = one(png(s, depth, colour, interlace))
                    assert np.array_equal(got[:, 0], np.moveaxis(s >> (depth - 8), 2, 0)), (depth, interlace, colour)
                    n += 1
s = rng.integers(0, 256, (7, 13, 2))
for depth in (8, 16):
    assert "alpha" in run("decode", put("p.png", png(s, depth, 4)), code=3)
assert "palette" in run("decode", put("p.png", png(s[:, :, :1] % 5, 8, 3, palette=np.zeros((4, 3)))), code=3)
whole = png(s[:, :, :1], 8, 0)
assert "truncated" in run("decode", put("p.png", whole[:-9]), code=3)
huge = bytearray(whole)
huge[16:20] = b"\x7f\xff\xff\xff"
huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
assert "limit" in run("decode", put("p.png", bytes(huge)), code=3)
huge[16:20] = b"\0\x0f\xff\xff"
huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
assert "truncated" in run("decode", put("p.png", bytes(huge)), code=3)

# labels by nnU-Net's type rule, images of whole numbers
for largest, depth in ((1, 8), (254, 8), (255, 16), (65535, 16)):
    label = rng.integers(0, 2, (9, 11))
    label[2, 3] = largest
    stream = run("decode", "-l", put("c.png", png(label[:, :, None], 16, 0)))
    run("encode", "-o", "out", stdin=stream)
    back = open("out/c.png", "rb").read()
    assert back[24] == depth and back[25] == 0, (largest, back[:33])
    run("encode", "-o", "again", stdin=stream)
    assert back == open("again/c.png", "rb").read()
    (_, (got,), _), = frames(run("decode", "-l", "out/c.png"))
    assert np.array_equal(got[0, 0], label)
stream = run("decode", put("c_0000.png", png(s[:, :, :1], 8, 0)), put("c_0001.png", png(s[:, :, 1:] * 257, 16, 0)))
run("encode", "-o", "out", "-L", "image", stdin=stream)
assert frames(run("decode", "out/c_0000.png", "out/c_0001.png"))[0][1][0].tobytes() == frames(stream)[0][1][0].tobytes()
# a picture as NIfTI and back is a 2D file, with the same spacing
run("encode", "-o", "out", "-L", "image", "-t", "nii", stdin=stream)
head, (got,), _ = frames(run("decode", "out/c_0000.nii", "out/c_0001.nii"))[0]
assert head["spacing_mm"] == [999, 1, 1] and got.tobytes() == frames(stream)[0][1][0].tobytes()
print("note:", n, "encodings")
X
/usr/bin/python3 check.py
