"""aggregate: every aggregation of images and volumes, classes and regions, even and uneven spacing, against the formulas."""
from brute import *

r = np.random.default_rng(3)
TWO = {"background": 0, "LV": 1}
FIVE = {"background": 0, **{f"c{i}": i for i in range(1, 5)}}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}


def blobs(shape, classes, spacing=(1, 1, 1)):
    """Label maps with parts of some thickness, ragged by noise."""
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    centre = (np.array(shape) - 1) / 2 + r.normal(0, 0.03, 3) * shape
    d = np.sqrt((((grid - centre) / (np.array(shape) / 2 + 0.5)) ** 2).sum(-1)) + r.normal(0, 0.06, shape)
    return np.clip(np.ceil((0.85 - d) / 0.85 * (classes - 1)), 0, classes - 1).astype(int)


def some_maps(shape, kinds=("class_entropy", "t_test"), channels=1):
    return {k: np.round(r.gamma(0.5, 0.3, (channels, *shape)), 3).astype("<f4") for k in kinds}      # with ties


CASES = {
    "picture": ((1, 17, 14), TWO, (999, 1, 1)), "five": ((1, 23, 19), FIVE, (8, 1.25, 1.5)), "volume": ((6, 11, 9), TWO, (1, 1, 1)),
    "flat": ((4, 13, 12), FIVE, (5.0, 0.7, 0.9)), "regions": ((3, 12, 11), REGIONS, (3, 1.5, 0.75)), "thin": ((9, 7, 8), FIVE, (0.6, 1.2, 2.0)),
}
SETTINGS = [
    {}, {"ring": "in", "width": 1.0, "patch": 3.0, "threshold": 0.25, "quantile": 0.5},
    {"ring": "out", "width": 1.5, "in_slice": True, "patch": 4.0, "threshold": 7.5, "quantile": "foreground"},
    {"width": 2.4, "width_mm": True, "patch": 4.0, "patch_mm": True, "quantile": 0.987, "empty": "skip"},
    {"ring": "out", "width": 1.8, "width_mm": True, "in_slice": True, "patch": 2.0, "patch_mm": True, "quantile": 0, "empty": "image"},
]
cases = {}
for name, (shape, labels, spacing) in CASES.items():
    n = max(max(v) if isinstance(v, list) else v for v in labels.values()) + 1
    maps = some_maps(shape)
    if name == "regions":
        maps.update(some_maps(shape, ("expected_entropy",), 3))
    cases[name] = (blobs(shape, n), maps, labels, spacing)
    assert len(np.unique(cases[name][0])) == n, name
stripes = np.zeros((2, 24, 9), int)
for y, value in (1, 1), (3, 2), (4, 1), (7, 1), (8, 3), (11, 2), (12, 1), (17, 1), (18, 4), (21, 4), (23, 3):      # with gaps of every length
    stripes[0, y, 1 + y % 3:5 + y % 4] = stripes[1, 23 - y, y % 5:] = value
cases["stripes"] = (stripes, some_maps(stripes.shape), FIVE, (2, 1.1, 0.8))


def frame(name, seg, maps, labels, spacing, **more):
    if labels is REGIONS:
        more["regions_class_order"] = [1, 2, 3]
    return maps_frame(name, seg, maps, labels, spacing, **more)


compared = 0
for o in SETTINGS:
    save("in.frames", [frame(name, *c) for name, c in cases.items()])
    run(f"aggregate {options(o)} < in.frames > out.frames")
    for f in read("out.frames"):
        want = all_scores(*cases[f["case"]], o)
        compare(f["scores"], want, (f["case"], o))
        compared += len(want)
assert compared > 2000, compared

# the same bytes whatever the slabs; a slice of a volume is what it is alone
for name in "flat", "regions":
    seg, maps, labels, spacing = cases[name]
    seen = set()
    for slab, rows in ((1, seg.shape[1]), (2, seg.shape[1]), (seg.shape[0], seg.shape[1]), (1, 1), (1, 5)):
        save("in.frames", [frame(name, seg, maps, labels, spacing, slab=slab, rows=rows)])
        run("aggregate --threshold 0.2 --per-slice --empty image < in.frames | contour-norm --per-slice > out.frames")
        f = read("out.frames")[0]
        seen.add(msgpack.packb(f["closing"]))
    assert len(seen) == 1, name
    one = [frame(f"{z}", seg[z:z + 1], {k: u[:, z:z + 1] for k, u in maps.items()}, labels, spacing) for z in range(seg.shape[0])]
    save("in.frames", one)
    run("aggregate --threshold 0.2 --empty image < in.frames | contour-norm > out.frames")
    for z, g in enumerate(read("out.frames")):
        slices = {k: np.frombuffer(v, "<f8")[z] for k, v in f["closing"]["slices"]["scores"].items()}
        assert slices == g["scores"], (name, z)
        assert {k for k, v in f["closing"]["slices"]["flags"].items() if v[z]} == set(g["flags"]), (name, z)

# a choice of aggregations is a choice of columns
seg, maps, labels, spacing = cases["flat"]
save("in.frames", [frame("a", seg, maps, labels, spacing)])
run("aggregate --threshold 0.2 < in.frames > all.frames")
everything = read("all.frames")[0]["scores"]
for chosen_names in ("mean", "ring,patch", "contour_mm", "threshold_sum,foreground", "quantile_mean"):
    run(f"aggregate --threshold 0.2 -a {chosen_names} < in.frames > out.frames")
    got = read("out.frames")[0]["scores"]
    assert got == {k: v for k, v in everything.items() if k.split(".")[1].split(":")[0] in chosen_names.split(",")}, chosen_names

# contour is what contour-norm gives
run("contour-norm < in.frames > out.frames")
for k, v in read("out.frames")[0]["scores"].items():
    kind, _, part = k.partition(":")
    if kind in maps:
        assert everything[f"{kind}.contour{part and ':' + part}"] == v or abs(everything[f"{kind}.contour{part and ':' + part}"] / v - 1) < 1e-12

# from slab to slab only what is needed is kept; the limit is named
big = r.random((60, 64, 64)).astype("<f4")
save("in.frames", [frame("big", (big > 0.5).astype(int), {"class_entropy": big[None]}, TWO, spacing)])
run("aggregate --memory 1M -a mean,sum,foreground,background,contour,contour_mm,volume_weighted < in.frames > out.frames")
said = run("aggregate --memory 1M -a patch < in.frames > out.frames", 3)
assert said.startswith("aggregate: big: a patch or quantile needs the whole case, ") and said.count("\n") == 1, said
said = run("aggregate -k --memory 1M -a ring < in.frames > out.frames", 3)
assert "the distance to the boundary needs the whole case" in said and "failed" in read("out.frames")[0]

# usage
for words, about in (("-a nonsense", "'nonsense' is none of mean sum "), ("-a threshold_mean", "needs --threshold"), ("--width 2cm", "is no length"),
                     ("--width 0", "is no length"), ("--patch 1.5", "no whole number"), ("--quantile 1", "neither a number"), ("-a mean,", "'' is none of mean sum ")):
    said = run(f"aggregate {words} < in.frames", 2)
    assert about in said and said.count("\n") == 1, said

# more scores than a closing map holds
names = {"background": 0, **{f"c{i}": i for i in range(1, 401)}}
seg = np.arange(4000).reshape(1000, 2, 2) % 401
f = maps_frame("tall", seg, {"t_test": r.random((1, 1000, 2, 2))}, names, spacing, slab=100)
f["layers"][0] = ({"kind": "label"}, seg[None].astype("<u2"))
save("in.frames", [f])
said = run("contour-norm --per-slice < in.frames > out.frames", 3)
assert said == "contour-norm: tall: 1203 scores of each of 1000 slices are more than a stream holds; fewer can be asked for\n", said
said = run("contour-norm --memory 100K < in.frames > out.frames", 3)
assert said == "contour-norm: tall: its 400 classes or regions need more than the limit of 0 MiB (--memory raises it)\n", said
run("contour-norm < in.frames | score > out.tsv")
