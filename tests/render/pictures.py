#!/usr/bin/python3
"""What render draws is where it should be: streams with a known picture in, colours of the PNGs out."""
import os
import subprocess
import sys

import msgpack
import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/stream")
import make

ORANGE, BLUE, WHITE, GREEN = (0xe6, 0x9f, 0), (0x56, 0xb4, 0xe9), (255, 255, 255), (0x2e, 0x8b, 0x57)


def read_png(path):
    """[h, w, 3], by decode, whose reader other tests compare with nnU-Net's."""
    objects = msgpack.Unpacker(subprocess.Popen(["decode", path], stdout=subprocess.PIPE).stdout, max_buffer_size=0)
    next(objects)
    shape = next(objects)["shape"]
    return np.frombuffer(next(objects), "<f4").reshape(3, *shape[1:]).astype(int).transpose(1, 2, 0)


def render(frames, *options):
    with open("in.frames", "wb") as f:
        make.write(f, frames)
    return subprocess.run(["render", "-o", "out", *options], stdin=open("in.frames", "rb"), capture_output=True, text=True)


def drawn(frames, *options):
    r = render(frames, *options)
    assert r.returncode == 0 and r.stderr == "", (r.returncode, r.stderr)
    return [read_png("out/%s_%s.png" % (frames[0]["case"], p)) for p in ("overlay", "panel")]


def box(picture, colour):
    """Rows and columns that a colour spans, above the legend: (top, left, bottom, right), and how many pixels have it."""
    y, x = np.nonzero((picture[:-40] == colour).all(-1))
    return (y.min(), x.min(), y.max(), x.max(), y.size) if y.size else (0, 0, 0, 0, 0)


def case(name, label, heat, spacing=(1.0, 1.0, 1.0), **more):
    layers = [({"kind": "label"}, np.asarray(label, "|u1")[None]), ({"kind": "t_test"}, np.asarray(heat, "<f4")[None])]
    return {"case": name, "labels": {"background": 0, "A": 1, "B": 2}, "spacing_mm": list(spacing), "layers": layers, **more}


# A rectangle of 20 x 40 voxels in 100 x 100: the orange band has its proportions and its place, the picture is enlarged.
label = np.zeros((1, 100, 100), int)
label[0, 30:50, 10:50] = 1
label[0, 60:80, 60:90] = 2
heat = np.zeros((1, 100, 100))
heat[0, :50] = 0.9
overlay, panel = drawn([case("square", label, heat)])
top, left, bottom, right, n = box(overlay, ORANGE)
scale = (bottom - top + 1) / 20
assert scale > 3 and abs((right - left + 1) / 40 - scale) < 0.1, (top, left, bottom, right)
inside = overlay[top + 8:bottom - 8, left + 8:right - 8].reshape(-1, 3)
assert (inside == inside[0]).all() and tuple(inside[0]) != ORANGE, "the contour is a band, not a filled shape"
blue = box(overlay, BLUE)
assert abs((blue[0] - top) / scale - 30) < 0.5 and abs((blue[1] - left) / scale - 50) < 0.5, "B is 30 rows below and 50 columns right of A"
# without a reference no white line within the picture; the heat map is lighter where the map is larger
y, x = (top + bottom) // 2, panel.shape[1] // 2
row = panel[:, -240].sum(-1).astype(int)
start = np.nonzero(row < 100)[0]
assert len(start) and row[100] > row[-100] + 100, "the upper half of the heat map is lighter"

# The colours of the scale rise in luminance from its lower to its upper end, never back.
bar = panel[:, -105]
bar = bar[np.nonzero((bar != 255).any(-1))[0]][::-1] / 255
linear = np.where(bar <= 0.04045, bar / 12.92, ((bar + 0.055) / 1.055) ** 2.4)
light = linear @ [0.2126, 0.7152, 0.0722]
assert len(light) > 400 and light[0] < 0.01 and light[-1] > 0.85 and (np.diff(light) > -0.002).all(), (len(light), light[[0, -1]], np.diff(light).min())

# Voxels twice as tall as wide.
overlay, _ = drawn([case("tall", label, heat, spacing=(1, 2.0, 1.0))])
top, left, bottom, right, n = box(overlay, ORANGE)
assert abs((bottom - top + 1) / (right - left + 1) - 1) < 0.05, (top, left, bottom, right)

# Of a volume the slice with the largest sum is drawn, the lowest of equals; --slice asks for another.
volume, hot = np.zeros((4, 60, 60), int), np.zeros((4, 60, 60))
for z in range(4):
    volume[z, 10:20 + 5 * z, 10:20] = 1
hot[1:3, 30:40, 30:40] = 0.5
for options, z in (((), 1), (("--slice", "4"), 3)):
    overlay, _ = drawn([case("volume", volume, hot, slab=3)], *options)
    top, left, bottom, right, n = box(overlay, ORANGE)
    assert abs((bottom - top + 1) / (right - left + 1) - (10 + 5 * z) / 10) < 0.1, (options, top, bottom)
assert render([case("volume", volume, hot)], "--slice", "5").returncode == 3

# Values that are no numbers are green, in the heat map only.
hot[:] = np.nan
_, panel = drawn([case("nan", volume, hot)])
assert box(panel, GREEN)[4] > 10000

# A thumbnail: the cells side by side with two pixels between them, a palette, and what it shows in its description.
def described(path):
    """Colour type and the text Description of a PNG."""
    data, at, text = open(path, "rb").read(), 8, None
    while at < len(data):
        n, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        if kind == b"iTXt" and data[at + 8:at + 20] == b"Description\0":
            text = data[at + 8:at + 8 + n].split(b"\0", 5)[5].decode()
        at += n + 12
    return data[25], text


with_image = case("small", label, heat, spacing=(1, 0.5, 1.0))
with_image["labels"] = {"background": 0, "Ä": 1, "B": 2}
with_image["layers"].append(({"kind": "image"}, np.random.default_rng(2).random((1, 1, 100, 100)).astype("<f4")))
assert render([with_image], "--thumbnail", "--max", "0.9").returncode == 0
small = read_png("out/small_thumbnail.png")
assert small.shape == (56, 3 * 112 + 4, 3), small.shape
assert (small[:, :112].std(2) == 0).all() and (small[:20, -112:] != small[-20:, -112:]).any()
top, left, bottom, right, n = box(np.pad(small, ((0, 40), (0, 0), (0, 0))), ORANGE)
assert abs(top - 0.3 * 56) <= 1 and abs(left - 114 - 0.1 * 112) <= 1 and abs(right - 114 - 0.5 * 112) <= 1, (top, left, right)
kind, text = described("out/small_thumbnail.png")
assert kind == 3 and text == "cells image contours map\nclass e69f00 Ä\nclass 56b4e9 B\nmap 0 0.9 t_test\n", (kind, text)
assert render([case("bare", label, heat)], "--thumbnail").returncode == 0
kind, text = described("out/bare_thumbnail.png")
assert read_png("out/bare_thumbnail.png").shape == (112, 2 * 112 + 2, 3) and text.startswith("cells contours map\n"), text

# The same bytes however the grid was cut.
same = set()
for cut in ({"slab": 1}, {"slab": 4}, {"slab": 1, "rows": 7}):
    r = render([case("cut", volume, np.random.default_rng(1).random((4, 60, 60)), **cut)])
    assert r.returncode == 0, r.stderr
    same.add(b"".join(open("out/cut_%s.png" % p, "rb").read() for p in ("panel", "overlay", "thumbnail")))
assert len(same) == 1

# A thousand by one, one voxel, fifty classes, empty, full, names that do not fit.
for shape in ((1, 1, 1000), (1, 1000, 1), (1, 1, 1), (3, 2, 2)):
    for fill in (0, 1):
        drawn([case("odd", np.full(shape, fill), np.full(shape, float(fill)))])
many = {"background": 0, **{"structure number %d" % i: i for i in range(1, 51)}}
f = case("n" * 200, label, heat)
f["labels"] = many
drawn([f])
del f["labels"]
drawn([f])

# What cannot be drawn: one line, status 3, no picture; with -k a failed frame.
bad = [dict(case("x", label, heat), layers=[({"kind": "t_test"}, np.zeros((1, 1, 9, 9), "<f4"))])]
for frames, options, words in ((bad, (), "no label layer"), ([case("y", label, heat)], ("-m", "entropy"), "no map entropy"),
                               ([case("y", label, heat)], ("-i", "nowhere"), "nowhere"), ([case("y", label, heat)], ("-r", "nowhere"), "nowhere")):
    r = render(frames, *options)
    assert r.returncode in (3, 4) and words in r.stderr and r.stderr.count("\n") == 1, (options, r)
    assert not os.path.exists("out/%s_panel.png" % frames[0]["case"])
r = render(bad + [case("z", label, heat)], "-k")
assert r.returncode == 3 and os.path.exists("out/z_panel.png") and "x: " in r.stderr, r
assert not [p for p in os.listdir("out") if not p.endswith(("_overlay.png", "_panel.png", "_thumbnail.png"))], os.listdir("out")
