"""Maps and scores of random volumes against the formulas written out in numpy, for every kind of network and odd case."""
from lib import *

r = np.random.default_rng(7)
NAMES = {2: {"background": 0, "LV": 1}, 3: {"background": 0, "LV": 1, "myocardium": 2}, 5: {"background": 0, **{f"c{i}": i for i in range(1, 5)}}}
REGIONS = {"labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}, "regions_class_order": [1, 2, 3]}


def softmax(members, classes, shape, spread=3.0):
    common, own = r.normal(0, spread, (classes, *shape)), r.normal(0, 1, (members, classes, *shape))
    e = np.exp(common + own - (common + own).max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype("<f4")


def cropped(P, sigmoid=False):
    P = P.copy()
    P[..., :2] = 0
    if not sigmoid:
        P[:, 0, ..., :2] = 1
    return P


def const(p, members=3):
    return np.broadcast_to(np.array(p, "<f4")[None, :, None, None, None], (members, len(p), 2, 4, 5)).copy()


sigmoid = (1 / (1 + np.exp(-r.normal(0, 2, (4, 3, 3, 6, 7))))).astype("<f4")
CASES = {
    "two": softmax(3, 2, (1, 9, 11)), "three": softmax(9, 3, (1, 16, 5)), "five": softmax(4, 5, (4, 7, 6)),
    "one_member": softmax(1, 3, (2, 5, 6)), "two_members": softmax(2, 2, (1, 8, 8)), "many": softmax(255, 2, (1, 4, 3)),
    "cropped": cropped(softmax(5, 3, (2, 6, 9))), "sure": softmax(5, 3, (1, 12, 12), 60.0), "row": softmax(3, 2, (1, 1, 30)), "column": softmax(3, 2, (1, 30, 1)),
    "full": const([0.125, 0.25, 0.625]), "empty": const([1, 0]), "even": const([0.5, 0.5]), "regions": sigmoid, "cropped_regions": cropped(sigmoid, True),
}

frames = []
for name, P in CASES.items():
    regions = "regions" in name
    more = REGIONS if regions else {"labels": NAMES[P.shape[1]]}
    frames.append(case(name, list(P), sigmoid=regions, spacing_mm=[8.0, 1.25, 1.5], **more))
save("in.frames", frames)
for b in "2", "e", "C":
    run(f"average-probs -m t_test,expected_entropy,total_entropy < in.frames | entropy -b {b} | contour-norm | segment > {b}.frames")
bases = {b: read(f"{b}.frames") for b in ("2", "e", "C")}
worst, voxels = 0.0, 0
for k, (name, P32) in enumerate(CASES.items()):
    f = bases["2"][k]
    assert f["case"] == name
    s, order = "regions" in name, REGIONS["regions_class_order"] if "regions" in name else None
    P = P32.astype(np.float64)
    M, C = P.shape[:2]
    got = {kind: l[0][1].astype(np.float64) for kind, l in f["data"].items()}
    assert abs(got["probs"] - P.mean(0)).max() < 6e-8, name
    assert f["members"] == M and len(f["data"]["probs"]) == 1 and "member" not in f["data"]["probs"][0][0]
    want = {"class_entropy": class_entropy(P, s), "total_entropy": total_entropy(P, s), "expected_entropy": expected_entropy(P, s)}
    for kind, w in want.items():
        assert abs(got[kind][0] - w).max() <= 1e-6 * max(1, w.max()), (name, kind, abs(got[kind][0] - w).max())
    for b, factor in ("e", math.log(2)), ("C", 1 if s else 1 / math.log2(C)):
        w = want["class_entropy"] * factor
        assert abs(bases[b][k]["data"]["class_entropy"][0][1][0] - w).max() < 1e-6, (name, b)

    # Welch: background and foreground have equal variances but for rounding, so df is 2 (M - 1)
    g = foreground(P, s)
    p = np.zeros(P.shape[2:])
    if M > 1:
        d, v = abs(np.subtract(*g.mean(0))), g.var(0, ddof=1).sum(0) / M
        for at in np.argwhere((v > 0) & (d < 1e3 * np.sqrt(v))):
            at = tuple(at)
            p[at] = student_tail(d[at] / math.sqrt(v[at]), 2 * (M - 1))
    sure = (abs(p - 0.05) > 1e-4)
    p = np.where(p > 0.05, p, 0)
    error = abs(got["t_test"][0] - p)[sure]
    assert error.size == 0 or error.max() < 2e-5, (name, error.max())
    worst, voxels = max(worst, error.max(initial=0)), voxels + (p > 0).sum()
    want["t_test"] = got["t_test"][0]               # its sum is compared below

    seg = segmentation(got["probs"], order)
    assert (got["label"][0] == seg).all() and f["data"]["label"][0][0]["type"] == "|u1", name
    values = {n: v if isinstance(v, list) else [v] for n, v in (REGIONS["labels"] if s else NAMES[C]).items()}
    for part in [None] + [n for n in values if n != "background"]:
        mask = seg > 0 if part is None else np.isin(seg, values[part])
        n, tail = contour(mask).sum(), "" if part is None else ":" + part
        close(f["scores"]["mask_pixels" + tail], mask.sum(), 0, name)
        close(f["scores"]["contour_pixels" + tail], n, 0, name + tail)
        for kind, w in want.items():
            close(f["scores"][kind + tail], w.sum() / n if n else math.inf, 1e-6, f"{name} {kind}{tail}")
        if part is None:
            zero = (got["probs"][0 if s else 1:] == 0).all(0)
            flags = {"one_member": M == 1, "cropped": zero.any(), "empty": not mask.any(), "full": mask.all(), "no_contour": n == 0, "empty_worst": n == 0}
            assert set(f["flags"]) == {k for k, v in flags.items() if v}, (name, f["flags"])
assert all("cropped" in bases["2"][list(CASES).index(n)]["flags"] for n in ("cropped", "cropped_regions", "empty"))
assert {"full", "no_contour"} <= set(bases["2"][list(CASES).index("full")]["flags"])
assert voxels > 100, "too few voxels had a p value above 5 %"
print("largest error of a p value:", worst)

# the size of slabs, planes or rows of one, changes no map and no score, however the sum of a map is rounded
for name in "five", "regions", "cropped":
    f = next(f for f in frames if f["case"] == name)
    shape, seen = f["layers"][0][1].shape[1:], []
    for slab, rows in ((shape[0], shape[1]), (1, shape[1]), (1, 1), (1, 2), (1, shape[1] - 1), (2, shape[1])):
        save("in.frames", [{**f, "slab": slab, "rows": rows}])
        run("average-probs -m t_test,expected_entropy,total_entropy < in.frames | entropy | contour-norm > out.frames")
        run("segment < out.frames | contour-norm > again.frames")
        a, b = read("out.frames")[0], read("again.frames")[0]
        assert a["slab"] == [slab, rows] and a["scores"] == b["scores"] and len(a["scores"]) >= 18
        seen.append((a["scores"], a["flags"], {k: v[0][1].tobytes() for k, v in b["data"].items()}))
    assert all(s == seen[0] for s in seen), name

# a label layer, where there is one, is the segmentation
P = CASES["five"]
other = r.integers(0, 5, (1, *P.shape[2:])).astype("<u2")
f = case("labelled", list(P), NAMES[5])
f["layers"].append(({"kind": "label"}, other))
save("in.frames", [f])
run("average-probs < in.frames | entropy | contour-norm > out.frames")
s = read("out.frames")[0]["scores"]
close(s["contour_pixels"], contour(other[0] > 0).sum(), 0, "label layer")
close(s["class_entropy:c3"], class_entropy(P.astype(np.float64)).sum() / contour(other[0] == 3).sum(), 1e-6, "label layer")
run("average-probs < in.frames | segment -d | frames -L '*' > out.frames")
assert set(read("out.frames")[0]["data"]) == {"label"}

# a single member needs no mean; a frame without probabilities passes
save("in.frames", [case("one", [P[0]], NAMES[5]), {"case": "image", "layers": [({"kind": "image"}, other.astype("<f4"))]}])
run("segment < in.frames | entropy | contour-norm > alone.frames; average-probs < in.frames | segment | entropy | contour-norm > mean.frames")
for a, b in zip(read("alone.frames"), read("mean.frames")):
    for kind in "label", "class_entropy", "image":
        assert (kind in a["data"]) == (kind in b["data"]) and (kind not in a["data"] or abs(a["data"][kind][0][1].astype(float) - b["data"][kind][0][1]).max() < 1e-6)
    assert set(a["scores"]) == set(b["scores"])
assert list(read("mean.frames")[1]["data"]) == ["image"] and not read("mean.frames")[1]["scores"]

# refusals, a line and status 3 each
for what, f, program, words in (
        ("members", case("a", list(P), NAMES[5]), "entropy", "a: its probabilities are those of members; average-probs comes before"),
        ("members", case("a", list(P), NAMES[5]), "segment", "a: its probabilities are those of members"),
        ("no segmentation", {"case": "a", "layers": [({"kind": "t_test"}, other.astype("<f4"))]}, "contour-norm", "a: it holds maps but no probabilities and no labels"),
        ("map", {"case": "a", "layers": [({"kind": "t_test"}, other)]}, "contour-norm", "a: its map t_test is not one channel of <f4"),
        ("channels", {"case": "a", "labels": NAMES[3], "layers": [({"kind": "probs"}, P[0])]}, "contour-norm", "a: its probabilities have 5 channels where its labels make 3"),
        ("no labels", {"case": "a", "layers": [({"kind": "probs", "activation": "sigmoid"}, P[0])]}, "segment", "a: its probabilities are those of regions, but its header has no labels"),
        ("regions", {"case": "a", "layers": [({"kind": "probs", "activation": "sigmoid"}, P[0])]}, "entropy --as-coded", "of two or more classes, not of regions"),
        ("type", {"case": "a", "layers": [({"kind": "probs"}, P[0].astype("<f2"))]}, "entropy", "a: its probabilities are of type <f2, not <f4"),
        ("gap", {"case": "a", "labels": {"background": 0, "x": 2}, "layers": [({"kind": "probs"}, P[0])]}, "segment", "consecutive, but no label has the value 1"),
        ("ignore", {"case": "a", "labels": NAMES[5], "ignore": 7, "layers": [({"kind": "probs"}, P[0])]}, "segment", "the ignore label is 7, but must be one more than the largest other, 4"),
        ("order", {"case": "a", **REGIONS, "regions_class_order": [1], "layers": [({"kind": "probs", "activation": "sigmoid"}, P[0])]}, "segment", "3 regions but regions_class_order has 1 entries"),
        ("negative", {"case": "a", "labels": NAMES[5], "layers": [({"kind": "label"}, other.astype("<i2") - 9)]}, "contour-norm", "its label layer holds values outside 0 to 65535")):
    save("bad.frames", [f, {**case("b", [P[0]], NAMES[5])}])
    said = run(f"{program} < bad.frames > out.frames", 3)
    assert words in said and said.count("\n") == 1, (what, said)
    save("bad.frames", [f])
    said = run(f"{program} -k < bad.frames > out.frames", 3)
    kept = read("out.frames")[0]
    assert words in said and words.removeprefix("a: ") in kept["failed"]["reason"], (what, said, kept)
