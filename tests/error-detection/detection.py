"""error-detection: scores and curves against numpy, 2D and 3D, classes and regions; what it leaves alone and what it refuses."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["TESTS"], "uncertainty"))
from lib import *  # noqa: E402,F403

r = np.random.default_rng(21)
NAMES = {"background": 0, "LV": 1, "myocardium": 2}
REGIONS = {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
MEASURES = ["error_auroc", "error_overlap", "avu", "ause", "qu_brats", "dice_auc", "ftp_auc", "ftn_auc"]


def cells(u):
    """Values that count as one: 1024 an octave from 2^-40 to 2^24."""
    u = np.atleast_1d(np.asarray(u, "<f4"))
    cut = np.minimum((u.view("<u4") & 0xffffe000).view("<f4"), np.float32(2 ** 24 * (1 - 2 ** -11)))
    return np.where(u >= 2.0 ** -40, (cut.view("<u4") & 0xffffe000).view("<f4"), np.where(u > 0, np.float32(2.0 ** -50), 0)).astype(float)


def auroc(u, wrong):
    if wrong.all() or not wrong.any():
        return float("nan")
    values, place = np.unique(u, return_inverse=True)
    w, g = np.bincount(place, wrong, len(values)), np.bincount(place, ~wrong, len(values))
    return (w * (np.cumsum(g) - g / 2)).sum() / w.sum() / g.sum()


NODES = np.polynomial.legendre.leggauss(60)


def rate_area(counts, errors):
    """Integral of e(r) / r, e piecewise linear through the sums of counts and errors."""
    at, e, total = 0, 0, 0
    for n, w in zip(counts, errors):
        x = at + n * (NODES[0] + 1) / 2
        total += (NODES[1] * (e + w * (x - at) / n) / x).sum() * n / 2
        at, e = at + n, e + w
    return total


def ause(u, wrong):
    values, place = np.unique(u, return_inverse=True)
    own = rate_area(np.bincount(place), np.bincount(place, wrong))
    n = [c for c in ((~wrong).sum(), wrong.sum()) if c]
    e = [c for c, s in ((0, (~wrong).sum()), (wrong.sum(), wrong.sum())) if s]
    return (own - rate_area(n, e)) / len(u)


def steps(u, wrong, seg, ref, highest):
    for k in range(101):
        t = highest * k / 100
        c = u <= cells(np.float32(t))
        s = seg[c].sum() + ref[c].sum()
        tp, tn = seg & ref, ~seg & ~ref
        yield {"threshold": t, "certain": c.mean(), "dice": 2 * (tp & c).sum() / s if s else 1,
               "ftp": (tp & ~c).sum() / tp.sum() if tp.any() else 0, "ftn": (tn & ~c).sum() / tn.sum() if tn.any() else 0,
               "avu": ((~wrong & c) | (wrong & ~c)).mean(), "overlap": dice(~c, wrong) if wrong.any() else float("nan")}


def expected(exact, wrong, seg, ref, highest=None):
    if not len(exact):
        return {m: float("nan") for m in MEASURES}, None
    u = cells(exact)
    rows = list(steps(u, wrong, seg, ref, float(exact.max()) if highest is None else highest))
    area = {c: sum((rows[k][c] + rows[k + 1][c]) / 2 for k in range(100)) / 100 for c in ("dice", "ftp", "ftn", "avu")}
    best = max(dice(u >= v, wrong) for v in np.unique(u)) if wrong.any() else float("nan")
    exactly = auroc(exact.astype(float), wrong)
    if not math.isnan(exactly) and 1e-9 < exact.max() < 1e6:
        assert abs(exactly - auroc(u, wrong)) < 1e-3
    return {"error_auroc": auroc(u, wrong), "error_overlap": best, "avu": area["avu"], "ause": ause(u, wrong), "dice_auc": area["dice"],
            "ftp_auc": area["ftp"], "ftn_auc": area["ftn"], "qu_brats": (area["dice"] + 2 - area["ftp"] - area["ftn"]) / 3}, rows


def layer(kind, a, **more):
    return ({"kind": kind, **more}, np.ascontiguousarray(a))


def frame(name, seg, ref, maps, labels=None, **more):
    png(f"refs/{name}.png", ref[0]) if ref.shape[0] == 1 else nifti(f"refs/{name}.nii", ref, [3.0, 1.5, 0.75])
    layers = [layer("label", seg[None].astype("|u1"))]
    layers += [layer(k, m.astype("<f4"), **({"per_region": True} if m.shape[0] > 1 else {})) for k, m in maps.items()]
    return {"case": name, "slab": 1, "layers": layers, **(labels or {"labels": NAMES}), **more}


def random_case(shape, values=3):
    ref = r.integers(0, values, shape)
    wrong = r.random(shape) < 0.2
    seg = np.where(wrong, r.integers(0, values, shape), ref)
    return seg, ref, (r.random((1, *shape)) * np.where(wrong, 1.5, 1)).astype("<f4")


os.makedirs("refs")
frames, cases = [], []


def try_case(name, seg, ref, maps, ignore=None, regions=False):
    frames.append(frame(name, seg, ref, maps, REGIONS if regions else None, **({"ignore": ignore} if ignore else {})))
    cases.append((name, seg, ref, maps, ignore, regions))


for name, shape in ("picture", (1, 20, 25)), ("volume", (4, 9, 11)):
    seg, ref, u = random_case(shape)
    try_case(name, seg, ref, {"class_entropy": u, "variance": u ** 9, "t_test": np.where(u > 0.7, u, 0)})
seg, ref, u = random_case((3, 9, 9))
try_case("ignored", seg, np.where(r.random(ref.shape) < 0.3, 3, ref), {"class_entropy": u}, ignore=3)
try_case("all_ignored", seg[:1], np.full((1, 9, 9), 3), {"class_entropy": u[:, :1]}, ignore=3)
try_case("nothing", np.zeros((1, 5, 5), int), np.zeros((1, 5, 5), int), {"class_entropy": u[:, :1, :5, :5]})
try_case("all_wrong", np.ones((1, 5, 5), int), np.full((1, 5, 5), 2), {"class_entropy": u[:, :1, :5, :5]})
try_case("missed", np.zeros((1, 5, 5), int), r.integers(0, 3, (1, 5, 5)), {"class_entropy": u[:, :1, :5, :5]})
try_case("ties", seg, ref, {"class_entropy": np.full_like(u, 0.3), "margin": np.zeros_like(u), "max_softmax": np.round(u * 3)})
try_case("one_voxel", np.ones((1, 1, 1), int), np.zeros((1, 1, 1), int), {"class_entropy": np.full((1, 1, 1, 1), 0.5)})
try_case("huge", seg, ref, {"pairwise_kl": u * 2.0 ** 25, "mutual_information": u * 2.0 ** -41, "variance": u * 1e-30})
seg, ref, u = random_case((2, 12, 9))
try_case("regions", seg, ref, {"class_entropy": r.random((2, 2, 12, 9)), "t_test": u}, regions=True)
save("in.frames", frames)
run("error-detection -r refs --curves curves.tsv < in.frames > out.frames")
run("error-detection -r refs --highest 0.75 < in.frames > fixed.frames")
run("frames -s 3 in.frames | error-detection -r refs --curves again.tsv | frames -s 1 > again.frames")
run("cmp curves.tsv again.tsv && frames -d out.frames again.frames")
lines = [line.rstrip("\n").split("\t") for line in open("curves.tsv")]
curves = {}
for line in lines[1:]:
    curves.setdefault(tuple(line[:3]), []).append(dict(zip(lines[0], line)))
n = 0
for (name, seg, ref, maps, ignore, regions), got, fixed, came in zip(cases, read("out.frames"), read("fixed.frames"), frames):
    assert got["case"] == name and all(g.tobytes() == c[1].tobytes() for (_, g), c in zip((x for v in got["data"].values() for x in v), came["layers"]))
    keep = ref != ignore if ignore else np.ones(ref.shape, bool)
    parts = {"-": None, **({"whole": [1, 2], "core": [2]} if regions else {"LV": [1], "myocardium": [2]})}
    assert len(got["scores"]) == len(maps) * len(parts) * len(MEASURES)
    for kind, u in maps.items():
        for p, (part, values) in enumerate(parts.items()):
            own = (u[p - 1] if p else u.max(0)) if len(u) > 1 else u[0]
            s, t = (np.isin(a, values or [1, 2]) for a in (seg, ref))
            wrong = s != t if values else seg != ref
            arguments = own.astype("<f4")[keep], wrong[keep], s[keep], t[keep]
            for result, highest in [(got, None)] + [(fixed, 0.75)] * (name in ("picture", "regions")):
                want, rows = expected(*arguments, highest)
                for m, w in want.items():
                    v = result["scores"][f"{kind}.{m}" + (f":{part}" if p else "")]
                    assert (math.isnan(v) and math.isnan(w)) or abs(v - w) < 1e-9, (name, kind, part, m, v, w)
                    n += 1
                if highest is None:
                    for k, row in enumerate(curves[name, kind, part]):
                        for c, w in (rows[k] if rows else {}).items():
                            assert abs(float(row[c]) - w) < 1e-8 * max(1, abs(w)) or (math.isnan(w) and row[c] == "nan"), (name, kind, part, k, c, row[c], w)
                            n += 1
print(f"note: {n} numbers compared")

# What it does not know passes; what is wrong is refused with the case and the cause
save("odd.frames", [{"case": "odd", "slab": 1, "layers": [layer("strange", r.random((1, 1, 4, 4)).astype("<f4"))]}])
run("error-detection -r refs < odd.frames > out.frames && frames -d odd.frames out.frames")
seg, ref, u = random_case((1, 6, 6))
for what, a, reason in ("negative", -u, "negative"), ("NaN", u * np.nan, "not finite"):
    save("bad.frames", [frame("good", seg, ref, {"class_entropy": u}), frame("bad", seg, ref, {"class_entropy": a}), frame("last", seg, ref, {"class_entropy": u})])
    said = run("error-detection -r refs < bad.frames > out.frames", 3)
    assert "bad: " in said and reason in said, said
    run("error-detection -k -r refs < bad.frames > out.frames", 3)
    assert [bool(f["scores"]) for f in read("out.frames")] == [True, False, True]
assert "cannot open nowhere" in run("error-detection -r nowhere < bad.frames > out.frames", 4)
assert "--memory" in run("error-detection --memory 2M -r refs < bad.frames > out.frames", 3)
run("error-detection < bad.frames > out.frames", 2)
