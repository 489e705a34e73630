"""ensemble and find-best against numpy: means and labels, regions, folders of one name, the choice, its files, refusals."""
import itertools
import json
import os
import shutil
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/evaluate")
from lib import dataset, means, metrics, read, run, structures, write  # noqa: E402

rng = np.random.default_rng(3)
SHAPE = (3, 8, 9)


def segmentation(p, order):
    if not order:
        return p.argmax(0)
    out = np.zeros(p.shape[1:], int)
    for q, v in zip(p, order):
        out[q > 0.5] = v
    return out


def probabilities(ref, channels, noise, order):
    p = rng.random((channels, *ref.shape)) * noise
    for c in range(channels):
        p[c] += ref == c if not order else 0.8 * np.isin(ref, [1, 2][c:])
    return ((p / p.sum(0)) if not order else p.clip(0, 1)).astype("f4")


def case(folder, name, p, order):
    os.makedirs(folder, exist_ok=True)
    np.savez_compressed(f"{folder}/{name}.npz", probabilities=p)
    write(f"{folder}/{name}.nii.gz", segmentation(p, order).astype("u1"), (2, 1, 1))


# ---- ensemble ----

kinds = {"classes": ({"background": 0, "a": 1, "b": 2}, None, 3), "regions": ({"background": 0, "all": [1, 2], "core": [2]}, [1, 2], 2)}
for kind, (labels, order, channels) in kinds.items():
    members = {}
    for k in range(3):
        folder = f"{kind} of/m{k}/validation"                       # all of one name, with a space on the way
        for c in "xy":
            ref = rng.integers(0, 3, SHAPE)
            members[k, c] = probabilities(ref, channels, 3, order)
            case(folder, c, members[k, c], order)
        dataset(f"{folder}/dataset.json", labels, order)
    run("ensemble", "-i", *(f"{kind} of/m{k}/validation" for k in range(3)), "-o", f"{kind}.out", "--save_npz", "-np", "2")
    for c in "xy":
        mean = np.mean([members[k, c].astype(float) for k in range(3)], 0)
        np.testing.assert_allclose(np.load(f"{kind}.out/{c}.npz")["probabilities"], mean, 1e-6)
        np.testing.assert_array_equal(read(f"{kind}.out/{c}.nii.gz"), segmentation(mean, order))
    assert json.load(open(f"{kind}.out/dataset.json")) == json.load(open(f"{kind} of/m0/validation/dataset.json"))
    run("ensemble", "-o", "two", "-i", f"{kind} of/m0/validation", f"{kind} of/m1/validation")
    assert sorted(os.listdir("two")) == ["dataset.json", "x.nii.gz", "y.nii.gz"], os.listdir("two")
    shutil.rmtree("two")

os.remove("classes of/m1/validation/y.npz")
p = __import__("subprocess").run(["ensemble", "-i", "classes of/m0/validation", "classes of/m1/validation", "-o", "bad"], capture_output=True, text=True)
assert p.returncode == 3 and "y.npz" in p.stderr, p
assert not any(f.endswith(".nii.gz") and f.startswith("y") for f in os.listdir("bad"))
for words in (["-i", "a", "-o", "b"], ["-i", "a", "b"], ["-i", "a", "b", "-o"], ["a", "b"], ["-i", "a", "b", "-o", "c", "--npz"]):
    run("ensemble", *words, code=2)

# ---- find-best ----

labels, order, channels = kinds["classes"]
parts = structures(labels)
root = "results/Dataset007_Test"
names = {c: f"nnUNetTrainer__nnUNetPlans__{c}" for c in ("2d", "3d_fullres", "3d_cascade_fullres")}
refs = {f"c{i}": rng.integers(0, 3, SHAPE) * (rng.random(SHAPE) < 0.4) for i in range(5)}
os.makedirs("raw/Dataset007_Test/labelsTr")
for c, r in refs.items():
    write(f"raw/Dataset007_Test/labelsTr/{c}.nii.gz", r.astype("u1"))
found = {}
for m, noise in zip(names, (4, 3, 3.2)):
    for i, (c, r) in enumerate(refs.items()):
        found[m, c] = probabilities(r, channels, noise, None)
        case(f"{root}/{names[m]}/fold_{i % 2}/validation", c, found[m, c], None)
    dataset(f"{root}/{names[m]}/dataset.json", labels)
    json.dump({"configurations": {"2d": {}, "3d_lowres": {"a": {}}, "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}},
              open(f"{root}/{names[m]}/plans.json", "w"), indent=4)


def dice(models):
    preds = {c: np.mean([found[m, c].astype(float) for m in models], 0).argmax(0) for c in refs}
    return means([{k: metrics(preds[c], refs[c], v) for k, v in parts.items()} for c in refs], sorted(parts))[0]["Dice"]


def find(*words, code=0):
    p = __import__("subprocess").run(["find-best", *words], capture_output=True, text=True,
                                     env={**os.environ, "nnUNet_results": "results", "nnUNet_raw": "raw"})
    assert p.returncode == code, (words, p)
    return p.stderr if code else [line.split("\t") for line in p.stdout.splitlines()]


want = {(m,): dice((m,)) for m in names}
want.update({pair: dice(pair) for pair in itertools.combinations(names, 2)})
key = {m: names[m[0]] if len(m) == 1 else f"ensemble___{names[m[0]]}___{names[m[1]]}___0_1" for m in want}
best = max(want, key=want.get)
assert len(best) == 2, want                                         # an ensemble, as these random numbers go
table = find("7", "-f", "0", "1")
assert table[0] == ["model", "dice", "best"] and len(table) == 7
for row, m in zip(table[1:], want):
    assert row[0] == key[m] and abs(float(row[1]) - want[m]) < 1e-9 and row[2] == ("yes" if m == best else "no"), (row, m, want[m])
text = open(f"{root}/inference_information.json").read()
info = json.loads(text)
assert text.rstrip("\n") == json.dumps(info, indent=4, sort_keys=True)
folder = f"{root}/ensembles/{key[best]}"
chosen = info["best_model_or_ensemble"]
assert chosen["postprocessing_file"] == f"{folder}/postprocessing.pkl" and os.path.exists(chosen["postprocessing_file"])
assert chosen["selected_model_or_models"] == [{"configuration": m, "trainer": "nnUNetTrainer", "plans_identifier": "nnUNetPlans"} for m in best]
assert chosen["result_on_crossval_post_pp"] == json.load(open(f"{folder}/postprocessed/summary.json"))["foreground_mean"]["Dice"]
assert abs(chosen["result_on_crossval_pre_pp"] - want[best]) < 1e-9
assert info["folds"] == [0, 1] and info["ensembling_allowed"] is True and info["dataset_name_or_id"] == "Dataset007_Test"
assert [m["configuration"] for m in info["considered_models"]] == list(names) and set(info["all_results"]) == set(key.values())
lines = open(f"{root}/inference_instructions.txt").read()
assert lines.count("qualm predict") == 2 + ("3d_cascade_fullres" in best) and "qualm ensemble -i OUTPUT_FOLDER_MODEL_1 OUTPUT_FOLDER_MODEL_2" in lines

# A cascade is told to run its previous stage first; of equal models the first is chosen, a single one before a pair.
find("Dataset007_Test", "-f", "0", "1", "-c", "3d_cascade_fullres")
lines = open(f"{root}/inference_instructions.txt").read()
assert "-c 3d_lowres" in lines and "-prev_stage_predictions OUTPUT_FOLDER_PREV_STAGE" in lines and "ensemble" not in lines, lines
shutil.copytree(f"{root}/{names['2d']}", f"{root}/nnUNetTrainer__nnUNetPlans__3d_lowres", ignore=lambda *_: ["crossval_results_folds_0_1"])
table = find("7", "-f", "0", "1", "-c", "2d", "3d_lowres")
assert [r[2] for r in table[1:]] == ["yes", "no", "no"] and len({r[1] for r in table[1:]}) == 1, table

# --no_overwrite keeps; without probabilities single models can still be compared.
stamp = f"{root}/{names['2d']}/crossval_results_folds_0_1/summary.json"
text = open(stamp).read().replace('"Dice": ', '"Dice": 1', 1)
open(stamp, "w").write(text)
assert float(find("7", "-f", "0", "1", "-c", "2d", "3d_lowres", "--no_overwrite")[1][1]) > 1
os.remove(f"{root}/{names['2d']}/fold_0/validation/c0.npz")
assert "c0.npz" in find("7", "-f", "0", "1", "-c", "2d", "3d_lowres", code=3)
assert len(find("7", "-f", "0", "1", "--disable_ensembling", "-c", "2d", "3d_lowres")) == 3
assert "fold_2" in find("7", code=3)
assert "3d_huge" in find("7", "-c", "3d_huge", "-f", "0", code=3)
assert "number 8" in find("8", code=3)
assert find("7", "9", code=2) and find(code=2)
shutil.copy(f"{root}/{names['2d']}/fold_1/validation/c1.nii.gz", f"{root}/{names['2d']}/fold_0/validation/c1.nii.gz")
assert "c1.nii.gz" in find("7", "-f", "0", "1", "-c", "2d", code=3)
