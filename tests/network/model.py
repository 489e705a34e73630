#!/usr/bin/python3
"""usage: model.py MODEL [KEY=VALUE ...]

Writes a small nnU-Net model folder with random weights: plans.json, dataset.json and fold_0/checkpoint_1.pth, as torch.save
would write it, and MODEL/images.  Keys: file (the checkpoint's path in MODEL), seed, trainer, class, configuration, images (how
many), features (of each stage, 4,6,8), classes, outputs (LO:HI: the classes that the network has; all), patch (16,24; of
three numbers for a 3D network), convs (of a stage; 1), and one fault: drop=WEIGHT, add=WEIGHT, reshape=WEIGHT, nan=WEIGHT."""
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile
import zlib
from collections import OrderedDict

import numpy as np


class FloatStorage:
    def __init__(self, key, values):
        self.key, self.values = key, values


FloatStorage.__module__ = "torch"


def _rebuild_tensor_v2(*_):
    raise AssertionError


_rebuild_tensor_v2.__module__ = "torch._utils"
for name in ("torch", "torch._utils"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torch"].FloatStorage = FloatStorage
sys.modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2


class Tensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        stride = [int(np.prod(self.shape[i + 1:])) for i in range(len(self.shape))]
        return _rebuild_tensor_v2, (self.storage, 0, tuple(self.shape), tuple(stride), False, OrderedDict())


class Pickler(pickle._Pickler):
    def persistent_id(self, o):
        if isinstance(o, FloatStorage):
            return "storage", FloatStorage, o.key, "cpu", len(o.values)


def save(path, top, storages):
    b = io.BytesIO()
    Pickler(b, 2).dump(top)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr("checkpoint/data.pkl", b.getvalue())
        for s in storages:
            z.writestr("checkpoint/data/" + s.key, s.values.astype("<f4").tobytes())
        z.writestr("checkpoint/version", "3\n")


ARCH = {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {"n_stages": 3, "features_per_stage": [4, 6, 8], "conv_op": "torch.nn.modules.conv.Conv2d",
                        "kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]], "n_conv_per_stage": [1, 1, 1],
                        "n_conv_per_stage_decoder": [1, 1], "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                        "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True}},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def architecture(features, dims, convs):
    n, kwargs = len(features), dict(ARCH["arch_kwargs"])
    kwargs.update(n_stages=n, features_per_stage=features, conv_op=f"torch.nn.modules.conv.Conv{dims}d", kernel_sizes=[[3] * dims] * n,
                  strides=[[1] * dims] + [[2] * dims] * (n - 1), n_conv_per_stage=[convs] * n,
                  n_conv_per_stage_decoder=[convs] * (n - 1), norm_op=f"torch.nn.modules.instancenorm.InstanceNorm{dims}d")
    return {**ARCH, "arch_kwargs": kwargs}


def shapes(f, classes, dims, convs):
    out, n = OrderedDict(), len(f)

    def blocks(name, c_in, c_out):
        for i in range(convs):
            block = f"{name}.convs.{i}"
            out[block + ".conv.weight"], out[block + ".conv.bias"] = (c_out, c_out if i else c_in, *[3] * dims), (c_out,)
            out[block + ".norm.weight"], out[block + ".norm.bias"] = (c_out,), (c_out,)

    for s in range(n):
        blocks(f"encoder.stages.{s}.0", f[s - 1] if s else 1, f[s])
    for d in range(n - 1):
        r = n - 2 - d
        blocks(f"decoder.stages.{d}", 2 * f[r], f[r])
        out[f"decoder.transpconvs.{d}.weight"], out[f"decoder.transpconvs.{d}.bias"] = (f[r + 1], f[r], *[2] * dims), (f[r],)
        out[f"decoder.seg_layers.{d}.weight"], out[f"decoder.seg_layers.{d}.bias"] = (classes, f[r], *[1] * dims), (classes,)
    return out


def png(path, a):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + r.tobytes() for r in a.astype("u1"))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(model, *args):
    o = dict(a.split("=", 1) for a in args)
    r = np.random.default_rng(int(o.get("seed", 1)))
    file = os.path.join(model, o.get("file", "fold_0/checkpoint_1.pth"))
    os.makedirs(os.path.dirname(file), exist_ok=True)
    resample = "resample_data_or_seg_to_shape"
    patch, classes = [int(p) for p in o.get("patch", "16,24").split(",")], int(o.get("classes", 3))
    features, convs = [int(f) for f in o.get("features", "4,6,8").split(",")], int(o.get("convs", 1))
    lo, hi = [int(k) for k in o.get("outputs", f"0:{classes}").split(":")]
    dims = len(patch)
    kwargs = {"order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "p_2d", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
        "median_image_size_in_voxels": [30.0, 40.0], "spacing": [1.0] * dims, "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False], "resampling_fn_data": resample, "resampling_fn_seg": resample,
        "resampling_fn_probabilities": resample, "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **kwargs},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **kwargs},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **kwargs},
        "architecture": {**architecture(features, dims, convs), "network_class_name": o.get("class", ARCH["network_class_name"])},
        "batch_dice": True}
    json.dump({"dataset_name": "Dataset001_Small", "plans_name": "small", "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
               "original_median_shape_after_transp": [1, 30, 40], "image_reader_writer": "NaturalImage2DIO" if dims == 2 else "SimpleITKIO",
               "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "experiment_planner_used": "ExperimentPlanner",
               "label_manager": "LabelManager", "configurations": {"2d" if dims == 2 else "3d_fullres": configuration},
               "foreground_intensity_properties_per_channel": {"0": {
                   "max": 255.0, "mean": 127.0, "median": 127.0, "min": 0.0, "percentile_00_5": 1.0, "percentile_99_5": 250.0,
                   "std": 50.0}}}, open(os.path.join(model, "plans.json"), "w"))
    labels = {"background": 0, **{chr(96 + i) if i < 27 else f"class_{i}": i for i in range(1, hi - lo)}}
    json.dump({"channel_names": {"0": "grey"}, "labels": labels, "numTraining": 1,
               "file_ending": ".png" if dims == 2 else ".nii.gz"},
              open(os.path.join(model, "dataset.json"), "w"))

    storages, weights = [], OrderedDict()
    wanted = shapes(features, classes, dims, convs)
    if "add" in o:
        wanted[o["add"]] = (3,)
    if "drop" in o:
        del wanted[o["drop"]]
    for name, shape in wanted.items():
        if name == o.get("reshape"):
            shape = (*shape[:-1], shape[-1] + 1)
        v = r.standard_normal(shape) / max(1, np.prod(shape[1:])) ** 0.5
        if name.endswith("norm.weight"):
            v = v + 1
        if "seg_layers" in name and name in shapes(features, classes, dims, convs):
            v, shape = v[lo:hi], (hi - lo, *shape[1:])
        if name == o.get("nan"):
            v.flat[0] = np.nan
        storages.append(FloatStorage(str(len(storages)), v.ravel()))
        weights[name] = Tensor(storages[-1], shape)
    save(file, {"network_weights": weights, "trainer_name": o.get("trainer", "nnUNetTrainer"), "current_epoch": 1,
                "init_args": {"configuration": o.get("configuration", "2d" if dims == 2 else "3d_fullres"), "fold": 0},
                "inference_allowed_mirroring_axes": tuple(range(dims))}, storages)
    images = os.path.join(model, "images")
    os.makedirs(images, exist_ok=True)
    r = np.random.default_rng(7)
    for i in range(int(o.get("images", 2))):
        a = r.integers(1, 255, (20 + 17 * i, 41 - 9 * i))
        png(os.path.join(images, f"case_{i}_0000.png"), a)


if __name__ == "__main__":
    main(*sys.argv[1:])
