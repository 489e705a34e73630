"""Scores from the members' probabilities against what nnU-Net's output gave in numpy, and against UnnUNet's own code."""
from lib import *

D = {"sunnybrook": f"{SHARED}/data/sunnybrook-png", "phantom": f"{SHARED}/golden/phantom"}


def pipeline(name, coded):
    folder = f"{SHARED}/golden/predict/{name}_2d_members"
    run(f"decode --probs --dataset {D[name]}/dataset.json {folder}/checkpoint_* > members.frames")
    flag, maps = ("--as-coded", "total_entropy,t_test") if coded else ("", "all")
    aggregate = "" if coded else "aggregate --ring out --width 1.5 --empty skip |"
    run(f"average-probs {flag} -m {maps} < members.frames | entropy {flag} | contour-norm {flag} | {aggregate} score {flag} -r {D[name]}/labelsTs -o {name}.tsv")
    return table(f"{name}.tsv")


compared = 0
for name, members in ("sunnybrook", 12), ("phantom", 9):
    want = table(f"{SHARED}/golden/uncertainty/{name}_documented.tsv")
    got = pipeline(name, False)
    assert len(got) == 4
    for case_name, row in got.items():
        w = want[case_name]
        for column in "dice", "mask_pixels", "contour_pixels", "class_entropy", "total_entropy", "t_test":
            close(row[column], w[column], 1e-6, f"{case_name} {column}")
            compared += 1
        for column, golden in ("class_entropy.mean", "entropy_mean"), ("class_entropy.foreground", "entropy_foreground"), \
                              ("class_entropy.ring", "entropy_ring"), ("expected_entropy.mean", "expected_entropy_mean"), \
                              ("variance.mean", "variance_mean"), ("mutual_information.mean", "mutual_information_mean"), \
                              ("mutual_information.contour", "mutual_information_contour"), ("t_test.contour", "t_test"):
            none = ".contour" in column and w["contour_pixels"] == "0"
            close(row[column], math.nan if none else w[golden], 1e-6, f"{case_name} {column}")
            compared += 1
        assert row["members"] == str(members) and row["reason"] == "-"
        pixels = {"sunnybrook": 256 * 256, "phantom": 128 * 128}[name]
        if int(row["contour_pixels"]):
            close(float(row["expected_entropy"]) * int(row["contour_pixels"]) / pixels, w["expected_entropy_mean"], 1e-6, f"{case_name} expected_entropy")
    if name == "sunnybrook":
        assert {c: r["flags"] for c, r in got.items()} == {"SC-HF-I-09_0007": "-", "SC-HF-I-09_0187": "cropped",
                                                           "SC-HF-NI-12_0240": "cropped,empty,no_contour,empty_worst,empty_skip", "SC-HYP-09_0140": "cropped"}
assert compared == 112

# fp32 sums in another order than NumPy's on another processor, hence 1e-6; NaN and inf in exactly the same places
want = table(f"{SHARED}/golden/uncertainty/sunnybrook_as_coded.tsv")
odd = 0
for case_name, row in pipeline("sunnybrook", True).items():
    for column in "dice", "class_entropy", "total_entropy", "t_test":
        close(row[column], want[case_name][column], 1e-6, f"{case_name} {column} as coded")
        odd += not math.isfinite(float(row[column]))
assert odd == 5, odd

# correlations that golden/README gives, in rows where every column is finite
for name, figures in ("sunnybrook", {"class_entropy": (-0.604, -0.551), "total_entropy": (-0.670, -0.611), "t_test": (-0.578, -0.692),
                                     "entropy_foreground": (-0.826, -0.790)}), \
                     ("phantom", {"class_entropy": (-0.470, -0.838), "total_entropy": (-0.520, -0.842), "t_test": (-0.524, -0.850),
                                  "pairwise_dice": (0.649, 0.873)}):
    run(f"correlate {SHARED}/golden/uncertainty/{name}_documented.tsv > correlation.tsv")
    got = table("correlation.tsv")
    for column, (pearson, spearman) in figures.items():
        row = got[column]
        assert abs(float(row["pearson"]) - pearson) < 6e-4 and abs(float(row["spearman"]) - spearman) < 6e-4, (name, column, row)
        assert (row["n"], row["dropped"]) == (("141", "4") if name == "sunnybrook" else ("64", "0")), row
