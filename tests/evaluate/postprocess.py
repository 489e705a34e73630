"""postprocess against the rules of nnU-Net restated in numpy: classes, regions, ignore label, ties; its files; its refusals."""
import json
import os
import pickle
import sys
import types

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/evaluate")
from lib import dataset, keep_largest, means, metrics, read, run, same, structures, write  # noqa: E402

MODULE, FUNCTION = "nnunetv2.postprocessing.remove_connected_components", "remove_all_but_largest_component_from_segmentation"
for i in range(3):
    sys.modules[".".join(MODULE.split(".")[:i + 1])] = types.ModuleType(MODULE)


def function():
    raise AssertionError("never called")


function.__module__, function.__qualname__ = MODULE, FUNCTION
setattr(sys.modules[MODULE], FUNCTION, function)


def determine(cases, parts, ignore, foreground, is_list):
    """([(values as nnU-Net writes them)], predictions after, mean metrics before and after) of [(prediction, reference)]."""
    def score(preds):
        return means([{k: metrics(p, r, v, ignore) for k, v in parts.items()} for p, (_, r) in zip(preds, cases)], sorted(parts))

    preds, done = [p for p, _ in cases], []
    before = now = score(preds)
    tried = [keep_largest(p, foreground) for p in preds]
    after = score(tried)
    if after[0]["Dice"] > now[0]["Dice"] and not any(after[1][k]["Dice"] < now[1][k]["Dice"] for k in parts):
        preds, now = tried, after
        done.append(foreground)
    if len(parts) > 1:
        for k, values in parts.items():
            tried = [keep_largest(p, values) for p in preds]
            after = score(tried)
            if after[1][k]["Dice"] > now[1][k]["Dice"]:
                preds, now = tried, after
                done.append(tuple(values) if is_list[k] else values[0])
    return done, preds, before, now


rng = np.random.default_rng(11)
sets = {
    "classes": {"background": 0, "b": 2, "a": 1, "absent": 3},
    "one": {"background": 0, "a": 1},
    "ignore": {"background": 0, "a": 1, "b": 2, "ignore": 3},
    "regions": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "one": [3], "plain": 1},
    "plane": {"background": 0, "a": 1, "b": 2},
}
seen = set()
for name, labels in sets.items():
    for trial in range(7 if name == "plane" else 6):
        folder = f"{name}{trial}"
        os.makedirs(f"{folder}/ref")
        os.makedirs(f"{folder}/pred")
        dataset(f"{folder}/pred/dataset.json", labels, [1, 2, 3, 1] if name == "regions" else None)
        shape = (1, 14, 13) if name == "plane" else (5, 9, 10)
        top = 2 if name != "one" else 1
        top = 3 if name in ("ignore", "regions") else top
        cases = []
        for i in range(3):
            ref = np.zeros(shape, "u1")
            for v in rng.permutation(top) + 1:
                lo = [rng.integers(0, max(s - 4, 1)) for s in shape]
                ref[tuple(slice(k, k + rng.integers(2, 6)) for k in lo)] = v
            pred = np.where(rng.random(shape) < 0.1, 0, ref)
            noise = rng.random(shape) < (0.01, 0.03)[trial % 2]
            pred = np.where(noise, rng.integers(0, top + 1, shape), pred).astype("u1")
            if trial == 5:
                pred[ref == 0] = 0                     # components that are all right: nothing should be accepted lightly
            if name == "ignore":
                pred[pred == 3] = 0
            if trial == 6:         # the whole foreground's mean grows, but class 2 would lose the little it has
                ref[:], pred[:] = 0, 0
                ref[0, :4, :4] = pred[0, :4, :4] = pred[0, 10:13, 8:13] = 1
                ref[0, :3, 9:12], pred[0, 1, 10] = 2, 2
            cases.append((pred, ref))
            write(f"{folder}/ref/c{i}.nii.gz", ref)
            write(f"{folder}/pred/c{i}.nii.gz", pred)
        parts = structures(labels)
        foreground = [v for v in range(1, 4) if any(v in np.atleast_1d(x) for k, x in labels.items() if k != "ignore")]
        is_list = {k: k.startswith("(") for k in parts}
        done, preds, before, after = determine(cases, parts, labels.get("ignore"), foreground, is_list)
        assert trial != 6 or done == [1], done
        seen.update((name, str(d)) for d in done)
        table = run("postprocess", "determine", "-l", f"{folder}/ref", f"{folder}/pred").splitlines()
        assert len(table) == 1 + 1 + (len(parts) if len(parts) > 1 else 0), table
        assert sum(line.endswith("\tyes") for line in table) == len(done), (table, done)
        same(json.load(open(f"{folder}/pred/postprocessing.json")), {
            "input_folder": {"foreground_mean": before[0], "mean": before[1]},
            "postprocessed": {"foreground_mean": after[0], "mean": after[1]},
            "postprocessing_fns": [FUNCTION] * len(done),
            "postprocessing_kwargs": [{"labels_or_regions": list(d) if isinstance(d, tuple) else d} for d in done]}, folder)
        fns, kwargs = pickle.load(open(f"{folder}/pred/postprocessing.pkl", "rb"))
        assert fns == [function] * len(done) and kwargs == [{"labels_or_regions": d} for d in done], (kwargs, done)
        same(json.load(open(f"{folder}/pred/postprocessed/summary.json"))["mean"], after[1])
        same(json.load(open(f"{folder}/pred/summary.json"))["mean"], before[1])
        for file in "postprocessing.pkl", "postprocessing.json":
            rows = run("postprocess", "apply", "-p", f"{folder}/pred/{file}", "-o", f"{folder}/{file}.out", f"{folder}/pred").splitlines()
            for i, p in enumerate(preds):
                a = read(f"{folder}/{file}.out/c{i}.nii.gz")
                np.testing.assert_array_equal(a, p)
                np.testing.assert_array_equal(read(f"{folder}/pred/postprocessed/c{i}.nii.gz"), p)
                assert rows[1 + i] == f"c{i}\t{(cases[i][0] != p).sum()}", (rows, i)
            assert os.path.exists(f"{folder}/{file}.out/dataset.json")
assert {n for n, _ in seen} == set(sets), seen                   # in every kind of data set something was accepted
assert ("regions", "(2, 3)") in seen or ("regions", "(3,)") in seen, seen

# Ties stay, corners connect, the rest goes; numpy's integers, tuples in lists and protocol 4 are understood.
a = np.zeros((3, 6, 6), "u1")
a[0, 0, 0], a[1, 1, 1], a[2, 5, 5], a[2, 5, 4], a[0, 5, 0], a[0, 0, 5] = 1, 2, 1, 1, 2, 9
os.makedirs("ties")
write("ties/x.nii", a)
for i, value in enumerate(([(1, 2)], [np.int64(1), 2], (1, 2), [np.int32(2), np.uint8(1)])):
    for protocol in 2, 4, 5:
        pickle.dump(([function], [{"labels_or_regions": value}]), open("p.pkl", "wb"), protocol)
        run("postprocess", "apply", "-p", "p.pkl", "-o", "out", "ties")
        want = a.copy()
        want[0, 5, 0] = 0
        np.testing.assert_array_equal(read("out/x.nii"), want)


# Nothing else is taken from a pickle, and what is taken is not executed.
class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


class Called:
    def __reduce__(self):
        return function, ()


for content, why in (((["x"], [{"labels_or_regions": 1}]), "another function"), (([Evil()], [{}]), "posix.system"), (([function], []), "pair"),
                     (([Called()], [{"labels_or_regions": 1}]), "another function"), (([function], [{}]), "labels_or_regions"),
                     (([function], [{"labels_or_regions": -1}]), "-1"), (([function], [{"labels_or_regions": 1, "background_label": 7}]), "alone"),
                     (([function], [{"labels_or_regions": "1"}]), "neither")):
    pickle.dump(content, open("p.pkl", "wb"))
    message = run("postprocess", "apply", "-p", "p.pkl", "-o", "bad", "ties", code=3)
    assert "p.pkl" in message and why in message, message
assert not os.path.exists("evil") and not os.path.exists("bad")
for text, why in (('{"postprocessing_fns": ["f"], "postprocessing_kwargs": [{"labels_or_regions": 1}]}', "'f'"), ("{", "line 1")):
    open("p.json", "w").write(text)
    message = run("postprocess", "apply", "-p", "p.json", "-o", "bad", "ties", code=3)
    assert "p.json" in message and why in message, message

# The function is allowed here alone: the properties of a case may not name it.
os.makedirs("member")
np.savez("member/c.npz", probabilities=np.ones((2, 1, 3, 3), "f4") / 2)
pickle.dump({"spacing": [1.0, 1.0, 1.0], "f": function}, open("member/c.pkl", "wb"))
assert f"{MODULE}.{FUNCTION}" in run("decode", "--probs", "member", code=3)

assert "operands" in run("postprocess", "ties", code=2)
assert "-l" in run("postprocess", "determine", "ties", code=2)

# Damage: every truncation is refused; a flipped bit is refused or changes what is removed, and nothing worse.
import random  # noqa: E402
import subprocess  # noqa: E402

whole = pickle.dumps(([function, function], [{"labels_or_regions": [np.int64(1), np.int64(2)]}, {"labels_or_regions": 1}]), 4)
random.seed(7)
spoiled = [(whole[:n], {3}) for n in range(0, len(whole), 4)]
for _ in range(120):
    b = bytearray(whole)
    b[random.randrange(len(b))] ^= 1 << random.randrange(8)
    spoiled.append((bytes(b), {0, 3}))
codes = set()
for content, allowed in [(whole, {0})] + spoiled:
    open("d.pkl", "wb").write(content)
    p = subprocess.run(["postprocess", "apply", "--memory", "1M", "-p", "d.pkl", "-o", "damaged", "ties"], capture_output=True, text=True)
    assert p.returncode in allowed and p.stderr.count("\n") == (p.returncode != 0), (content, p)
    codes.add(p.returncode)
assert codes == {0, 3}
