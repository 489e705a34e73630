"""Columns of golden/uncertainty that the reducer makes: mutual information, variance, pairwise Dice, Soft Dice Confidence."""
from lib import *

compared = 0
for name, data in ("sunnybrook", f"{SHARED}/data/sunnybrook-png"), ("phantom", f"{SHARED}/golden/phantom"):
    run(f"decode --probs --dataset {data}/dataset.json {SHARED}/golden/predict/{name}_2d_members/checkpoint_* > members.frames")
    run(f"average-probs -m all -s all < members.frames | entropy | contour-norm > {name}.frames")
    want = table(f"{SHARED}/golden/uncertainty/{name}_documented.tsv")
    for f in read(f"{name}.frames"):
        w, s, pixels = want[f["case"]], f["scores"], math.prod(f["shape"])
        mean = {k: f["data"][k][0][1].astype(np.float64).mean() for k in ("variance", "mutual_information", "expected_entropy", "class_entropy")}
        for column, got in (("pairwise_dice", s["pairwise_dice"]), ("soft_dice_confidence", s["soft_dice_confidence"]), ("variance_mean", mean["variance"]),
                            ("mutual_information_mean", mean["mutual_information"]), ("mutual_information_contour", s["mutual_information"]),
                            ("expected_entropy_mean", mean["expected_entropy"]), ("entropy_mean", mean["class_entropy"])):
            close(got, w[column], 1e-6, f"{f['case']} {column}")
            compared += 1
        assert all(np.isfinite(f["data"][k][0][1]).all() for k in f["data"]), f["case"]
assert compared == 56, compared
