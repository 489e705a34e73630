"""Empty prediction, full mask, one voxel, one member, constant image, absent class, NaN, exact 0 and 1, ties, one case, two
cases, all Dice equal: what comes out is defined, and every nan in a table is one that the page promises."""
from brute import *

r = np.random.default_rng(5)
LABELS = {"background": 0, "LV": 1, "myocardium": 2}
os.makedirs("refs")
MAPS = ["class_entropy", "total_entropy", "t_test", "expected_entropy", "mutual_information", "variance", "vote_entropy", "variation_ratio",
        "margin", "max_softmax", "pairwise_kl"]


def by(*names, maps=MAPS, parts=("", ":LV", ":myocardium")):
    """Columns that there are of these aggregations and parts."""
    return {f"{m}.{a}{p}" for m in maps for a in names for p in parts if not p or a in PART}


CHOSEN = by(*PART, *FOREGROUND)
FAR = by("foreground_core", "background_core", "non_boundary")     # small images have no voxel far from a boundary
CONTOUR = {f"{m}{p}" for m in MAPS for p in ("", ":LV", ":myocardium")}


def softmax(shape, members=3, classes=3, lean=None):
    z = r.normal(0, 1, (members, classes, *shape)) + r.normal(0, 1, (classes, *shape))
    for c, by_how_much in (lean or {}).items():
        z[:, c] += by_how_much
    e = np.exp(z - z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype("<f4")


def scored(name, P, ref, arguments="", labels=LABELS):
    """The row of a case, and the names of its columns that are nan and those that are inf."""
    nifti(f"refs/{name}.nii", ref, [3.0, 1.5, 0.75])
    save("in.frames", [case(name, list(P), labels)])
    run(f"average-probs -m all < in.frames | entropy | contour-norm {arguments} | "
        f"aggregate --threshold 0.3 {arguments} | score -r refs > out.tsv")
    row = table("out.tsv")[name]
    assert "-nan" not in row.values()
    return row, {k for k, v in row.items() if v == "nan"}, {k for k, v in row.items() if v == "inf"}


some = r.integers(0, 3, (2, 6, 7))


def empty_prediction():
    P = softmax((2, 6, 7), lean={0: 9})
    row, nan, inf = scored("empty", P, some)
    assert not nan and inf == CHOSEN | CONTOUR, (nan, inf ^ (CHOSEN | CONTOUR))
    assert row["dice"] == "0" and row["flags"] == "empty,no_contour,empty_worst" and float(row["class_entropy.mean"]) > 0
    row, nan, inf = scored("empty", P, some, "--empty skip")
    assert not inf and nan == CHOSEN | CONTOUR and row["flags"] == "empty,no_contour,empty_skip"
    row, nan, inf = scored("empty", P, some, "--empty image")
    assert not nan and not inf
    assert all(row[k] == row[re_map(k) + ".mean"] for k in CHOSEN | CONTOUR)
    assert set(row["flags"].split(",")) == {"empty", "no_contour", "empty_image", "empty_image:LV", "empty_image:myocardium"}
    row, nan, inf = scored("empty", P, 0 * some)
    assert nan == {"dice", "dice:LV", "dice:myocardium"}           # nothing there and nothing found


def re_map(column):
    return column.split(".")[0].split(":")[0]


def full_mask():
    row, nan, inf = scored("full", softmax((2, 6, 7), lean={0: -9, 1: 9}), some)
    assert not nan
    whole = by("contour", "contour_mm", "ring", "background", "background_core", parts=("",)) | set(MAPS)
    absent = {f"{m}.{a}:myocardium" for m in MAPS for a in PART} | {f"{m}:myocardium" for m in MAPS}
    lv = by("contour", "contour_mm", "ring", parts=(":LV",)) | {f"{m}:LV" for m in MAPS}
    assert inf == whole | absent | lv, inf ^ (whole | absent | lv)
    assert row["flags"] == "full,no_contour,empty_worst"
    assert row["class_entropy.foreground"] == row["class_entropy.mean"] == row["class_entropy.foreground_core"]
    assert math.isclose(float(row["class_entropy.distance_weighted"]), float(row["class_entropy.mean"]), rel_tol=1e-8)


def one_voxel():
    row, nan, inf = scored("voxel", softmax((1, 1, 1), lean={1: 9}), np.ones((1, 1, 1), int))
    assert nan == {"dice:myocardium"} and row["dice"] == "1" and row["mask_pixels"] == "1" and row["contour_pixels"] == "0"
    assert row["class_entropy.patch"] == row["class_entropy.mean"] == row["class_entropy.quantile_sum"] == row["class_entropy.foreground"]
    P = softmax((1, 5, 5), lean={0: 9})
    P[:, :, 0, 2, 2] = [0.1, 0.7, 0.2]
    row, nan, inf = scored("in_image", P, np.ones((1, 5, 5), int))
    assert nan == {"dice:myocardium"} and row["contour_pixels"] == "8" and not any(k.endswith(".foreground") or ":LV" in k for k in inf - FAR)
    h = -(0.1 * math.log2(0.1) + 0.7 * math.log2(0.7) + 0.2 * math.log2(0.2))
    assert math.isclose(float(row["class_entropy.foreground"]), h, rel_tol=1e-6) and float(row["t_test.foreground"]) == 0


def one_member():
    row, nan, inf = scored("member", softmax((2, 6, 7), members=1), some)
    assert not nan and not inf - FAR and row["members"] == "1" and "one_member" in row["flags"]
    for m in "t_test", "mutual_information", "variance", "vote_entropy", "variation_ratio", "pairwise_kl":
        assert all(float(v) == 0 for k, v in row.items() if re_map(k) == m and v != "inf"), m
    assert row["class_entropy.mean"] == row["expected_entropy.mean"]


def constant_image():
    for value in 0.0, 0.25, 1.0:
        u = np.full((1, 3, 6, 7), value, "<f4")
        mask = np.zeros((3, 6, 7), int)
        mask[1, 2:4, 2:5] = 1
        save("in.frames", [maps_frame("a", mask, {"class_entropy": u}, {"background": 0, "LV": 1}, [3, 1, 1])])
        run("contour-norm < in.frames | aggregate --threshold 0.25 --width 1 > out.frames")
        s = read("out.frames")[0]["scores"]
        for k, v in s.items():
            agg = k.partition(".")[2].partition(":")[0]
            if agg in ("mean", "foreground", "background", "quantile_mean", "patch", "ring", "non_boundary", "background_core"):
                assert v == value, (k, v, value)
            elif agg != "foreground_core":
                assert math.isfinite(v) and (v == 0) == (value == 0 or agg.startswith("threshold") and value < 0.25) or agg == "", (k, v)
        assert s["class_entropy.threshold_share"] == (value >= 0.25) and s["class_entropy.threshold_mean"] == (value if value >= 0.25 else 0)


def absent_class():
    P = softmax((2, 6, 7), lean={2: -20})
    row, nan, inf = scored("absent", P, np.minimum(some, 1))
    assert nan == {"dice:myocardium"} and row["dice"] == row["dice:LV"]
    assert inf - FAR == {k for k in CHOSEN | CONTOUR if k.endswith(":myocardium")} - FAR
    row, nan, inf = scored("absent", P, some)
    assert not nan and row["dice:myocardium"] == "0"


def nan_in():
    P = softmax((3, 4, 5))
    P[1, 0, 2, 1, 1] = math.nan
    good = softmax((3, 4, 5))
    nifti("refs/n.nii", r.integers(0, 3, (3, 4, 5)), [3.0, 1.5, 0.75])
    nifti("refs/good.nii", r.integers(0, 3, (3, 4, 5)), [3.0, 1.5, 0.75])
    u = r.random((1, 3, 4, 5)).astype("<f4")
    for odd in math.nan, math.inf, -math.inf:
        u[0, 2, 3, 3] = odd
        seg = r.integers(0, 3, (3, 4, 5))
        for program in "contour-norm", "aggregate -a mean", "aggregate":
            for slab in 1, 3:
                save("in.frames", [maps_frame("n", seg, {"t_test": u}, LABELS, [3, 1, 1], slab=slab)])
                assert run(f"{program} < in.frames > out.frames", 3) == f"{program.split()[0]}: n: its map t_test holds a value that is not finite\n"
                said = run(f"{program} -k < in.frames > out.frames; score < out.frames > out.tsv", 3)
                row = table("out.tsv")["n"]
                assert row["flags"] == "failed" and "not finite" in row["reason"] and "not finite" in said, row
    words = "its probabilities hold a value that is not in 0 to 1"
    save("in.frames", [case("n", list(P), LABELS), case("good", list(good), LABELS)])
    assert words in run("average-probs < in.frames > out.frames", 3)
    run("average-probs -k < in.frames | entropy -k | contour-norm -k | aggregate -k | score -k -r refs > out.tsv", 3)
    rows = table("out.tsv")
    assert rows["n"]["flags"] == "failed" and words in rows["n"]["reason"]
    assert not [k for k, v in rows["good"].items() if v == "nan"]
    for program in "contour-norm", "score -r refs":                 # a member that is alone needs no mean
        save("in.frames", [case("n", [P[1]], LABELS)])
        assert words in run(f"{program} < in.frames > out.frames", 3), program
    open("t.tsv", "w").write("case\tdice\tx\na\t0.5\t1\nb\t0.75\tnan\nc\t1\t3\nd\tnan\t4\ne\t0.6\tinf\n")
    run("correlate t.tsv > c.tsv")
    row = table("c.tsv")["x"]
    assert (row["n"], row["dropped"]) == ("2", "3") and float(row["pearson"]) == 1


def exact_0_and_1():
    P = np.zeros((3, 3, 2, 6, 7), "<f4")
    seg = some.copy()
    seg[:, 0] = 0
    for c in range(3):
        P[:, c][:, seg == c] = 1
    row, nan, inf = scored("exact", P, seg)
    assert not nan and not inf - FAR and row["dice"] == "1" and "cropped" in row["flags"]
    assert all(float(v) == 0 for k, v in row.items() if re_map(k) in MAPS and v != "inf")
    half = P.copy()
    half[0] = np.roll(half[0], 1, 0)                                # members that contradict each other, surely
    row, nan, inf = scored("contrary", half, seg)
    assert not nan and float(row["expected_entropy.mean"]) == 0 < float(row["class_entropy.mean"])


def ties_everywhere():
    P = np.full((3, 3, 2, 6, 7), 1 / 3, "<f4")
    row, nan, inf = scored("ties", P, some)                         # the lowest class wins: background
    assert not nan and inf == CHOSEN | CONTOUR and "empty" in row["flags"]
    assert row["class_entropy.quantile_mean"] == row["class_entropy.patch"] == row["class_entropy.mean"]
    close(row["class_entropy.mean"], math.log2(3), 1e-6, "a third each")
    open("t.tsv", "w").write("case\tdice\tx\n" + "".join(f"c{i}\t{i / 8}\t2\n" for i in range(5)))
    said = run("correlate t.tsv > c.tsv")
    row = table("c.tsv")["x"]
    assert row["pearson"] == row["spearman"] == row["kendall"] == "nan" and "x" in said and "same" in said


def one_case():
    scored("alone", softmax((2, 6, 7)), some)
    said = run("correlate -x class_entropy.mean out.tsv > c.tsv")
    row = table("c.tsv")["class_entropy.mean"]
    assert (row["n"], row["pearson"]) == ("1", "nan") and "class_entropy.mean" in said


def two_cases():
    open("t.tsv", "w").write("case\tdice\tx\ty\na\t0.5\t2\t1\nb\t0.75\t1\t1\n")
    said = run("correlate t.tsv > c.tsv")
    rows = table("c.tsv")
    assert float(rows["x"]["pearson"]) == float(rows["x"]["spearman"]) == float(rows["x"]["kendall"]) == -1
    assert rows["y"]["pearson"] == "nan" and "y" in said and "x:" not in said


def all_dice_equal():
    open("t.tsv", "w").write("case\tdice\tx\n" + "".join(f"c{i}\t0.5\t{i}\n" for i in range(5)))
    said = run("correlate t.tsv > c.tsv")
    assert table("c.tsv")["x"]["pearson"] == "nan" and "dice" in said and "same" in said


TESTS_OF = [empty_prediction, full_mask, one_voxel, one_member, constant_image, absent_class, nan_in, exact_0_and_1, ties_everywhere,
            one_case, two_cases, all_dice_equal]
assert len(TESTS_OF) == 12
for test in TESTS_OF:
    print(test.__name__)
    test()
