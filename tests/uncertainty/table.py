"""score: rows, columns, Dice against reference labels of pictures and volumes, failed cases, whole files."""
from lib import *

r = np.random.default_rng(11)
NAMES = {"background": 0, "LV": 1, "myocardium": 2}
REGIONS = {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
os.makedirs("refs")


def mean_dice(values):
    values = [v for v in values if not math.isnan(v)]
    return sum(values) / len(values) if values else float("nan")


def probs(shape, classes=3):
    p = r.random((classes, *shape)).astype("<f4") ** 3
    return p / p.sum(0)


def labelled(name, seg, labels=NAMES, **more):
    return {"case": name, "labels": labels, "layers": [({"kind": "label"}, seg[None].astype("|u1"))], "slab": 1, **more}


# Dice of classes: in pictures, volumes, with absent classes and ignored voxels, from labels and from probabilities
frames, want = [], {}


def expect(name, seg, ref, parts, ignore=None):
    keep = ref != ignore if ignore is not None else np.ones(ref.shape, bool)
    want[name] = {p: dice(np.isin(seg, v) & keep, np.isin(ref, v) & keep) for p, v in parts.items()}


CLASSES = {"LV": [1], "myocardium": [2]}
for name, seg, ref, ignore in (
        ("picture", r.integers(0, 3, (1, 9, 7)), r.integers(0, 3, (1, 9, 7)), None),
        ("volume", r.integers(0, 3, (4, 6, 5)), r.integers(0, 3, (4, 6, 5)), None),
        ("no_myocardium", r.integers(0, 2, (1, 9, 7)), r.integers(0, 2, (1, 9, 7)), None),
        ("missed", np.zeros((1, 5, 5), int), r.integers(0, 3, (1, 5, 5)), None),
        ("nothing", np.zeros((1, 5, 5), int), np.zeros((1, 5, 5), int), None),
        ("ignored", r.integers(0, 3, (3, 5, 5)), r.integers(0, 4, (3, 5, 5)), 3)):
    frames.append(labelled(name, seg, **({"ignore": 3} if ignore else {})))
    expect(name, seg, ref, CLASSES, ignore)
    if ref.shape[0] == 1:
        png(f"refs/{name}.png", ref[0])
    else:
        nifti(f"refs/{name}.nii", ref, [3.0, 1.5, 0.75])
p = probs((1, 8, 8))
ref = r.integers(0, 3, (1, 8, 8))
png("refs/probs.png", ref[0])
frames.append({"case": "probs", "labels": NAMES, "layers": [({"kind": "probs", "activation": "softmax"}, p)], "rows": 3})
expect("probs", p.argmax(0), ref, CLASSES)
save("in.frames", frames)
run("score -r refs < in.frames > out.tsv")
got = table("out.tsv")
assert list(got) == [f["case"] for f in frames]
assert open("out.tsv").readline() == "case\tdice\tdice:LV\tdice:myocardium\tflags\treason\n"
for name, parts in want.items():
    for part, value in parts.items():
        close(got[name]["dice:" + part], value, 1e-8, name)
    close(got[name]["dice"], mean_dice(parts.values()), 1e-8, name)
assert got["missed"]["dice"] == "0" and got["nothing"]["dice"] == "nan" and got["no_myocardium"]["dice:myocardium"] == "nan"

# regions, one file as the reference of the only case
seg, ref = r.integers(0, 3, (3, 4, 5)), r.integers(0, 3, (3, 4, 5))
nifti("one.nii", ref, [3.0, 1.5, 0.75])
save("in.frames", [labelled("r", seg, **REGIONS)])
run("score -r one.nii < in.frames > out.tsv")
a, b = dice(seg > 0, ref > 0), dice(seg == 2, ref == 2)
close(table("out.tsv")["r"]["dice"], (a + b) / 2, 1e-8, "regions")
close(table("out.tsv")["r"]["dice:core"], b, 1e-8, "regions")

# columns are the union, in an order that the cases do not decide; numbers are plain
seg = np.zeros((1, 5, 5), int)
save("in.frames", [
    labelled("a", seg, members=3, closing={"scores": {"class_entropy:LV": 1, "odd": 1e-12, "class_entropy": math.inf}, "flags": ["no_contour", "empty"]}),
    {"case": "b", "failed": {"stage": "decode", "reason": "cannot\topen\nit"}},
    labelled("c", seg, members=3, closing={"scores": {"t_test": -math.nan, "class_entropy": 1 / 3, "contour_pixels": 123456789, "mask_pixels": 0}})])
run("score < in.frames > out.tsv", 3)
assert open("out.tsv").read() == (
    "case\tmask_pixels\tcontour_pixels\tclass_entropy\tt_test\todd\tclass_entropy:LV\tmembers\tflags\treason\n"
    "a\tnan\tnan\tinf\tnan\t1e-12\t1\t3\tno_contour,empty\t-\n"
    "b\tnan\tnan\tnan\tnan\tnan\tnan\tnan\tfailed\tdecode: cannot open it\n"
    "c\t0\t123456789\t0.333333333\tnan\tnan\tnan\t3\t-\t-\n"), open("out.tsv").read()

# -o writes the same, -p passes the stream and adds Dice to it
run("score -o file.tsv < in.frames", 3)
assert open("file.tsv").read() == open("out.tsv").read()
png("refs/a.png", seg[0])
png("refs/c.png", seg[0] + 1)
run("score -p -r refs -o file.tsv < in.frames > passed.frames", 3)
a, b, c = read("passed.frames")
assert c["scores"]["dice"] == 0 and math.isnan(a["scores"]["dice"]) and a["scores"]["odd"] == 1e-12 and b["failed"]["stage"] == "decode"
assert a["data"]["label"][0][1].tobytes() == seg.astype("|u1").tobytes()
assert list(table("file.tsv")["a"])[:2] == ["case", "dice"]
assert "-p needs -o" in run("score -p < in.frames", 2)

# a case without its reference, or with one that does not fit
seg = r.integers(0, 3, (1, 5, 5))
png("refs/size.png", np.zeros((5, 6)))
png("refs/value.png", np.full((5, 5), 255))
bad = {"lost": "holds no label file of this case", "size": "refs/size.png has the shape 1x5x6, the segmentation 1x5x5",
       "value": "refs/value.png holds the value 255, which is none of the labels 0 to 2"}
for name, words in bad.items():
    save("in.frames", [labelled(name, seg)])
    said = run("score -r refs -o gone.tsv < in.frames", 3)
    assert said.startswith(f"score: {name}: ") and words in said and said.count("\n") == 1, said
    assert not os.path.exists("gone.tsv")
save("in.frames", [labelled(name, seg) for name in ("lost", "picture", "size", "c", "value")])
run("score -k -r refs < in.frames > out.tsv", 3)
got = table("out.tsv")
assert [r["flags"] for r in got.values()] == ["failed", "failed", "failed", "-", "failed"]
assert all(words in got[name]["reason"] for name, words in bad.items()) and "1x9x7" in got["picture"]["reason"]
run("score -k -r refs -p -o out.tsv < in.frames > passed.frames", 3)
assert ["failed" in f for f in read("passed.frames")] == [True, True, True, False, True]
save("in.frames", [labelled("c", seg), labelled("d", seg)])
assert "c.png is one label map, but this is case 2" in run("score -r refs/c.png < in.frames", 3)
assert "cannot open nowhere" in run("score -r nowhere < in.frames", 4)
save("in.frames", [{"case": "a", "layers": [({"kind": "image"}, seg[None].astype("<f4"))]}])
assert "a: it holds no probabilities and no labels to compare with" in run("score -r refs < in.frames", 3)

# a stream that breaks off leaves no table, and an earlier one as it was
save("in.frames", [labelled("c", seg), labelled("d", seg)])
data = open("in.frames", "rb").read()
for n in (len(data) - 1, len(data) - 30, len(data) // 2, 10, 0):
    open("cut.frames", "wb").write(data[:n])
    open("out.tsv", "w").write("earlier\n")
    run("score -o out.tsv < cut.frames", 3)
    assert open("out.tsv").read() == "earlier\n"
    run("score < cut.frames > printed.tsv", 3)
    assert open("printed.tsv").read() == ""
run("score < in.frames > /dev/full", 4)
run("score -o missing/out.tsv < in.frames", 4)
assert not [f for f in os.listdir(".") if f.startswith(".") or "tmp" in f]

# as coded: the mask is where the mean of channel 1 exceeds a half, labels count as numbers
p, ref = probs((1, 8, 8)), r.integers(0, 3, (1, 8, 8))
png("coded.png", ref[0])
save("in.frames", [{"case": "x", "labels": NAMES, "layers": [({"kind": "probs", "activation": "softmax"}, p)]}])
run("score --as-coded -r coded.png < in.frames > out.tsv")
mask = p[1] > 0.5
close(table("out.tsv")["x"]["dice"], 2 * (mask * ref).sum() / (mask.sum() + ref.sum()), 1e-8, "as coded")

# a row a slice: its Dice, the scores and flags that others made of it; the flags that slices do not have stay the case's
seg, ref = r.integers(0, 3, (3, 5, 6)), r.integers(0, 3, (3, 5, 6))
seg[1] = ref[1] = 0
nifti("refs/v.nii", ref, [3.0, 1.5, 0.75])
u = r.random((1, 3, 5, 6)).astype("<f4")
f = labelled("v", seg, members=4, closing={"flags": ["one_member"]})
f["layers"].append(({"kind": "class_entropy"}, u))
save("in.frames", [f])
run("contour-norm --per-slice < in.frames | score --per-slice -r refs -p -o out.tsv > passed.frames")
rows = [line.rstrip("\n").split("\t") for line in open("out.tsv")]
assert rows[0] == ("case slice dice mask_pixels contour_pixels class_entropy dice:LV dice:myocardium mask_pixels:LV contour_pixels:LV class_entropy:LV "
                   "mask_pixels:myocardium contour_pixels:myocardium class_entropy:myocardium members flags reason").split()
assert [row[:2] for row in rows[1:]] == [["v", str(z)] for z in range(3)]
for z, row in enumerate(rows[1:]):
    row = dict(zip(rows[0], row))
    values = {p: dice(seg[z] == v, ref[z] == v) for p, v in (("LV", 1), ("myocardium", 2))}
    for p, v in values.items():
        close(row["dice:" + p], v, 1e-8, f"slice {z}")
        n = contour((seg == {"LV": 1, "myocardium": 2}[p])[z:z + 1]).sum()
        close(row["class_entropy:" + p], u[0, z].astype(float).sum() / n if n else math.inf, 1e-8, f"slice {z}")
    close(row["dice"], mean_dice(values.values()), 1e-8, f"slice {z}")
    assert row["mask_pixels"] == str((seg[z] > 0).sum()) and row["members"] == "4"
    assert row["flags"] == ("one_member,empty,no_contour,empty_worst" if z == 1 else "one_member"), row
again = read("passed.frames")[0]
close(again["scores"]["dice"], mean_dice([dice(seg == 1, ref == 1), dice(seg == 2, ref == 2)]), 1e-8, "the case's own")
assert np.frombuffer(again["closing"]["slices"]["scores"]["mask_pixels"], "<f8").tolist() == [(s > 0).sum() for s in seg]
run("contour-norm < in.frames | score --per-slice -r refs > dice.tsv")
assert open("dice.tsv").readline().split("\t")[:3] == ["case", "slice", "dice"] and len(list(open("dice.tsv"))) == 4
said = run("contour-norm < in.frames | score --per-slice", 3)
assert said == "score: v: it has no scores of slices; --per-slice of contour-norm or aggregate makes them\n", said
save("in.frames", [f, {"case": "b", "failed": {"stage": "decode", "reason": "no"}}])
run("contour-norm -k --per-slice < in.frames | score --per-slice > out.tsv", 3)
assert [line.split("\t")[1] for line in open("out.tsv")] == ["slice", "0", "1", "2", "nan"]
run("correlate -y mask_pixels out.tsv > correlation.tsv")
assert "slice" not in table("correlation.tsv") and "class_entropy" in table("correlation.tsv")
assert "sees one slice" in run("score --per-slice --as-coded < in.frames", 2)
