from lib import *

ALL = "-m all --failure 0.75 --at-risk 0.2 --at-coverage 0.8"
CLUSTER = "--cluster '^(p[0-9]*)_'"
header, rows = cohort(12, 5)
rows[3][2], rows[7][2], rows[11][2], rows[20][1] = "inf", "inf", "nan", "nan"

# Same bytes for any order of rows, of columns' cells aside, and any number of threads; another seed gives other draws.
write("t.tsv", header, rows)
for i in range(3):
    write(f"s{i}.tsv", header, shuffled(rows, i))
for options in ("", ALL, "-r aurc", "-r spearman", "-r failure_auroc --failure 0.75"):
    for cluster in ("", CLUSTER):
        want = run(f"correlate -j 1 {options} {cluster} t.tsv")[0]
        for i in range(3):
            assert run(f"correlate -j 1 {options} {cluster} s{i}.tsv")[0] == want, (options, cluster)
        for j in (2, 3):
            assert run(f"correlate -j {j} {options} {cluster} s0.tsv")[0] == want, (options, cluster, j)
        if options:
            assert run(f"correlate --seed 2 {options} {cluster} t.tsv")[0] != want

# Without names of cases, too.
write("anonymous.tsv", header[1:], [r[1:] for r in rows])
write("anonymous2.tsv", header[1:], [r[1:] for r in shuffled(rows, 9)])
assert run(f"correlate {ALL} anonymous.tsv")[0] == run(f"correlate {ALL} anonymous2.tsv")[0]


def by_metric(text, score):
    return {r["metric"]: r for r in table(text) if r["score"] == score}


# An infinite score is the most doubtful case and counts but in correlations; nan and cases without Dice are dropped.
got = by_metric(run(f"correlate {ALL} {CLUSTER} t.tsv")[0], "entropy")
assert len(got) == 13
for m, r in got.items():
    n = 56 if m in ("pearson", "spearman", "kendall") else 58
    assert (r["n"], r["dropped"], r["clusters"], r["note"]) == (str(n), str(60 - n), "12", "indicative"), r
    assert float(r["low"]) <= float(r["value"]) <= float(r["high"]) and r["low"] != r["high"], r
finite = [r for r in rows if r[2] not in ("inf", "nan") and r[1] != "nan"]
worst = [[*r[:2], 1e6, *r[3:]] if r[2] == "inf" else r for r in rows]
write("worst.tsv", header, worst)
other = by_metric(run(f"correlate {ALL} {CLUSTER} worst.tsv")[0], "entropy")
assert other["aurc"] == got["aurc"] and other["augrc"] == got["augrc"] and other["failure_ap"] == got["failure_ap"]
assert other["spearman"] != got["spearman"]
# correlations are those of the table without options
plain = {r["score"]: r for r in table(run("correlate t.tsv")[0])}
assert all(plain["entropy"][m] == got[m]["value"] for m in ("pearson", "spearman", "kendall"))

# A confidence is an uncertainty turned round, whether by its name or by --orient; the table says how it was read.
turned = [[r[0], r[1], r[2], r[2] if r[2] == "nan" else "-inf" if r[2] == "inf" else -r[2]] for r in rows]
write("turned.tsv", ["case", "dice", "entropy", "sdc:LV"], turned)
out = run(f"correlate {ALL} {CLUSTER} -x entropy,sdc:LV turned.tsv")[0]
a, b = by_metric(out, "entropy"), by_metric(out, "sdc:LV")
assert a["aurc"]["orientation"] == "uncertainty" and b["aurc"]["orientation"] == "confidence"
for m in a:
    if m not in ("pearson", "spearman", "kendall"):
        assert all(a[m][k] == b[m][k] for k in ("value", "low", "high")), m
    else:
        assert float(a[m]["value"]) == -float(b[m]["value"]) and float(a[m]["low"]) == -float(b[m]["high"]), m
ranks = table(run(f"correlate -r spearman {CLUSTER} -x entropy,sdc:LV turned.tsv")[0])
assert ranks[0]["spearman"] == ranks[1]["spearman"] and ranks[1]["behind"] == "0" and ranks[1]["verdict"] == "undecided"
assert ranks[0]["first"] == ranks[1]["first"] == "0.5" and float(ranks[0]["spearman"]) < 0
c = by_metric(run(f"correlate {ALL} {CLUSTER} --orient sdc:LV=uncertainty -x sdc:LV turned.tsv")[0], "sdc:LV")
assert c["aurc"]["orientation"] == "uncertainty" and float(c["aurc"]["value"]) > float(b["aurc"]["value"])

# Where large is bad the risk is the column itself: with hd95 = 1 - dice everything but signs is as with Dice.
write("hd.tsv", ["case", "hd95", "entropy", "dice"], [[r[0], r[1] if r[1] == "nan" else round(1 - r[1], 3), r[2], r[1]] for r in rows])
d = by_metric(run(f"correlate {ALL} {CLUSTER} -y hd95 hd.tsv".replace("0.75", "0.25"))[0], "entropy")
e = by_metric(run(f"correlate {ALL} {CLUSTER} -y dice hd.tsv")[0], "entropy")
for m in ("aurc", "n_aurc", "augrc", "failure_auroc", "failure_ap", "failure_fpr95", "coverage_at_risk"):
    assert abs(float(d[m]["value"]) - float(e[m]["value"])) < 2e-9 and d[m]["low"] == e[m]["low"], m
assert float(d["spearman"]["value"]) == -float(e["spearman"]["value"])
assert table(run(f"correlate -r spearman -y hd95 hd.tsv")[0])[0]["verdict"] == "best"
assert "Say --bad" in run("correlate -r aurc -y t_test -x entropy t.tsv", 2)[1]
small, large = (table(run(f"correlate -m aurc -y t_test --bad {w} -x entropy t.tsv")[0])[0]["value"] for w in ("small", "large"))
assert small != large

# A line for each limit: the risk-coverage curve ends in the mean risk, whatever ranks.
curve = table(run(f"correlate -m risk_at_coverage,failure_ap --failure 0.5,0.7 --at-coverage 0.25,0.5,1 -x pairwise_dice,t_test t.tsv")[0])
assert [r["at"] for r in curve] == ["0.25", "0.5", "1", "0.5", "0.7"] * 2
assert curve[2]["value"] == curve[7]["value"] and float(curve[0]["value"]) < float(curve[1]["value"]) < float(curve[2]["value"])

# Rank: best first, differences are paired, a score of noise is worse.
header, rows = cohort(40, 5)
write("t.tsv", header, rows)
r = table(run(f"correlate -r aurc {CLUSTER} t.tsv")[0])
assert [x["score"] for x in r] == ["pairwise_dice", "entropy", "t_test"] and [x["rank"] for x in r] == ["1", "2", "3"]
assert [x["verdict"] for x in r] == ["best", "worse", "worse"] and r[0]["clusters"] == "40" and r[0]["note"] == "-"
assert abs(sum(float(x["first"]) for x in r) - 1) < 0.002
width = [float(x["high"]) - float(x["low"]) for x in r[:2]]
assert float(r[1]["behind_high"]) - float(r[1]["behind_low"]) < 0.7 * (width[0] ** 2 + width[1] ** 2) ** 0.5

# Patients: every case twice changes no interval when the two are of one patient, and narrows it when they are not.
once = [[f"q{i:03}_0", *r[1:]] for i, r in enumerate(rows)]
twice = once + [[f"q{i:03}_1", *r[1:]] for i, r in enumerate(rows)]
write("once.tsv", header, once)
write("twice.tsv", header, twice)
interval = lambda options: [(x["metric"], x["value"], x["low"], x["high"]) for x in table(run(f"correlate -m mean,augrc -x entropy {options}")[0])]
mean = lambda options: interval(options)[0]
assert mean("once.tsv") == mean("once.tsv --cluster '^q[0-9]*'") == mean("twice.tsv --cluster '^q[0-9]*'") != mean("twice.tsv")
wide, narrow = (float(v[3]) - float(v[2]) for v in (mean("once.tsv"), mean("twice.tsv")))
assert 0.6 < narrow / wide < 0.8, narrow / wide
write("column.tsv", [*header, "patient", "who"], [[*r, r[0].split("_")[0], r[0].split("_")[0]] for r in twice])
assert interval("column.tsv") == interval("column.tsv --cluster-column who") == interval("twice.tsv --cluster '(.*)_'")
assert interval("column.tsv --cluster-column case") == interval("twice.tsv")
assert "case q000_0 does not match --cluster 'z'" in run("correlate -m aurc --cluster z once.tsv", 3)[1]
assert "is no regular expression" in run("correlate -m aurc --cluster '(' once.tsv", 2)[1]
assert "no column whom" in run("correlate -m aurc --cluster-column whom once.tsv", 3)[1]
run("correlate -m aurc --cluster a --cluster-column case once.tsv", 2)
assert "nan\tnan" in run("correlate -m aurc -b 0 once.tsv")[0]

# Groups, in the order of their numbers.
grouped = [[*r, s] for s in (10, 9, 2) for r in rows[:60 + s]]
write("by.tsv", [*header, "subset"], shuffled(grouped, 4))
for options in ("", "-m aurc,mean", "-r aurc"):
    out = run(f"correlate --by subset {options} by.tsv")[0].splitlines()
    assert [line.split("\t")[0] for line in out] == ["subset"] + [x for x in ("2", "9", "10") for _ in range((len(out) - 1) // 3)]
    write("alone.tsv", header, rows[:69])
    assert [line[2:] for line in out if line.startswith("9\t")] == run(f"correlate {options} alone.tsv")[0].splitlines()[1:]
named = ["cycles_1", "first_2", "first_9", "first_10", "all"]
write("by.tsv", [*header, "subset"], shuffled([[*r, s] for s in named for r in rows[:5]], 4))
assert [line.split("\t")[0] for line in run("correlate --by subset -m mean -x entropy by.tsv")[0].splitlines()[1:]] == named
assert "no column x" in run("correlate --by x by.tsv", 3)[1]

# Few or equal cases: nothing breaks, what is not defined is nan, one patient has no interval.
for n, equal in ((1, 0), (2, 0), (5, 2), (5, 1), (5, 3)):
    few = [[r[0], 0.8 if equal & 1 else r[1], 4 if equal & 2 else r[2]] for r in rows[:n]]
    write("few.tsv", ["case", "dice", "entropy"], few)
    out = by_metric(run(f"correlate {ALL} few.tsv")[0], "entropy")
    assert abs(float(out["mean"]["value"]) - sum(r[1] for r in few) / n) < 1e-8 and "indicative" in out["aurc"]["note"]
    assert (out["aurc"]["low"] == "nan") == (n == 1) and "nan" not in out["aurc"]["value"]
    assert (out["spearman"]["value"] == "nan") == (n == 1 or equal > 0) and (out["n_aurc"]["value"] == "nan") == (n == 1 or equal in (1, 3))
    ranks = table(run("correlate -r n_aurc few.tsv")[0])
    assert ranks[0]["verdict"] == ("undefined" if n == 1 or equal in (1, 3) else "best")
    run("correlate -r spearman few.tsv")
write("none.tsv", ["case", "dice", "a", "b"], [["p", "nan", 1, 2], ["q", 0.5, "nan", 2], ["r", 0.7, 3, "nan"]])
assert table(run("correlate -m aurc,spearman none.tsv")[0])[0]["n"] == "1"
assert "a is nan in 1 of 3 rows" in run("correlate -v -r aurc none.tsv")[1]
out, said = run("correlate -r aurc none.tsv")
assert table(out) == [] and "no row of 3" in said

# Which columns are scores: no comparisons with reference labels; patterns; single classes on demand.
wide = ["case", "slice", "dice", "dice:LV", "a.mean", "a.mean:LV", "a.error_auroc:LV", "a.dice_auc", "hd95", "surface_dice", "b", "members", "flags"]
write("wide.tsv", wide, [[f"c{i}", 3, i / 9, 0.5, i, 2 * i % 7, 0.5, 0.6, i, 0.7, 9 - i, 4, "-"] for i in range(9)])
scores = lambda options: list(dict.fromkeys(r["score"] for r in table(run(f"correlate {options} wide.tsv")[0])))
assert scores("") == ["a.mean", "a.mean:LV", "b"] and scores("-m mean") == sorted(scores("-r aurc")) == ["a.mean", "b"]
assert scores("-m mean -x 'a*,b'") == ["a.mean", "a.mean:LV", "b"] and scores("-x '*:LV'") == ["a.mean:LV"]
assert scores("-x a.dice_auc,slice") == ["a.dice_auc", "slice"]
assert "has no score like z*" in run("correlate -x 'z*' wide.tsv", 3)[1]

for words, options in (("'x' is no metric", "-m aurc,x"), ("failure_ap needs --failure", "-m failure_ap"), ("coverage_at_risk needs --at-risk", "-r coverage_at_risk"),
                       ("is not COLUMN=confidence", "-m aurc --orient entropy=sure"), ("give one of them", "-m aurc -r aurc"), ("no metric", "-m ''"),
                       ("one metric at one limit", "-r aurc,augrc"), ("one metric at one limit", "-r failure_ap --failure 0.5,0.6"),
                       ("'x' is not a number", "-m failure_ap --failure 0.5,x"), ("1.5 is no share", "-m risk_at_coverage --at-coverage 1.5"),
                       ("'' is not a number", "-m failure_ap --failure 0.5,")):
    assert words in run(f"correlate {options} t.tsv", 2)[1], options
