"""Both stages of a cascade trained and used.  The images are noise: what the second stage segments it knows from the first."""
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import dataset, nifti, run, save  # noqa: E402

rng = np.random.default_rng(3)
RAW, SHAPE = "raw/Dataset007_Cascade", (10, 20, 20)
NAMES = [f"c{i}" for i in range(6)]
channels = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}}
for name in NAMES:
    truth = np.zeros(SHAPE, "u1")
    for value in (1, 2, 1, 2):
        z, y, x = rng.integers(0, (5, 12, 12))
        truth[z:z + 5, y:y + 8, x:x + 8] = value
    nifti(f"{RAW}/imagesTr/{name}_0000.nii.gz", rng.normal(size=SHAPE).astype("f4"))
    nifti(f"{RAW}/labelsTr/{name}.nii.gz", truth)
dataset(RAW, len(NAMES))
dataset("pre", len(NAMES))
network = {"n_stages": 3, "features_per_stage": [4, 8, 8], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[3, 3, 3]] * 3,
           "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "n_conv_per_stage": [1] * 3, "n_conv_per_stage_decoder": [1] * 2,
           "conv_bias": True, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
           "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
           "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}}
stage = {"batch_size": 2, "patch_size": [8, 16, 16], "median_image_size_in_voxels": list(SHAPE), "spacing": [1, 1, 1],
         "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False], "preprocessor_name": "DefaultPreprocessor",
         "architecture": {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                          "arch_kwargs": network, "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]},
         "batch_dice": True}
for what, order in ("data", 3), ("seg", 1), ("probabilities", 1):
    stage[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
    stage[f"resampling_fn_{what}_kwargs"] = {"is_seg": what == "seg", "order": order, "order_z": 0, "force_separate_z": None}
save("pre/nnUNetPlans.json", {
    "dataset_name": "Dataset007_Cascade", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {},
    "configurations": {
        "3d_fullres": {**stage, "data_identifier": "full"},
        "3d_lowres": {**stage, "data_identifier": "low", "spacing": [1, 1.5, 1.5], "next_stage": "3d_cascade_fullres"},
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}})
save("pre/splits_final.json", [{"train": NAMES[2:], "val": NAMES[:2]}])


def train(configuration, fold, model, *argv, code=0):
    return run("train", RAW, configuration, fold, "--preprocessed", "pre", "-o", model, *argv, code=code)


# The first stage's own predictions serve as they lie in the folder of its validation.
train("3d_lowres", "all", "low", *"--epochs 1 --cycles 1 --iterations 1 --val-iterations 0".split())
train("3d_cascade_fullres", "0", "short", "-prev_stage_predictions", "low/fold_all/validation",
      *"--epochs 1 --cycles 1 --iterations 1 --val-iterations 1".split())

# A first stage that is always right: the second one learns to believe it, although all that changes a cascade's channels happens.
said = train("3d_cascade_fullres", "0", "high", "-prev_stage_predictions", f"{RAW}/labelsTr",
             *"--epochs 4 --cycles 1 --iterations 30 --val-iterations 2 --rate 0.05".split())
dice = [float(v) for row in said.splitlines()[1:] for v in row.split("\t")[1:]]
assert len(dice) == 6 and min(dice) > 0.8, said

# predict is what the validation was, and follows another first stage.
os.makedirs("images")
for name in NAMES[:2]:
    os.symlink(os.path.abspath(f"{RAW}/imagesTr/{name}_0000.nii.gz"), f"images/{name}_0000.nii.gz")
    nifti(f"empty/{name}.nii.gz", np.zeros(SHAPE, "u1"))
for previous, out in (f"{RAW}/labelsTr", "out"), ("empty", "none"):
    run("predict", "-i", "images", "-o", out, "-m", "high", "-f", "0", "-prev_stage_predictions", previous)
for name in NAMES[:2]:
    with open(f"out/{name}.nii.gz", "rb") as a, open(f"high/fold_0/validation/{name}.nii.gz", "rb") as b, \
         open(f"none/{name}.nii.gz", "rb") as c:
        predicted, validation, other = a.read(), b.read(), c.read()
    assert predicted == validation != other, name

# What is missing is said in one line, in the words of train.
for argv, text, code in (
        (("3d_cascade_fullres", "0", "no"), "that 3d_lowres predicted: -prev_stage_predictions FOLDER\n", 2),
        (("3d_lowres", "0", "no", "-prev_stage_predictions", "empty"), "has no previous stage, but -prev_stage_predictions is given\n", 2),
        (("none", "0", "no"), "has no configuration 'none'; it has: ", 2)):
    said = train(*argv, code=code)
    assert text in said and said.startswith("train: ") and said.count("\n") == 1, said
assert not os.path.exists("no")
