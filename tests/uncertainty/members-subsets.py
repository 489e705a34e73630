"""average-probs --subsets against runs on those members alone, score's column, and choose against its rule in Python."""
from lib import *

r = np.random.default_rng(5)
LABELS = {"background": 0, "LV": 1, "myocardium": 2}
EPOCHS = [17, 18, 19, 37, 38, 39]
OPTIONS = "-m all,votes -s all"


def softmax(members, shape):
    z = r.normal(0, 2, (3, *shape)) + r.normal(0, 1.5, (members, 3, *shape))
    e = np.exp(z - z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype("<f4")


CASES = {c: softmax(12, shape) for c, shape in (("a", (3, 6, 7)), ("b", (1, 9, 8)), ("c", (2, 5, 5)))}
MEMBERS = [(f, e) for f in (0, 1) for e in EPOCHS]


def layer(c, i, index, of):
    meta, p = member(CASES[c][i], f"checkpoint_{MEMBERS[i][1]}", index, of, weights=f"w{i}")
    meta["member"]["fold"] = str(MEMBERS[i][0])
    return meta, p


def frame(c, which, of=12, alone=False, slab=None):
    layers = [layer(c, i, k + 1 if alone else i + 1, len(which) if alone else of) for k, i in enumerate(which)]
    return {"case": c, "labels": LABELS, "slab": slab or 1, "layers": layers}


def content(f):
    return {k: [a.tobytes() for _, a in v] for k, v in f["data"].items()}, repr(sorted(f["scores"].items())), f["flags"], f["members"]


WANT = {"all": range(12)}
WANT |= {f"first_{k}": range(k) for k in range(1, 12)}
WANT |= {"cycles_1": [0, 1, 2, 6, 7, 8], "cycles_2": range(12)}
WANT |= {"cycle_1": [0, 1, 2, 6, 7, 8], "cycle_2": [3, 4, 5, 9, 10, 11]}
WANT |= {"fold_0": range(6), "fold_1": range(6, 12)}
WANT |= {f"fold_{f}/checkpoint_{e}": [i] for i, (f, e) in enumerate(MEMBERS)}
NAMES = [f"checkpoint_{e}" for _, e in MEMBERS]

# every subset as its members alone; whatever the form, order and slabs
save("in.frames", [frame(c, range(12)) for c in CASES])
run(f"average-probs {OPTIONS} --subsets all < in.frames > all.frames")
got = read("all.frames")
assert [(f["case"], f["subset"]["name"]) for f in got] == [(c, s) for c in CASES for s in WANT]
for f in got:
    which = list(WANT[f["subset"]["name"]])
    save("alone.frames", [frame(f["case"], which, alone=True)])
    run(f"average-probs {OPTIONS} < alone.frames > one.frames")
    alone = read("one.frames")[0]
    assert content(f) == content(alone), (f["case"], f["subset"])
    assert sorted(f["subset"]["members"]) == sorted(NAMES[i] for i in which) and f["members"] == len(which)
    assert ("one_member" in f["flags"]) == (len(which) == 1)
order = [int(i) for i in r.permutation(12)]
save("in.frames", [frame(c, order, slab=CASES[c].shape[2]) for c in CASES])
run(f"average-probs {OPTIONS} --subsets all -j 2 < in.frames > other.frames")
assert {(f["case"], f["subset"]["name"]): content(f) for f in read("other.frames")} == {(f["case"], f["subset"]["name"]): content(f) for f in got}
save("in.frames", [frame(c, [i]) for c in CASES for i in order])
run(f"average-probs {OPTIONS} --subsets folds,prefix < in.frames > consecutive.frames")
some = [content(f) for f in got if f["subset"]["name"][:5] in ("all", "first", "fold_") and "/" not in f["subset"]["name"]]
assert sorted(map(repr, (content(f) for f in read("consecutive.frames")))) == sorted(map(repr, some))
for fold in 0, 1:
    frames = [frame(c, range(6 * fold, 6 * fold + 6), alone=True) for c in CASES]
    save(f"{fold}.frames", frames)
run(f"average-probs {OPTIONS} --subsets folds 0.frames 1.frames > streams.frames")
assert [content(f) for f in read("streams.frames")] == [content(f) for f in got if f["subset"]["name"] in ("all", "fold_0", "fold_1")]

# one member, and members of one cycle
save("in.frames", [frame("a", [0], alone=True)])
run("average-probs --subsets all < in.frames > out.frames")
assert [f["subset"]["name"] for f in read("out.frames")] == ["all", "cycles_1", "cycle_1", "fold_0", "checkpoint_17"]
f = frame("a", [0, 1, 2, 3], alone=True)
for (meta, _), name in zip(f["layers"], ("checkpoint_5", "checkpoint_10", "checkpoint_15", "checkpoint_25")):
    meta["member"]["name"] = name
save("in.frames", [f])
run("average-probs --subsets cycle < in.frames > out.frames")
assert [f["subset"]["name"] for f in read("out.frames")] == ["all", "cycle_1"]

# refusals: one failed frame, the next case goes on
f = frame("a", range(12))
f["layers"][3][0]["member"]["name"] = "checkpoint_best"
del f["layers"][2][0]["member"]["fold"]
save("in.frames", [f, frame("b", range(12))])
for kind, words in (("cycles", "a: member checkpoint_best is not named checkpoint_EPOCH"), ("folds", "a: member checkpoint_19 does not say of which fold it is")):
    said = run(f"average-probs -k --subsets {kind} < in.frames > out.frames", 3)
    assert words in said and said.count("\n") == 1, said
    frames = read("out.frames")
    assert "failed" in frames[0] and [f["case"] for f in frames[1:]] == ["b"] * 3, frames
f = frame("a", range(12))
f["layers"][7] = (f["layers"][7][0], f["layers"][7][1].copy())
f["layers"][7][1][0, 1, 2, 3] = np.nan
save("in.frames", [f, frame("b", range(12))])
said = run("average-probs -k --subsets prefix < in.frames > out.frames", 3)
assert said == "average-probs: a: member checkpoint_18 of standard input: its probabilities hold a value that is not in 0 to 1\n", said
assert len(read("out.frames")) == 13
big = {"case": "big", "labels": LABELS, "layers": [member(p, f"m{i}", i + 1, 4) for i, p in enumerate(softmax(4, (8, 80, 80)))]}
save("in.frames", [big])
said = run("average-probs --memory 4M --subsets prefix < in.frames > out.frames", 3)
assert "big: for --subsets all its members must be held: 7.6 MiB, over the limit of 4.0 MiB (--memory raises it)" in said, said
assert "no scores and no subsets" in run("average-probs --as-coded --subsets prefix < in.frames", 2)
assert "--subsets: there is no 'fold' of members" in run("average-probs --subsets fold < in.frames", 2)

# the table, and choose
os.mkdir("refs")
for c, P in CASES.items():
    ref = P.astype(np.float64).mean(0).argmax(0)
    noise = r.random(ref.shape) < 0.2
    ref = np.where(noise, r.integers(0, 3, ref.shape), ref)
    nifti(f"refs/{c}.nii", ref, [1.0, 1.0, 1.0]) if ref.shape[0] > 1 else png(f"refs/{c}.png", ref[0])
run("average-probs -s all --subsets folds,members < /dev/null > /dev/null", 3)
save("in.frames", [{**frame(c, range(12)), "spacing_mm": [1.0, 1.0, 1.0]} for c in CASES])
run("average-probs -s all --subsets folds,members < in.frames | entropy | contour-norm | score -r refs > table.tsv")
rows = [dict(zip(open("table.tsv").readline().rstrip("\n").split("\t"), line.rstrip("\n").split("\t"))) for line in list(open("table.tsv"))[1:]]
assert list(rows[0])[:3] == ["case", "subset", "dice"] and len(rows) == 3 * 15 and {x["subset"] for x in rows if x["case"] == "b"} >= {"all", "fold_0", "fold_1/checkpoint_37"}
for options, score, prefix, sign in (("", "class_entropy", "fold_", 1), ("-s soft_dice_confidence -m -f fold_1/", "soft_dice_confidence", "fold_1/", -1)):
    run(f"choose {options} table.tsv > chosen.tsv")
    got, dices = table("chosen.tsv"), []
    for c in CASES:
        mine = [x for x in rows if x["case"] == c and x["subset"].startswith(prefix)]
        best = min(mine, key=lambda x: sign * float(x[score]))
        oracle = max(mine, key=lambda x: float(x["dice"]))
        mean = next(x for x in rows if x["case"] == c and x["subset"] == "all")
        row = got[c]
        assert (row["chosen"], row[score], row["dice"], row["dice_mean"], row["dice_oracle"]) == (best["subset"], best[score], best["dice"], mean["dice"], oracle["dice"]), row
        close(row["regret_mean"], float(mean["dice"]) - float(best["dice"]), 1e-8, c)
        close(row["regret_oracle"], float(oracle["dice"]) - float(best["dice"]), 1e-8, c)
        dices.append([float(best["dice"]), float(mean["dice"]), float(oracle["dice"])])
    own, mean, oracle = np.mean(dices, 0)
    assert got["mean"]["chosen"] == "3"
    for k, v in ("dice", own), ("dice_mean", mean), ("dice_oracle", oracle), ("regret_mean", mean - own), ("regret_oracle", oracle - own):
        assert abs(float(got["mean"][k]) - v) < 1e-8, (k, got["mean"], v)

# odd scores and tables
with open("odd.tsv", "w") as out:
    out.write("case\tsubset\tdice\tclass_entropy\tflags\treason\n")
    for row in (("x", "all", 0.5, 1), ("x", "fold_0", 0.9, "inf"), ("x", "fold_1", 0.25, "nan"), ("y", "all", 0.75, 3), ("y", "fold_0", "nan", 0.1), ("y", "fold_1", 0.5, 0.2),
                ("z", "-", "nan", "nan"), ("w", "all", 0.5, 1), ("w", "fold_0", 0.5, 2), ("w", "fold_1", 0.75, 2)):
        out.write("\t".join(map(str, row)) + "\t-\t-\n")
run("choose < odd.tsv > chosen.tsv")
got = {k: list(v.values()) for k, v in table("chosen.tsv").items()}
assert got["x"] == ["x", "fold_0", "inf", "0.9", "0.5", "0.9", "fold_0", "-0.4", "0"], got["x"]
assert got["y"] == ["y", "fold_0", "0.1", "nan", "0.75", "0.5", "fold_1", "nan", "nan"], got["y"]
assert got["z"] == ["z", "-", "nan", "nan", "nan", "nan", "-", "nan", "nan"], got["z"]
assert got["w"] == ["w", "fold_0", "2", "0.5", "0.5", "0.75", "fold_1", "0", "0.25"], got["w"]
assert got["mean"][:2] == ["mean", "2"] and got["mean"][3:6] == ["0.7", "0.5", "0.825"], got["mean"]
for words, command in (("no column subset", "cut -f 1,3- odd.tsv | choose"), ("no column dice", "cut -f 1,2,4- odd.tsv | choose"), ("no column variance", "choose -s variance odd.tsv"),
                       ("no subset of the table begins with m", "choose -f m odd.tsv"), ("cannot read none.tsv", "choose none.tsv"), ("the table is empty", "head -n 1 odd.tsv | choose")):
    said = run(f"{command} > out.tsv", 3)
    assert words in said and said.count("\n") == 1, said
assert "unknown option" in run("choose -x odd.tsv", 2)
