"""split against numpy's own shuffle; groups; refusals; the ways to name a data set."""
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import dataset, png, read, run  # noqa: E402


def folds(names, k=5, seed=12345):
    names, index = sorted(names, key=str.encode), np.arange(len(names))
    np.random.RandomState(seed).shuffle(index)
    parts = np.array_split(index, k)                     # the first len % k are one longer
    return [{"train": [n for i, n in enumerate(names) if i not in set(p)], "val": [names[i] for i in sorted(p)]} for p in parts]


def make(folder, names):
    dataset(folder, len(names), ending=".png")
    for n in names:
        png(f"{folder}/imagesTr/{n}_0000.png", np.zeros((2, 2)))


# contract, appendix A: the validation cases of KFold(5, seed 12345)
assert [[int(v) for v in f["val"]] for f in folds([str(i) for i in range(10)])] == [[0, 7], [3, 9], [4, 6], [1, 8], [2, 5]]

# Names whose order by file name and by case differs ("a-b_0000" < "a_0000", "a" < "a-b"), and beyond ASCII.
odd = ["a", "a-b", "a_1", "aé", "B", "b", "a10", "a9", "ab", "a_0000"]
for names in [odd, [f"c{i:03d}" for i in range(5)], [f"c{i:03d}" for i in range(7)], [f"c{i}" for i in range(53)]]:
    folder = f"raw/Dataset{len(names):03d}_N{len(names)}"
    make(folder, names)
    run("split", "-o", "out", "--clean", folder)
    assert read("out/splits_final.json") == folds(names), names
run("split", "-o", "out", "--clean", "-n", "7", "--seed", "99", folder)
assert read("out/splits_final.json") == folds(names, 7, 99)
assert run("split", "-o", "out", "--clean", "-n", "3", folder) == "fold\ttrain\tval\n0\t35\t18\n1\t35\t18\n2\t36\t17\n"
with open("out/splits_final.json") as f:                 # as Python writes it
    assert f.read(31) == '[\n    {\n        "train": [\n    '

# A data set by number, name, full name, path, from within; where the file goes.
env = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "pre"}
for name in ("53", "053", "N53", "Dataset053_N53", "raw/Dataset053_N53/"):
    run("split", "--clean", name, **env)
    assert read("pre/Dataset053_N53/splits_final.json") == folds(names)
    os.remove("pre/Dataset053_N53/splits_final.json")
os.chdir(folder)
run("split", ".", nnUNet_preprocessed="../../pre")
os.chdir("../..")
assert read("pre/Dataset053_N53/splits_final.json") == folds(names)
assert "is there" in run("split", "53", code=3, **env)
assert "'54'" in run("split", "54", code=3, **env)
assert "nnUNet_raw" in run("split", "53", code=2, nnUNet_raw="")
assert "nnUNet_preprocessed" in run("split", "raw/Dataset053_N53", code=2, nnUNet_preprocessed="")
make("raw/Dataset053_Other", ["x"])
assert "2 data sets" in run("split", "53", code=3, **env)

# Groups: nobody is on both sides, neighbours are dealt in turn, all cases validate once.
names = [f"p{p:02d}_{s}" for p in range(12) for s in range(1 + p % 3)]
make("raw/Dataset100_Patients", names)
for expression in (r"^(.*)_", r"p[0-9]+"):
    run("split", "-o", "out", "--clean", "-g", expression, "raw/Dataset100_Patients")
    got = read("out/splits_final.json")
    assert sorted(n for f in got for n in f["val"]) == names
    for k, f in enumerate(got):
        assert sorted(f["train"] + f["val"]) == names
        assert {n[:3] for n in f["val"]} == {f"p{p:02d}" for p in range(k, 12, 5)}
assert "p00_0" in run("split", "-o", "out", "--clean", "-g", "^q", "raw/Dataset100_Patients", code=3)
assert "regular expression" in run("split", "-o", "out", "--clean", "-g", "(", "raw/Dataset100_Patients", code=2)
assert "12 groups" in run("split", "-o", "out", "--clean", "-n", "13", "-g", "^(.*)_", "raw/Dataset100_Patients", code=3)
assert "makes 1 group," in run("split", "-o", "out", "--clean", "-g", "^.", "raw/Dataset100_Patients", code=3)
make("raw/Dataset004_Few", ["a", "b", "c", "d"])
assert "4 cases" in run("split", "-o", "out", "--clean", "4", code=3, **env)
