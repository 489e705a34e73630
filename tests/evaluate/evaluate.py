"""evaluate against the rules restated in numpy: classes, regions, ignore label, empty classes, surfaces; its refusals."""
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/evaluate")
from lib import dataset, metrics, means, run, same, structures, surface, write  # noqa: E402

rng = np.random.default_rng(5)


def blobs(shape, n):
    """A label map of boxes, some of them one plane thick, over some noise."""
    a = rng.integers(0, n + 1, shape).astype("u1") * (rng.random(shape) < 0.02)
    for _ in range(6):
        lo = [rng.integers(0, s) for s in shape]
        a[tuple(slice(k, k + rng.integers(1, 6)) for k in lo)] = rng.integers(0, n + 1)
    return a.astype("u1")


def shifted(a):
    return np.where(rng.random(a.shape) < 0.03, 0, np.roll(a, (0, 1, -1), (0, 1, 2))).astype("u1")


sets = {
    "classes": ({"background": 0, "b": 2, "a": 1, "absent": 3}, None, (7, 9, 11), (2.5, 0.75, 0.7)),
    "ten": ({"background": 0, **{f"c{i}": i for i in range(1, 12)}}, None, (3, 20, 20), (1, 1, 1)),
    "ignore": ({"background": 0, "a": 1, "b": 2, "ignore": 3}, None, (5, 8, 9), (1, 2, 0.36)),
    "regions": ({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "one": [3], "plain": 1}, [1, 2, 3, 1], (6, 10, 9), (3, 1, 1)),
    "plane": ({"background": 0, "a": 1}, None, (1, 17, 15), (5, 0.5, 0.8)),
}
for name, (labels, order, shape, spacing) in sets.items():
    os.makedirs(f"{name}/ref")
    os.makedirs(f"{name}/pred")
    dataset(f"{name}/pred/dataset.json", labels, order)
    n, ignore, parts = max(np.max(v) for v in labels.values()), labels.get("ignore"), structures(labels)
    cases, table = [], []
    for i in range(4):
        ref = blobs(shape, n) if i else np.zeros(shape, "u1")
        ref[ref == 3] = 0 if name == "classes" else 3              # "absent" is in no reference and no prediction
        pred = shifted(ref)
        if i == 1:
            pred[:] = 0
        pred[pred == ignore] = 0
        spacing = np.float32(spacing).astype(float)
        write(f"{name}/ref/c{i}.nii.gz", ref, spacing)
        write(f"{name}/pred/c{i}.nii" if i == 2 else f"{name}/pred/c{i}.nii.gz", pred, (9, 9, 9))
        one = {}
        for k, values in sorted(parts.items()):
            m = metrics(pred, ref, values, ignore)
            use = ref != ignore if ignore else True
            m["HD95"], m["SurfaceDice"] = surface(np.isin(pred, values) & use, np.isin(ref, values) & use, spacing, 1.5)
            one[k] = dict(sorted(m.items()))
        cases.append(one)
    for with_surface in (True, False):
        if not with_surface:
            cases = [{k: {m: v for m, v in c[k].items() if m not in ("HD95", "SurfaceDice")} for k in c} for c in cases]
        foreground, mean = means(cases, sorted(parts))
        rows = run("evaluate", "-l", f"{name}/ref/", f"{name}/pred", *(["-s", "1.5"] if with_surface else [])).splitlines()
        found = json.load(open(f"{name}/pred/summary.json"))
        same(found, {"foreground_mean": foreground, "mean": mean, "metric_per_case": [
            {"metrics": c, "prediction_file": f"{name}/pred/c{i}.nii{'.gz' if i != 2 else ''}", "reference_file": f"{name}/ref/c{i}.nii.gz"}
            for i, c in enumerate(cases)]}, name)
        assert open(f"{name}/pred/summary.json").read() == json.dumps(found, indent=4, sort_keys=True), name
        head = rows[0].split("\t")
        assert len(rows) == 5 and head[:2] == ["case", "dice"] and ("hd95" in head) == with_surface
        for i, r in enumerate(rows[1:]):
            cell = dict(zip(head, r.split("\t")))
            by_value = {k: next(n for n, v in labels.items() if n != "ignore" and (str(tuple(v)) if isinstance(v, list) else str(v)) == k) for k in parts}
            dice = [cases[i][k]["Dice"] for k in parts]
            assert cell["case"] == f"c{i}"
            for k in parts:
                np.testing.assert_allclose(float(cell["dice:" + by_value[k]]), cases[i][k]["Dice"], 1e-8)
                if with_surface:
                    np.testing.assert_allclose(float(cell["hd95:" + by_value[k]]), cases[i][k]["HD95"], 1e-8)
                    np.testing.assert_allclose(float(cell["surface_dice:" + by_value[k]]), cases[i][k]["SurfaceDice"], 1e-8)
            np.testing.assert_allclose(float(cell["dice"]), np.nanmean(dice) if not np.all(np.isnan(dice)) else np.nan, 1e-8)

assert np.isnan(json.load(open("classes/pred/summary.json"))["foreground_mean"]["Dice"])        # an absent class poisons it
assert np.isfinite(json.load(open("plane/pred/summary.json"))["foreground_mean"]["Dice"])

# Refusals: one line that names the case, the file and the cause; no summary is left or replaced.
os.remove("plane/pred/summary.json")
os.rename("plane/pred/c3.nii.gz", "c3")
assert "c3" in run("evaluate", "-l", "plane/ref", "plane/pred", code=3)
assert not os.path.exists("plane/pred/summary.json")
assert len(run("evaluate", "--chill", "-l", "plane/ref", "plane/pred").splitlines()) == 4
assert len(json.load(open("plane/pred/summary.json"))["metric_per_case"]) == 3
os.rename("c3", "plane/pred/c9.nii.gz")
assert "c9" in run("evaluate", "--chill", "-l", "plane/ref", "plane/pred", code=3)
os.rename("plane/pred/c9.nii.gz", "plane/pred/c3.nii.gz")
write("plane/pred/c2.nii", np.zeros((1, 17, 16), "u1"))
assert "16 x 17 x 1" in run("evaluate", "-l", "plane/ref", "plane/pred", code=3)
assert "c2" in run("evaluate", "-k", "-l", "plane/ref", "plane/pred", code=3)
assert len(json.load(open("plane/pred/summary.json"))["metric_per_case"]) == 3
assert "--memory" in run("evaluate", "-s", "1", "--memory", "1K", "-l", "plane/ref", "plane/pred", code=3)
os.remove("plane/pred/dataset.json")
assert "dataset.json" in run("evaluate", "-l", "plane/ref", "plane/pred", code=4)
assert "-l" in run("evaluate", "plane/pred", code=2)
