# Images normalised here and by nnU-Net: every folder of golden/preprocess, within 1e-5, label channels exactly.
[ -d "$SHARED/golden/preprocess" ] || { echo "needs shared/golden/preprocess"; exit 77; }
cat > check.py <<'X'
import io, json, os, subprocess, sys
import msgpack, numpy as np
sys.path.insert(0, os.environ["TESTS"] + "/uncertainty")
import lib
S = os.environ["SHARED"]
G, D = S + "/golden", S + "/data"
FOLDERS = [D + "/msd-hippocampus/imagesTr", D + "/sunnybrook-nifti/imagesTr", D + "/sunnybrook-png/imagesTs", G + "/phantom/imagesTs", G + "/images",
           D + "/dsb2018-nuclei/imagesTr"]


def find(name):
    return next(f"{f}/{name}" for f in FOLDERS if os.path.exists(f"{f}/{name}"))


def normalize(images, model, *options):
    with open("out", "wb") as out:
        decode = subprocess.Popen(["decode", *map(find, images)], stdout=subprocess.PIPE)
        code = subprocess.call(["normalize", *options, model], stdin=decode.stdout, stdout=out)
        assert decode.wait() == 0 and code == 0, (images, model)
    (f,) = lib.read("out")
    ((m, a),) = f["data"]["image"]
    return f, a


def compare(name, f, a, folder):
    want = np.load(folder + "/data.npy")
    labels = np.load(folder + "/seg.npy") if os.path.exists(folder + "/seg.npy") else None
    n = len(want)
    assert a[:n].shape == want.shape, (name, a.shape, want.shape)
    worst = float(np.abs(a[:n] - want).max())
    print(f"{name}: {want.shape}, largest difference {worst:.2e}")
    assert worst < 1e-5, name
    if labels is not None:
        hot = np.stack([labels[0] == v for v in f["labels"].values() if v]).astype(np.float32)
        assert np.array_equal(a[n:], hot), name
    else:
        assert len(a) == n
    if os.path.exists(folder + "/properties.json"):
        p, g = json.load(open(folder + "/properties.json")), f["geometry"]["network"]
        turn = g["transpose_forward"]
        assert [[lo, hi] for lo, hi in zip(g["crop_lo"], g["crop_hi"])] == p["bbox_used_for_cropping"], name
        assert [g["original"][i] for i in turn] == p["shape_before_cropping"] and g["spacing_mm"] == p["spacing"], name
        assert f["shape"] == list(want.shape[1:])


CONFIGURATION = {"hippocampus_torch_resampler": "3d_fullres", "sunnybrook_resenc_3d_transposed": "3d_fullres"}   # no checkpoint of their own
done = 0
for name in sorted(os.listdir(G + "/preprocess")):
    folder, model = f"{G}/preprocess/{name}", f"{G}/models/{name}"
    options = ["-c", CONFIGURATION[name]] if name in CONFIGURATION else []
    if "cascade" in name:
        options += ["--previous", G + "/predict/hippocampus_3d_lowres"]
    if name == "rgb":                       # three channels; the plans that its README describes
        os.makedirs("rgb", exist_ok=True)
        plans = json.load(open(G + "/models/sunnybrook_2d/plans.json"))
        plans["configurations"]["2d"].update(normalization_schemes=["RGBTo01Normalization"] * 3, use_mask_for_norm=[False] * 3)
        json.dump(plans, open("rgb/plans.json", "w"))
        json.dump({"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "nucleus": 1}, "numTraining": 1,
                   "file_ending": ".png"}, open("rgb/dataset.json", "w"))
        compare(name, *normalize(["rgb_01d44a26f6_0000.png"], "rgb"), folder)
        done += 1
    elif os.path.exists(folder + "/data.npy"):
        p = json.load(open(folder + "/properties.json"))
        compare(name, *normalize(p["images"], model, *options), folder)
        done += 1
    else:
        for case in sorted(os.listdir(folder)):
            compare(name, *normalize([case + "_0000.png"], model, *options), f"{folder}/{case}")
            done += 1
assert done >= 12, done
# legacy plans are the same plans
a = normalize(["hippocampus_084_0000.nii.gz"], G + "/models/hippocampus_legacy_plans")
compare("hippocampus_legacy_plans", *a, G + "/preprocess/hippocampus_3d_fullres")
b = normalize(["hippocampus_084_0000.nii.gz"], G + "/models/hippocampus_3d_fullres")
assert a[0]["plan"] == b[0]["plan"] and len(a[0]["plan"]["hash"]) == 16
X
/usr/bin/python3 check.py
