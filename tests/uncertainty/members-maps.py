"""Maps and scores of members against their formulas, restated one distribution, one voxel and one pair at a time."""
import itertools

from lib import *

r = np.random.default_rng(21)
SPACING = [8.0, 1.25, 1.5]
MAPS = "total_entropy t_test expected_entropy mutual_information variance vote_entropy variation_ratio margin max_softmax pairwise_kl".split()
ENTROPIES = {"total_entropy", "expected_entropy", "mutual_information", "vote_entropy", "pairwise_kl"}
LABELS = {2: {"background": 0, "LV": 1}, 3: {"background": 0, "LV": 1, "myocardium": 2}, 5: {"background": 0, **{f"c{i}": i for i in range(1, 5)}}}
REGIONS = {"labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}, "regions_class_order": [1, 2, 3]}


def softmax(members, classes, shape, common=3.0, own=1.5):
    z = r.normal(0, common, (classes, *shape)) + r.normal(0, own, (members, classes, *shape))
    e = np.exp(z - z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype("<f4")


def sigmoid(members, shape):
    z = r.normal(0, 2, (3, *shape)) + r.normal(0, 1.5, (members, 3, *shape))
    return (1 / (1 + np.exp(-z))).astype("<f4")


def with_exact(P):
    """Voxels where some or all members are exactly sure, of one class or of different ones."""
    P = P.copy()
    P[:, :, :, 0] = 0
    P[:, 0, :, 0] = 1
    P[0, :, :, 1] = 0
    P[0, -1, :, 1] = 1
    P[-1, :, :, 2] = 0
    P[-1, 0, :, 2] = 1
    return P


def ties(members, classes, shape):
    P = r.integers(1, 3, (members, classes, *shape)) / 4.0
    return (P / P.sum(1, keepdims=True)).astype("<f4")


# ---- the formulas; p: [M, K] of one voxel and one distribution, in Python's floats ----

def H(q):
    return -sum(x * math.log2(x) for x in q if x > 0)


def floored(x):
    return math.log2(max(x, 2.0 ** -24))


def first_largest(q):
    return max(range(len(q)), key=lambda k: (q[k], -k))


def voxel(p, rounded):
    """rounded: the mean as fp32, of which segment makes the segmentation."""
    M, K = len(p), len(p[0])
    mean = [math.fsum(p[m][k] for m in range(M)) / M for k in range(K)]
    votes = [0] * K
    for q in p:
        votes[first_largest(q)] += 1
    top = sorted(mean, reverse=True) + [0.0]
    expected = math.fsum(H(q) for q in p) / M
    kl = 0.0
    for a, b in itertools.permutations(range(M), 2):
        kl += sum(p[a][k] * (floored(p[a][k]) - floored(p[b][k])) for k in range(K))
    return {
        "expected_entropy": expected,
        "mutual_information": max(H(mean) - expected, 0),
        "variance": sum(math.fsum((p[m][k] - mean[k]) ** 2 for m in range(M)) / M for k in range(K)) / K,
        "vote_entropy": H([n / M for n in votes]),
        "variation_ratio": 1 - votes[first_largest(rounded)] / M,
        "margin": 1 - (top[0] - top[1]),
        "max_softmax": 1 - top[0],
        "pairwise_kl": max(kl / (M * (M - 1)), 0) if M > 1 else 0.0,
    }


def maps_of(P, s):
    """{map: [1, or regions, z, y, x]} and votes [C, z, y, x]."""
    M, C = P.shape[:2]
    mean32 = P.astype(np.float64).mean(0).astype("<f4")
    out = {k: np.zeros((C if s else 1, *P.shape[2:])) for k in MAPS}
    votes = np.zeros(P.shape[1:], int)
    for at in np.ndindex(P.shape[2:]):
        q = [[float(x) for x in P[(m, slice(None), *at)]] for m in range(M)]
        for e in range(C if s else 1):
            p = [[1 - q[m][e], q[m][e]] for m in range(M)] if s else q
            rounded = [0.5, float(mean32[(e, *at)])] if s else [float(x) for x in mean32[(slice(None), *at)]]
            for k, v in voxel(p, rounded).items():
                out[k][(e, *at)] = v
            for m in range(M):
                if s:
                    votes[(e, *at)] += q[m][e] > 0.5
                else:
                    votes[(first_largest(p[m]), *at)] += 1
    out["total_entropy"] = total_entropy(P.astype(np.float64), s)[None]
    return out, votes, mean32


def segmentations(P, s):
    """[M, structures, z, y, x] bool."""
    if s:
        return P > 0.5
    return np.stack([P.argmax(1) == c for c in range(1, P.shape[1])], 1)


def mean_of(values):
    values = [v for v in values if not math.isnan(v)]
    return sum(values) / len(values) if values else math.nan


def scores_of(P, mean32, s, names):
    masks = segmentations(P, s)
    M, S = masks.shape[:2]
    want = {}
    pairs = list(itertools.combinations(range(M), 2))
    for i in range(S):
        want["pairwise_dice:" + names[i]] = mean_of([dice(masks[a, i], masks[b, i]) for a, b in pairs])
        union = masks[:, i].any(0).sum()
        want["samples_iou:" + names[i]] = masks[:, i].all(0).sum() / union if union else math.nan
        v = masks[:, i].reshape(M, -1).sum(1).astype(float)
        want["volume_mean_mm3:" + names[i]] = v.mean() * math.prod(SPACING)
        want["volume_cv:" + names[i]] = v.std() / v.mean() if v.mean() else math.nan
        p = P[:, i if s else i + 1].astype(np.float64).mean(0)
        own = mean32[i] > 0.5 if s else mean32.argmax(0) == i + 1
        want["soft_dice_confidence:" + names[i]] = 2 * p[own].sum() / (p.sum() + own.sum()) if own.any() else 0.0
    want["pairwise_dice"] = mean_of([mean_of([dice(masks[a, i], masks[b, i]) for i in range(S)]) for a, b in pairs])
    general = []
    for a, b in pairs:
        top = bottom = 0.0
        for i in range(S):
            sizes = int(masks[a, i].sum() + masks[b, i].sum())
            if sizes:
                top += 2 * (masks[a, i] & masks[b, i]).sum() / sizes ** 2
                bottom += sizes / sizes ** 2
        general.append(top / bottom if bottom else math.nan)
    want["generalized_dice"] = mean_of(general)
    for k in "samples_iou", "volume_cv", "soft_dice_confidence":
        want[k] = mean_of([want[f"{k}:{n}"] for n in names])
    return want


CASES = {}
for (dims, shape), M, C in itertools.product((("2d", (1, 7, 9)), ("3d", (3, 5, 6))), (1, 2, 5), (2, 5)):
    CASES[f"{dims}_{M}_{C}"] = softmax(M, C, shape)
for dims, shape in ("2d", (1, 7, 9)), ("3d", (3, 5, 6)):
    for M in 1, 2, 5:
        CASES[f"{dims}_{M}_regions"] = sigmoid(M, shape)
CASES["exact"] = with_exact(softmax(4, 5, (2, 5, 5)))
CASES["exact_regions"] = np.where(r.random((3, 3, 1, 6, 5)) < 0.5, r.integers(0, 2, (3, 3, 1, 6, 5)), sigmoid(3, (1, 6, 5))).astype("<f4")
CASES["sure"] = softmax(5, 3, (1, 6, 6), 60.0, 30.0)
CASES["ties"] = ties(4, 3, (1, 6, 6))
CASES["half_regions"] = np.full((3, 3, 1, 4, 4), 0.5, "<f4")
CASES["agree"] = np.repeat(softmax(1, 3, (1, 6, 6)), 5, 0)
CASES["agree_regions"] = np.repeat(sigmoid(1, (1, 6, 6)), 5, 0)
CASES["constant"] = np.broadcast_to(np.array([[0.125, 0.25, 0.625]] * 3, "<f4")[:, :, None, None, None], (3, 3, 1, 4, 5)).copy()
CASES["one_voxel"] = softmax(5, 3, (1, 1, 1))
CASES["empty"] = np.zeros((3, 3, 1, 4, 4), "<f4")
CASES["empty"][:, 0] = 1
CASES["full"] = np.zeros((3, 2, 1, 4, 4), "<f4")
CASES["full"][:, 1] = 1
CASES["absent"] = softmax(4, 3, (1, 6, 6))
CASES["absent"][:, 2] = 0
CASES["in_one"] = CASES["empty"].copy()                  # one member alone has a structure
CASES["in_one"][1, :, 0, 1:3, 1:3] = np.array([0, 1, 0])[:, None, None]
CASES["empty_regions"] = np.zeros((3, 3, 1, 4, 4), "<f4")
CASES["many"] = softmax(60, 3, (1, 2, 2))

frames = []
for name, P in CASES.items():
    s = "regions" in name
    frames.append(case(name, list(P), sigmoid=s, spacing_mm=SPACING, slab=1, **(REGIONS if s else {"labels": LABELS[P.shape[1]]})))
save("in.frames", frames)
run("average-probs -m all,votes -s all < in.frames > all.frames")
run("average-probs --per-region -m all,votes -s all -b e < in.frames > rows.frames")
run("average-probs -m all -b C < in.frames > c.frames")
largest = {}
for name, f, rows, c in zip(CASES, read("all.frames"), read("rows.frames"), read("c.frames")):
    P, s = CASES[name], "regions" in name
    M, C = P.shape[:2]
    want, votes, mean32 = maps_of(P, s)
    assert list(f["data"]) == ["probs"] + MAPS + ["votes"] and list(c["data"]) == ["probs"] + MAPS, name
    assert (f["data"]["votes"][0][1] == votes).all() and f["data"]["votes"][0][0]["type"] == "|u1", name
    assert abs(f["data"]["probs"][0][1] - mean32).max() <= 6e-8, name
    for k in MAPS:
        meta, got = f["data"][k][0]
        assert got.shape[0] == 1 and "per_region" not in meta and (meta.get("base") == "2") == (k in ENTROPIES), (name, k)
        assert np.isfinite(got).all() and (got >= 0).all(), (name, k)
        if k != "t_test":                               # formulas.py has it
            error = abs(got[0] - want[k].max(0)).max()
            assert error <= 2e-7 * max(1, want[k].max()), (name, k, error)
            largest[k] = max(largest.get(k, 0), error)
            factor = math.log2(2 if s else C) if k in ENTROPIES else 1
            assert abs(c["data"][k][0][1] * factor - got).max() <= 4e-7 * max(1, want[k].max()), (name, k, "C")
        meta, got = rows["data"][k][0]
        if s and k not in ("total_entropy", "t_test"):
            assert got.shape[0] == C and meta["per_region"] is True, (name, k)
            assert abs(got - want[k] * (math.log(2) if k in ENTROPIES else 1)).max() <= 2e-7 * max(1, want[k].max()), (name, k, "rows")
        else:
            assert got.shape[0] == 1 and "per_region" not in meta, (name, k)
    if "agree" in name or M == 1 or name in ("empty", "full", "constant", "half_regions", "empty_regions"):
        for k in "mutual_information", "variance", "vote_entropy", "variation_ratio", "pairwise_kl":
            assert not f["data"][k][0][1].any(), (name, k)
    names = [n for n in (REGIONS["labels"] if s else LABELS[C]) if n != "background"]
    scores = scores_of(P, mean32, s, names)
    assert set(f["scores"]) == set(scores), (name, set(f["scores"]) ^ set(scores))
    for k, v in scores.items():
        close(f["scores"][k], v, 1e-12 if k.split(":")[0] != "soft_dice_confidence" else 1e-9, f"{name} {k}")
    assert f["scores"] == rows["scores"] or any(math.isnan(v) for v in scores.values())
    empty = not segmentations(P, s).any()
    assert set(f["flags"]) == ({"one_member"} if M == 1 else set()) | ({"members_empty"} if empty else set()), (name, f["flags"])
assert largest["mutual_information"] > 0 and largest["pairwise_kl"] > 0
print("largest errors:", largest)

# what the degenerate ones give, in figures
S = {name: f["scores"] for name, f in zip(CASES, read("all.frames"))}
assert math.isnan(S["2d_1_5"]["pairwise_dice"]) and S["2d_1_5"]["samples_iou"] == 1 and S["2d_1_5"]["volume_cv"] == 0
assert math.isnan(S["empty"]["pairwise_dice"]) and math.isnan(S["empty"]["samples_iou"]) and S["empty"]["soft_dice_confidence"] == 0
assert S["full"]["pairwise_dice"] == S["full"]["generalized_dice"] == S["full"]["samples_iou"] == S["full"]["soft_dice_confidence"] == 1
assert math.isnan(S["absent"]["pairwise_dice:myocardium"]) and S["absent"]["pairwise_dice"] == S["absent"]["pairwise_dice:LV"]
assert S["in_one"]["pairwise_dice:LV"] == 0 and S["in_one"]["samples_iou:LV"] == 0 and S["in_one"]["soft_dice_confidence"] == 0
assert S["in_one"]["volume_mean_mm3:LV"] == 4 / 3 * math.prod(SPACING) and abs(S["in_one"]["volume_cv:LV"] - 2 ** 0.5) < 1e-15
m = read("all.frames")[list(CASES).index("exact")]["data"]["pairwise_kl"][0][1]
assert m.max() <= 24 and m.max() > 2

save("in.frames", [case("picture", list(CASES["in_one"]), LABELS[3], spacing_mm=[999.0, 1.0, 1.0]), case("plane", list(CASES["in_one"]), LABELS[3], spacing_mm=[9.0, 1.0, 0.5])])
run("average-probs -s volume_mean_mm3 < in.frames > out.frames")
assert [f["scores"]["volume_mean_mm3:LV"] for f in read("out.frames")] == [4 / 3, 6.0]

# threads, slabs, forms and order of members: the same bytes
for name in "3d_5_5", "3d_5_regions", "exact":
    P, f = CASES[name], frames[list(CASES).index(name)]
    head = {k: v for k, v in f.items() if k not in ("layers", "slab", "case")}
    seen = []
    for form, slab, rows, threads, order in (("one", 1, None, 1, 1), ("one", P.shape[2], None, 3, -1), ("one", 1, 1, 2, 1), ("one", 1, 2, 1, -1),
                                             ("consecutive", 2, None, 1, 1), ("consecutive", 1, None, 2, -1), ("streams", 1, None, 2, -1), ("streams", 2, None, 4, 1)):
        layers = [member(p, f"m{i}", i + 1, len(P), "regions" in name) for i, p in enumerate(P)][::order]
        more = {**head, "case": name, "slab": slab, **({"rows": rows} if rows else {})}
        if form == "streams":
            for i, l in enumerate(layers):
                l[0]["member"] |= {"index": 1, "of": 1}
                save(f"{i}.frames", [{**more, "layers": [l]}])
            source = " ".join(f"{i}.frames" for i in range(len(P)))
        else:
            save("in.frames", [{**more, "layers": layers}] if form == "one" else [{**more, "layers": [l]} for l in layers])
            source = "< in.frames"
        run(f"average-probs --per-region -j {threads} -m all,votes -s all {source} > out.frames")
        g = read("out.frames")[0]
        seen.append(({k: [(a.tobytes(), m) for m, a in v] for k, v in g["data"].items()}, repr(sorted(g["scores"].items())), g["flags"]))
    assert all(x == seen[0] for x in seen), name

# NaN in, in a later run of voxels and on several threads: the member is named, whatever the thread
P = softmax(3, 2, (1, 200, 100))
P[1, 1, 0, 150, 50] = P[2, 0, 0, 3, 3] = np.nan
save("in.frames", [case("nan", list(P), LABELS[2])])
for j in 1, 3:
    said = run(f"average-probs -j {j} -m all < in.frames > out.frames", 3)
    assert said == "average-probs: nan: member m2 of standard input: its probabilities hold a value that is not in 0 to 1\n", said
save("in.frames", [{"case": "nan", "labels": LABELS[2], "layers": [({"kind": "probs", "activation": "softmax"}, P[1])]}])
said = run("entropy < in.frames > out.frames", 3)
assert said == "entropy: nan: its probabilities hold a value that is not in 0 to 1\n", said

# entropy per region
save("in.frames", [case("r", list(CASES["3d_5_regions"]), sigmoid=True, **REGIONS)])
run("average-probs < in.frames > mean.frames; entropy --per-region < mean.frames > rows.frames; entropy < mean.frames > one.frames")
p = CASES["3d_5_regions"].astype(np.float64).mean(0)
meta, got = read("rows.frames")[0]["data"]["class_entropy"][0]
assert meta["per_region"] is True and got.shape[0] == 3 and abs(got - (plogp(p) + plogp(1 - p))).max() < 3e-7
assert (read("one.frames")[0]["data"]["class_entropy"][0][1][0] == got.max(0)).all()

# usage
for words, options in (("-s: there is no 'dice' of members", "-s dice"), ("-m: there is no '' of members", "-m ,margin"), ("--base: 'x' is none of", "-b x"),
                       ("has the maps total_entropy and t_test alone", "--as-coded -b e"), ("has the maps total_entropy and t_test alone", "--as-coded -s all"),
                       ("has the maps total_entropy and t_test alone", "--as-coded -m margin")):
    said = run(f"average-probs {options} < one.frames", 2)
    assert words in said, said
save("in.frames", [case("coded", list(CASES["2d_5_2"]), LABELS[2])])
run("average-probs --as-coded -m all < in.frames > out.frames")
assert list(read("out.frames")[0]["data"]) == ["probs", "total_entropy", "t_test"]
save("in.frames", [case("wide", list(np.full((2, 513, 1, 1, 1), 0.5, "<f4")), sigmoid=True, labels={"a": [0, 1]})])
assert "wide: it has 513 regions, more than 512" in run("average-probs < in.frames > out.frames", 3)
