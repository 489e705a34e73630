# The program around preprocessing: header keys, layers and frames that are not its business, every refusal in one line.
cat > check.py <<'X'
import io, json, os, subprocess, sys
import msgpack, numpy as np
sys.path[:0] = [os.environ["TESTS"] + "/uncertainty", os.environ["TESTS"] + "/stream"]
import lib
from make import write

RESAMPLING = {f"resampling_fn_{k}{e}": v for k, o in (("data", 3), ("seg", 1), ("probabilities", 1)) for e, v in
              (("", "resample_data_or_seg_to_shape"), ("_kwargs", {"is_seg": k == "seg", "order": o, "order_z": 0, "force_separate_z": None}))}
FLAT = {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8, "n_conv_per_stage_encoder": [1, 1],
        "n_conv_per_stage_decoder": [1], "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2]], "conv_kernel_sizes": [[3, 3, 3], [3, 3, 3]]}


def model(folder, schemes, labels={"background": 0, "a": 1, "b": 2}, **more):
    os.makedirs(folder, exist_ok=True)
    config = {"patch_size": [4, 8, 8], "spacing": [3.0, 1.0, 1.0], "normalization_schemes": schemes, "use_mask_for_norm": [False] * len(schemes), **RESAMPLING, **FLAT}
    plans = {"plans_name": "testPlans", "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
             "configurations": {"3d_fullres": config, "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}, **more}
    json.dump(plans, open(folder + "/plans.json", "w"))
    json.dump({"channel_names": {str(i): "c" for i in range(len(schemes))}, "labels": labels, "file_ending": ".nii.gz"}, open(folder + "/dataset.json", "w"))
    return folder


def run(args, frames, code=0, words=None):
    """normalize on frames; its frames, or the one line it says."""
    b = io.BytesIO()
    write(b, frames)
    p = subprocess.run(["normalize", *args], input=b.getvalue(), capture_output=True)
    err = p.stderr.decode()
    assert p.returncode == code, (args, p.returncode, err)
    if words is None:
        assert not err, err
    else:
        assert err.startswith("normalize: ") and err.count("\n") == 1 and all(w in err for w in words), err
    if code and "-k" not in args:
        return err
    open("out", "wb").write(p.stdout)
    return lib.read("out")


r = np.random.default_rng(3)
image = r.random((1, 4, 12, 10), "<f4") + 1
image[:, :, :2] = 0
spacing = [3.0, 1.0, 0.5]
frame = {"case": "a", "slab": 3, "spacing_mm": spacing, "unknown": {"k": 1}, "geometry": {"format": "nifti"}, "layers": [({"kind": "image"}, image)],
         "closing": {"flags": ["f"], "scores": {"s": 1.0}}}
plain = model("plain", ["ZScoreNormalization"])
c = ["-c", "3d_fullres"]

# what it writes
(f,) = run([*c, plain], [frame])
((m, a),) = f["data"]["image"]
assert a.shape == (1, 4, 10, 5) and f["shape"] == [4, 10, 5] and f["spacing_mm"] == [3.0, 1.0, 1.0] and m["type"] == "<f4"
assert abs(a.mean()) < 0.2 and f["unknown"] == {"k": 1} and f["flags"] == ["f"] and f["scores"] == {"s": 1.0}
assert f["labels"] == {"background": 0, "a": 1, "b": 2} and f["plan"]["configuration"] == "3d_fullres" and f["plan"]["plans_name"] == "testPlans"
g = f["geometry"]
assert g["format"] == "nifti" and g["network"]["original"] == [4, 12, 10] and g["network"]["crop_lo"] == [0, 2, 0] and g["network"]["spacing_mm"] == spacing
# integers are images too, and slabs do not matter
whole = (image * 100).astype("<i2")
one = run([*c, plain], [{**frame, "layers": [({"kind": "image"}, whole)], "slab": 1}])[0]["data"]["image"][0][1]
two = run([*c, plain], [{**frame, "layers": [({"kind": "image"}, whole.astype("<f4"))], "slab": 4}])[0]["data"]["image"][0][1]
assert np.array_equal(one, two)
# frames without images pass, failed ones too; layers on the image's grid leave
other = {"case": "b", "slab": 2, "spacing_mm": spacing, "layers": [({"kind": "label", "x": 7}, (image > 1.5).astype("|u1"))], "closing": {"z": 1}}
bad = {"case": "c", "failed": {"stage": "decode", "reason": "no such file"}}
f, o, b = run(["-k", *c, plain], [{**frame, "layers": [*frame["layers"], *other["layers"]]}, other, bad], 3)
assert list(f["data"]) == ["image"]
assert o["data"]["label"][0][0]["x"] == 7 and np.array_equal(o["data"]["label"][0][1], other["layers"][0][1]) and o["closing"] == {"z": 1}
assert b["failed"] == bad["failed"]

# which configuration
run([plain], [frame], 2, ["3d_fullres, 3d_cascade_fullres", "-c"])
run(["-c", "2d", plain], [frame], 2, ["'2d'", "3d_fullres, 3d_cascade_fullres"])
(f,) = run([os.environ["TESTS"] + "/phantom/model"], [{**frame, "layers": [({"kind": "image"}, image[:, :1])], "slab": 1}])
assert f["plan"]["configuration"] == "2d"

# refusals of models
run(["nowhere"], [frame], 4, ["nowhere/dataset.json"])
run([], [frame], 2, ["operand"])
run([*c, model("reader", ["ZScoreNormalization"], image_reader_writer="NibabelIOWithReorient")], [frame], 3, ["NibabelIOWithReorient"])
two = model("two", ["ZScoreNormalization", "NoNormalization"])
json.dump({"channel_names": {"0": "x"}, "labels": {"background": 0, "a": 1}, "file_ending": ".png"}, open("two/dataset.json", "w"))
run([*c, two], [frame], 3, ["two/dataset.json has 1 channels", "normalises 2"])
run([*c, model("broken", ["ZScoreNormalization"], transpose_forward=[0, 1])], [frame], 3, ["broken/plans.json: transpose_forward"])

# refusals of cases; with -k the others go on
two = model("two", ["ZScoreNormalization", "NoNormalization"])
run([*c, two], [frame], 3, ["a: the image has 1 channels, the model takes 2"])
rgb = model("rgb", ["RGBTo01Normalization"])
run([*c, rgb], [{**frame, "layers": [({"kind": "image"}, image * 300)]}], 3, ["a: channel 0:", "0 to 255"])
run([*c, plain], [{**frame, "layers": [({"kind": "image"}, np.full_like(image, np.nan))]}], 3, ["a: channel 0:", "NaN", "480 voxels"])
run([*c, plain], [{**frame, "geometry": {"network": {}}}], 3, ["a: it is on a network's grid already"])
run([*c, plain], [{**frame, "spacing_mm": [3, 1e-9, 1]}], 3, ["a: ", "would become 0"])
run([*c, "--memory", "4K", plain], [{**frame, "spacing_mm": [3, 3, 3], "slab": 1}], 3, ["a: ", "--memory"])
ok, x, also = run(["-k", *c, rgb], [frame, {**frame, "case": "bad", "layers": [({"kind": "image"}, -image)]}, {**frame, "case": "c"}], 3, ["bad: channel 0"])
assert x["case"] == "bad" and x["failed"]["stage"] == "normalize" and "0 to 255" in x["failed"]["reason"] and not x["data"]
assert np.array_equal(ok["data"]["image"][0][1], also["data"]["image"][0][1]) and also["case"] == "c"

# a cascade
second = ["-c", "3d_cascade_fullres"]
run([*second, plain], [frame], 2, ["3d_lowres", "--previous"])
run([*c, "--previous", "p", plain], [frame], 2, ["no previous stage"])
os.makedirs("p")
run([*second, "--previous", "p", plain], [frame], 3, ["a: ", "folder p"])


def nifti(path, labels, affine=None):
    """A little NIfTI-1 file of 8-bit labels [z, y, x]."""
    h = bytearray(352)
    z, y, x = labels.shape
    h[0:4] = (348).to_bytes(4, "little")
    h[40:56] = np.array([3, x, y, z, 1, 1, 1, 1], "<i2").tobytes()
    h[70:74] = np.array([2, 8], "<i2").tobytes()
    h[76:108] = np.array([1, 0.5, 1, 3, 0, 0, 0, 0], "<f4").tobytes()
    h[108:112] = np.array(352, "<f4").tobytes()
    h[112:116] = np.array(1, "<f4").tobytes()
    h[254:256] = np.array(1, "<i2").tobytes()
    h[280:328] = np.array([[0.5, 0, 0, 0], [0, 1, 0, 0], [0, 0, 3, 0]], "<f4").tobytes()
    h[344:348] = b"n+1\0"
    open(path, "wb").write(bytes(h) + labels.astype("|u1").tobytes())


labels = np.zeros((4, 12, 10), int)
labels[1:3, 4:8, 2:6] = 2
labels[1:3, 4:8, 6:8] = 1
nifti("p/a.nii", labels)
(f,) = run([*second, "--previous", "p", plain], [frame])
a = f["data"]["image"][0][1]
assert len(a) == 3 and f["plan"]["configuration"] == "3d_cascade_fullres"
want = labels[:, 2:, 0::2]                      # every second column: pairs are of one label
assert np.array_equal(a[1], want == 1) and np.array_equal(a[2], want == 2)
nifti("p/a.nii", labels[:3])
run([*second, "--previous", "p", plain], [frame], 3, ["a: ", "p/a.nii", "4 x 12 x 10"])
X
/usr/bin/python3 check.py
