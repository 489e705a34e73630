import json
import math
import os

from lib import *

CLUSTER = "--cluster '(.*)_'"
header, rows = cohort(40, 5)
write("t.tsv", header, rows)


def fit(table, options="", expect=0):
    out, said = run(f"calibrate-dice fit -x entropy {options} {table}", expect)
    return said if expect else json.loads(out)


# The curve: monotone, its ends those of the cases; the same bytes for any order of rows; another seed holds out others.
m = fit("t.tsv", CLUSTER)
assert m["score"] == "entropy" and m["against"] == "dice" and m["orientation"] == "uncertainty"
x, y = m["curve"]["score"], m["curve"]["expected"]
assert x == sorted(set(x)) and y == sorted(y, reverse=True) and len(x) == len(y) > 4
assert (m["fitted_on"]["cases"], m["fitted_on"]["patients"], m["bound"]["cases"], m["bound"]["patients"]) == (100, 20, 100, 20)
assert m["bound"]["promise"] == "case" and 0 < m["bound"]["margin"] < 0.5
write("s.tsv", header, shuffled(rows, 1))
assert run(f"calibrate-dice fit -x entropy {CLUSTER} t.tsv")[0] == run(f"calibrate-dice fit -x entropy {CLUSTER} s.tsv")[0]
assert fit("t.tsv", CLUSTER + " --seed 2")["curve"] != m["curve"]
whole = fit("t.tsv", CLUSTER + " --promise patient")
assert whole["curve"] == m["curve"] and whole["bound"]["margin"] > m["bound"]["margin"]
assert fit("t.tsv", CLUSTER + " --alpha 0.3")["bound"]["margin"] < m["bound"]["margin"]
assert fit("t.tsv", CLUSTER + " --share 0.75")["fitted_on"]["patients"] == 30
alone = fit("t.tsv", CLUSTER + " --no-bound")
assert "bound" not in alone and alone["fitted_on"]["cases"] == 200
# a rising curve for a confidence, or when told so
up = json.loads(run("calibrate-dice fit -x pairwise_dice t.tsv")[0])
assert up["orientation"] == "confidence" and up["curve"]["expected"] == sorted(up["curve"]["expected"])
up = fit("t.tsv", "--orient confidence")
assert up["curve"]["expected"] == sorted(up["curve"]["expected"])

# Too few patients for the promise: 20 held out allow 1/21 and no less; the reason says so.
assert fit("t.tsv", CLUSTER + " --alpha 0.0477")["bound"]["alpha"] == 0.0477
said = fit("t.tsv", CLUSTER + " --alpha 0.047", 3)
assert "alpha 0.047 from 20 held-out patients of 40" in said and "1/21 = 0.0476" in said, said
assert "only columns whose small values" in run("calibrate-dice fit -y t_test t.tsv -x entropy", 2)[1]

# Apply: two columns more, every other cell as it was; infinite and missing scores; the bound is the curve less the margin.
run(f"calibrate-dice fit -x entropy {CLUSTER} -o m.json t.tsv")
odd = [["a", "0.5", "inf", "nan", "-"], ["b", "-", "nan", "0.70", ""], ["c", "0.9", "-1e3", "1", "NA"]]
write("odd.tsv", header, rows[:10] + odd)
out, said = run("calibrate-dice apply -m m.json odd.tsv")
lines = [line.split("\t") for line in out.splitlines()]
assert [line[:-2] for line in lines] == [line.rstrip("\n").split("\t") for line in open("odd.tsv")]
assert lines[0][-2:] == ["expected_dice", "dice_lower"]
far = sum(float(r[2]) > x[-1] for r in rows[:10] + odd)
assert f"{far} of 13 cases are more doubtful" in said and far >= 1, said
for line in lines[1:]:
    score, expected, lower = float(line[2]), float(line[-2]), float(line[-1])
    if math.isnan(score):
        assert math.isnan(expected) and math.isnan(lower)
        continue
    k = max((i for i in range(len(x)) if x[i] <= score), default=0)
    at = y[k] if score <= x[0] or k + 1 == len(x) else y[k] + (score - x[k]) / (x[k + 1] - x[k]) * (y[k + 1] - y[k])
    assert abs(expected - at) < 1e-8 and abs(lower - max(0, at - m["bound"]["margin"])) < 1e-8, line
run("calibrate-dice fit -x entropy --no-bound -o curve.json t.tsv")
assert run("calibrate-dice apply -m curve.json t.tsv")[0].splitlines()[0].endswith("t_test\texpected_dice")
said = run("calibrate-dice apply -v -m m.json t.tsv")[1]
assert "200 cases have dice: the mean error is" in said and "promised are 90 %" in said
# an infinite score has a knot of its own
write("inf.tsv", ["case", "dice", "entropy"], [["a", 0.9, 1], ["b", 0.8, 2], ["c", 0, "inf"], ["d", 0.2, "inf"]])
run("calibrate-dice fit -x entropy --no-bound -o inf.json inf.tsv")
assert [line.split("\t")[-1] for line in run("calibrate-dice apply -m inf.json inf.tsv")[0].splitlines()[1:]] == ["0.9", "0.8", "0.1", "0.1"]

# Degenerate tables: one case, all Dice equal, all scores equal.
for cases in ([["a", 0.5, 1]], [["a", 0.5, 1], ["b", 0.5, 2], ["c", 0.5, 3]], [["a", 0.25, 1], ["b", 0.75, 1]]):
    write("few.tsv", ["case", "dice", "entropy"], cases)
    assert fit("few.tsv", "--no-bound")["curve"]["expected"][0] == 0.5
    assert "the least alpha" in fit("few.tsv", "", 3)
write("none.tsv", ["case", "dice", "entropy"], [["a", "nan", 1], ["b", 0.3, "nan"]])
assert "no row has both" in fit("none.tsv", "", 3)

# Refused models and options.
good = json.load(open("m.json"))
for place, value, words in ((("curve", "score"), [1, 1], "knot"), (("curve", "expected"), [0.5], "expected"), (("orientation",), "sure", "'sure'"),
                            (("bound", "margin"), math.inf, "margin"), (("score",), 3, "score"), (("score",), "nowhere", "no column nowhere")):
    bad = json.loads(json.dumps(good))
    at = bad
    for k in place[:-1]:
        at = at[k]
    at[place[-1]] = value
    if place == ("curve", "score"):
        bad["curve"]["expected"] = [1, 1]
    json.dump(bad, open("bad.json", "w"))
    said = run("calibrate-dice apply -m bad.json t.tsv", 3)[1]
    assert words in said, said
run("calibrate-dice apply -m missing.json t.tsv", 4)
run("calibrate-dice apply -m m.json t.tsv > twice.tsv")
assert "already" in run("calibrate-dice apply -m m.json twice.tsv", 3)[1]
for options in ("fit -m m.json t.tsv", "apply t.tsv", "apply -m m.json -x entropy t.tsv", "apply -m m.json --cluster a t.tsv", "guess t.tsv", "fit a b", ""):
    run(f"calibrate-dice {options}", 2)
run("calibrate-dice fit -x entropy -o nowhere/m.json t.tsv", 4)
assert not os.path.exists("nowhere")


# ---- triage ----

def names(options, expect=0):
    out, said = run(f"triage {options}", expect)
    return [line.split("\t")[0] for line in out.splitlines()[1:]], said


by_doubt = [r[0] for r in sorted(rows, key=lambda r: (-r[2], r[0]))]
for budget, n in (("15%", 30), ("0.1%", 1), ("100%", 200), ("7", 7), ("1", 1), ("500", 200)):
    assert names(f"-x entropy -b {budget} t.tsv") == (by_doubt[:n], ""), budget
assert names("-x entropy -b 15% s.tsv")[0] == by_doubt[:30]
assert names("-x pairwise_dice -b 3 t.tsv")[0] == [r[0] for r in sorted(rows, key=lambda r: (r[3], r[0]))][:3]
assert names("-x pairwise_dice --orient uncertainty -b 3 t.tsv")[0] == [r[0] for r in sorted(rows, key=lambda r: (-r[3], r[0]))][:3]
level = sorted((r[2] for r in rows), reverse=True)[20]
assert names(f"-x entropy --threshold {level} t.tsv")[0] == [r[0] for r in sorted(rows, key=lambda r: (-r[2], r[0])) if r[2] >= level]
assert run("triage -x entropy -b 100% t.tsv")[0].splitlines()[0] == "\t".join(header)
assert sorted(run("triage -x entropy -b 100% t.tsv")[0].splitlines()[1:]) == sorted("\t".join(map(str, r)) for r in rows)
# a case without a score is reviewed first, an infinite one next
write("odd.tsv", header, rows + odd)
first, said = names("-x entropy -b 2 odd.tsv")
assert first == ["b", "a"] and "1 of 203 cases have no entropy; they stand first" in said

# The table: what the budgets find, counted here by hand over sorted cases (ties shared evenly).
failed = {r[0] for r in rows if r[1] < 0.7}


def caught(k):
    total = 0
    for r in rows:
        if r[0] in failed:
            above = sum(q[2] > r[2] for q in rows)
            equal = sum(q[2] == r[2] for q in rows)
            total += min(max(k - above, 0) / equal, 1)
    return total / len(failed)


out = table(run(f"triage -t -x entropy --below 0.7 {CLUSTER} t.tsv")[0])
assert [r["budget"] for r in out] == ["0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45", "0.5"]
for r in out:
    k = int(r["cases"])
    assert k == math.ceil(200 * float(r["budget"]) - 1e-9) and abs(float(r["caught"]) - caught(k)) < 1e-4, r
    assert float(r["caught_low"]) <= float(r["caught"]) <= float(r["caught_high"]) and r["clusters"] == "40" and r["note"] == "-"
    assert float(r["threshold"]) == sorted((q[2] for q in rows), reverse=True)[k - 1]
    assert abs(float(r["missed"]) - len(failed) * (1 - caught(k))) < 0.01 and r["failed"] == str(len(failed))
assert [float(r["caught"]) for r in out] == sorted(float(r["caught"]) for r in out)
want = run(f"triage -j 1 -t -c 80% -b 10%,20 -x entropy --below 0.7 {CLUSTER} t.tsv")[0]
assert want == run(f"triage -j 2 -t -c 80% -b 10%,20 -x entropy --below 0.7 {CLUSTER} s.tsv")[0]
ten, twenty, target = table(want)
assert ten["cases"] == twenty["cases"] == "20" and float(target["caught"]) >= 0.8
k = int(target["cases"])
assert caught(k) >= 0.8 - 1e-9 > caught(k - 1) and float(target["budget_low"]) < float(target["budget"]) < float(target["budget_high"])

# The target as a list: of the table itself, and of new cases by the threshold of labelled ones.
listed, said = names(f"-c 80% -x entropy --below 0.7 {CLUSTER} t.tsv")
assert listed == [r[0] for r in sorted(rows, key=lambda r: (-r[2], r[0])) if r[2] >= float(target["threshold"])]
assert f"of the {len(failed)} with dice below 0.7; 40 patients" in said and said.count("\n") == 1
new_header, new = cohort(10, 3, seed=9)
write("new.tsv", ["case", "entropy"], [[r[0], r[2]] for r in new])
assert names(f"-c 80% -x entropy --below 0.7 {CLUSTER} -l t.tsv new.tsv")[0] == \
    [r[0] for r in sorted(new, key=lambda r: (-r[2], r[0])) if r[2] >= float(target["threshold"])]
# where large is bad
write("hd.tsv", ["case", "hd95", "entropy"], [[r[0], round(1 - r[1], 3), r[2]] for r in rows])
assert table(run("triage -t -x entropy -y hd95 --below 0.3 hd.tsv")[0])[0]["failed"] == str(len(failed))
assert "no case of t.tsv has dice below 0.01" in run("triage -t -x entropy --below 0.01 t.tsv", 3)[1]
for options in ("-x entropy", "-b 5 -c 80% --below 0.7", "-b 0", "-b 1.5", "-b 120%", "-b 5,6", "-c 80%", "-c 8 --below 0.7", "-t", "-b 5 --below 0.7",
                "-b 5 -l t.tsv", "-t --below 0.7 --threshold 3", "-t --below 0.7 -y t_test"):
    run(f"triage {options} t.tsv", 2)
run("triage -b 5 t.tsv", 3)
