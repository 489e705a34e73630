# decode --probs: folders of nnU-Net's .npz files as members; encode writes such folders.
cat > check.py <<'X'
import gzip, json, os, pickle, subprocess, sys
sys.path.insert(0, os.environ["TESTS"] + "/images")
import numpy as np
from lib import frames, nifti, png, put, run

rng = np.random.default_rng(3)


def member(folder, case, shape=(3, 1, 4, 5), name="probabilities", kind="f4"):
    os.makedirs(folder, exist_ok=True)
    p = rng.random(shape).astype(kind)
    p /= p.sum(0)
    np.savez_compressed(f"{folder}/{case}.npz", **{name: p})
    return p.astype("f4")


# two cases of one plane, three members; the label file of only one folder gives the geometry
want = {(m, c): member(f"p/{m}", c) for m in ("m2", "m1", "m3") for c in ("b", "a")}
put("p/m3/a.png", png(np.zeros((4, 5, 1), int), 8, 0))
put("p/m3/b.nii.gz", gzip.compress(nifti(np.zeros((1, 4, 5), "u1"))))
labels = {"background": 0, "LV": 1, "myocardium": 2}
json.dump({"channel_names": {"0": "MR"}, "labels": labels, "numTraining": 1, "file_ending": ".png"}, open("p/m2/dataset.json", "w"))
folders = ["p/m2", "p/m1/", "p/m3"]
stream = run("decode", "--probs", *folders)
got = frames(stream)
assert [h["case"] for h, _, _ in got] == ["a", "b"]
for head, layers, _ in got:
    assert head["labels"] == labels and list(head["labels"]) == list(labels)
    for i, (l, a) in enumerate(zip(head["layers"], layers)):
        name = ("m2", "m1", "m3")[i]
        assert l == {"kind": "probs", "type": "<f4", "channels": 3, "activation": "softmax", "member": {"name": name, "index": i, "of": 3}}, l
        assert np.array_equal(a, want[name, head["case"]])
assert got[0][0]["spacing_mm"] == [999, 1, 1] and got[1][0]["spacing_mm"] == [8, 1.5, 1.25]

# encode writes the same folders, decode reads them; also when geometry is left in the .pkl only
run("encode", "-o", "q", "-L", "probs", stdin=stream)
for m in ("m1", "m2", "m3"):
    assert sorted(os.listdir(f"q/{m}")) == ["a.npz", "a.pkl", "b.npz", "b.pkl", "dataset.json"]
    with np.load(f"q/{m}/a.npz") as z:
        assert z.files == ["probabilities"] and z["probabilities"].dtype == "<f4" and np.array_equal(z["probabilities"], want[m, "a"])
a, b = (pickle.load(open(f"q/m1/{c}.pkl", "rb")) for c in "ab")
assert a == {"spacing": [999, 1, 1], "shape_before_cropping": (1, 4, 5), "shape_after_cropping_and_before_resampling": (1, 4, 5), "bbox_used_for_cropping": [[0, 1], [0, 4], [0, 5]]}, a
s = b["sitk_stuff"]
affine = np.array(b["nibabel_stuff"]["original_affine"])
assert b["spacing"] == [8, 1.5, 1.25] and s["spacing"] == (1.25, 1.5, 8) and s["origin"] == (11.5, -7.25, 3), b
assert np.array_equal(affine, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12.5], [0, 0, 0, 1]])
# the file's sform is skewed: nibabel takes it as it is, ITK takes the qform beside it
q = np.sqrt(1 - 0.1 ** 2 - 0.2 ** 2 - 0.3 ** 2), 0.1, 0.2, 0.3
rotation = np.array([[0, -q[3], q[2]], [q[3], 0, -q[1]], [-q[2], q[1], 0]])
rotation = np.eye(3) + 2 * q[0] * rotation + 2 * rotation @ rotation
assert np.allclose(np.reshape(s["direction"], (3, 3)), np.diag([-1, -1, 1]) @ rotation @ np.diag([1, 1, -1]))
again = frames(run("decode", "--probs", "q/m2", "q/m1", "q/m3"))
for (h, x, _), (g, y, _) in zip(got, again):
    assert h["case"] == g["case"] and h["labels"] == g["labels"] and h["layers"] == g["layers"] and h["spacing_mm"] == g["spacing_mm"]
    assert all(np.array_equal(i, j) for i, j in zip(x, y)) and h["geometry"]["format"] == g["geometry"]["format"]
run("encode", "-o", "q2", "-L", "probs", stdin=run("decode", "--probs", "q/m1"))
assert pickle.load(open("q2/m1/b.pkl", "rb"))["nibabel_stuff"] == b["nibabel_stuff"]

# without any dataset.json channels have no names; --dataset gives regions, which are sigmoid
os.rename("p/m2/dataset.json", "dataset.json")
head, _, _ = frames(run("decode", "--probs", "p/m1", "p/m2"))[0]
assert "labels" not in head and head["layers"][0]["activation"] == "softmax" and head["layers"][1]["member"] == {"name": "m2", "index": 1, "of": 2}
json.dump({"channel_names": {"0": "MR"}, "labels": {"background": 0, "all": [1, 2, 3], "core": [2, 3], "hot": 3}, "regions_class_order": [1, 2, 3],
           "numTraining": 1, "file_ending": ".png"}, open("regions.json", "w"))
head, _, _ = frames(run("decode", "--probs", "--dataset", "regions.json", "p/m1"))[0]
assert head["layers"][0]["activation"] == "sigmoid" and head["regions_class_order"] == [1, 2, 3] and head["labels"]["core"] == [2, 3], head
json.dump({"channel_names": {"0": "MR"}, "labels": {"background": 0, "LV": 1}, "numTraining": 1, "file_ending": ".png"}, open("two.json", "w"))
assert "3 channels" in run("decode", "--probs", "--dataset", "two.json", "p/m1", code=3)

# UnnUNet's own folder is left out, another one without .npz is an error
os.mkdir("p/unnunet_pred"), os.mkdir("p/other")
p = subprocess.run(["decode", "--probs", *folders, "p/unnunet_pred"], capture_output=True)
assert p.returncode == 0 and b"unnunet_pred: left out" in p.stderr and len(frames(p.stdout)[0][1]) == 3, p.stderr
assert "p/other" in run("decode", "--probs", *folders, "p/other", code=3)
names = [l["member"]["name"] for l in frames(run("decode", "--probs", "p/m1", "q/m1"))[0][0]["layers"]]
assert names == ["p_m1", "q_m1"], names
assert "p/m1 cannot be told" in run("decode", "--probs", "p/m1", "p/m1/", code=3)

# a case that is missing in one folder, an extra one, another shape, a damaged file
member("p/m1", "c")
text = run("decode", "--probs", *folders, code=3)
assert "member m2 has no c.npz" in text, text
p = subprocess.run(["decode", "-k", "--probs", *folders], capture_output=True)
assert p.returncode == 3 and [("failed" in h) for h, _, _ in frames(p.stdout)] == [False, False, True], p.stderr
os.remove("p/m1/c.npz")
member("p/m1", "b", (3, 1, 4, 6))
assert "3 x 1 x 4 x 6" in run("decode", "--probs", *folders, code=3)
put("p/m1/b.npz", open("p/m2/b.npz", "rb").read()[:-30])
assert "m1/b.npz" in run("decode", "--probs", *folders, code=3)
member("p/m1", "b", (3, 4))
assert "2 axes" in run("decode", "--probs", *folders, code=3)
os.remove("p/m1/b.npz"), os.remove("p/m2/b.npz"), os.remove("p/m3/b.npz")
put("p/m3/a.png", png(np.zeros((4, 6, 1), int), 8, 0))
assert "a.png" in run("decode", "--probs", *folders, code=3)

# volumes: a frame a member; half precision and nnU-Net v1's name
want = [member("v/m1", "x", (2, 6, 4, 5)), member("v/m2", "x", (2, 6, 4, 5), "softmax", "f2")]
put("v/m1/x.nii.gz", gzip.compress(nifti(np.zeros((6, 4, 5), "u1"))))
stream = run("decode", "--slab", "4", "--probs", "v/m1", "v/m2")
got = frames(stream)
assert [h["case"] for h, _, _ in got] == ["x", "x"] and b"\xa5cases\x02" in stream[:200]
for i, (h, (a,), _) in enumerate(got):
    assert h["spacing_mm"] == [8, 1.5, 1.25] and h["slab"] == [4, 4] and h["layers"][0]["member"] == {"name": f"m{i + 1}", "index": i, "of": 2}
    assert np.array_equal(a, want[i])
run("encode", "-o", "w", "-L", "probs", stdin=stream)
assert np.array_equal(np.load("w/m2/x.npz")["probabilities"], want[1]) and pickle.load(open("w/m1/x.pkl", "rb"))["shape_before_cropping"] == (6, 4, 5)
X
/usr/bin/python3 check.py
if [ -d "$SHARED/golden/predict/phantom_2d_members" ]; then
	decode --probs --dataset "$SHARED/golden/models/phantom_2d/dataset.json" "$SHARED"/golden/predict/phantom_2d_members/checkpoint_* > members.frames
	[ "$(frames members.frames | wc -l)" -eq 37 ]           # 4 cases, 9 members each, a line of names
fi
