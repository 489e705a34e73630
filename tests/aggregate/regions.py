"""From members with regions to contour-norm and aggregate, with maps by region and without."""
from brute import *

r = np.random.default_rng(17)
LABELS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}
SPACING = [3.0, 1.5, 0.75]
shape = (3, 11, 10)
grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
d = np.sqrt((((grid - np.array([1, 5, 4.5])) / [3, 1, 1]) ** 2).sum(-1))
P = 1 / (1 + np.exp(d[None, None] - np.array([5.0, 3.5, 1.8])[None, :, None, None, None] + r.normal(0, 0.7, (4, 3, *shape))))
BY_REGION = {"class_entropy", "expected_entropy", "mutual_information", "variance", "vote_entropy", "variation_ratio", "margin", "max_softmax", "pairwise_kl"}
NAMES = ["whole", "core", "tip"]

save("in.frames", [case("a", list(P.astype("<f4")), LABELS, sigmoid=True, regions_class_order=[1, 2, 3], spacing_mm=SPACING)])
both = {}
for flag in "", "--per-region":
    run(f"average-probs -m all {flag} < in.frames | entropy {flag} | segment | contour-norm | aggregate --threshold 0.1 --patch 3 > out.frames")
    f = read("out.frames")[0]
    seg = f["data"]["label"][0][1][0]
    assert set(np.unique(seg)) == {0, 1, 2, 3}
    maps = {k: v[0][1] for k, v in f["data"].items() if k in BY_REGION | {"total_entropy", "t_test"}}
    assert len(maps) == 11 and all((len(u) == 3) == (flag != "" and k in BY_REGION) for k, u in maps.items())
    compare(f["scores"], all_scores(seg, maps, LABELS, SPACING, {"threshold": 0.1, "patch": 3.0}), flag)
    for k, u in maps.items():
        for i, (suffix, mask) in enumerate(parts_of(seg, LABELS)):
            view = u.max(0) if i == 0 or len(u) == 1 else u[i - 1]
            close(f["scores"][k + suffix], view.astype(float).sum() / contour(mask).sum(), 1e-9, k + suffix)
    both[flag] = f["scores"]

# without a name both are the same; of a region they are not
plain, by_region = both[""], both["--per-region"]
assert all(by_region[k] == v for k, v in plain.items() if ":" not in k)
assert all(by_region[f"class_entropy:{n}"] < plain[f"class_entropy:{n}"] for n in NAMES)
assert {k.split(":")[0].split(".")[1] for k in set(by_region) - set(plain)} == set(IMAGE)

# a map by region of a network without regions, or with another number of them
for labels, channels in ({"background": 0, "LV": 1, "b": 2, "c": 3}, 3), (LABELS, 2):
    u = np.zeros((channels, 1, 4, 4), "<f4")
    more = {"regions_class_order": [1, 2, 3]} if labels is LABELS else {}
    save("in.frames", [maps_frame("a", np.ones((1, 4, 4), int), {"class_entropy": u}, labels, SPACING, **more)])
    regions = 3 if more else 0
    for program in "contour-norm", "aggregate":
        said = run(f"{program} < in.frames > out.frames", 3)
        assert said == f"{program}: a: its map class_entropy has {channels} channels for the regions, its labels make {regions} regions\n", said
