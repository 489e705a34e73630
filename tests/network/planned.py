"""Random plans of the kind that nnU-Net's planners make, as model folders with weights, and frames to run them on."""
import json
import os
import shutil
import sys
from collections import OrderedDict

import numpy as np

sys.path[:0] = [os.path.join(os.environ["TESTS"], f) for f in ("network", "stream")]
from make import write  # noqa: E402
from model import FloatStorage, Tensor, save  # noqa: E402

EPS = 1e-5


def grid(r, dims, most):
    """Strides, kernels and patch: an axis is pooled from one stage on, until its edge is small; before that, where it is coarse, its
    kernel is 1.  Every stage but the first pools an axis."""
    while True:
        stages = int(r.integers(2, 5))
        begin = [int(r.integers(1, stages)) for _ in range(dims)]
        end = [int(r.integers(b, stages + 1)) for b in begin]
        strides = [[2 if b <= s < e else 1 for b, e in zip(begin, end)] for s in range(stages)]
        kernels = [[1 if s < b - 1 and r.random() < 0.7 else 3 for b in begin] for s in range(stages)]
        patch = [int(r.integers(3, 7)) << (e - b) for b, e in zip(begin, end)]
        if all(2 in s for s in strides[1:]) and np.prod(patch) <= most:
            return strides, kernels, patch


def plan(r, dims, most=3000, norm=None):
    """A dict of all that the functions below need."""
    p = {"dims": dims, "resenc": r.random() < 0.4, "inputs": int(r.integers(1, 4)), "classes": int(r.integers(2, 7)),
         "norm": norm or str(r.choice(["InstanceNorm", "InstanceNorm", "BatchNorm"])), "bias": bool(r.random() < 0.8)}
    p["strides"], p["kernels"], p["patch"] = grid(r, dims, most)
    n, base, top = len(p["strides"]), int(r.integers(2, 9)), int(r.integers(8, 21))
    p["features"] = [min(base << s, top) for s in range(n)]
    p["encoder"] = [int(r.integers(1, 4)) for _ in range(n)]
    p["decoder"] = [1 if p["resenc"] else int(r.integers(1, 3)) for _ in range(n - 1)]
    # Older plans have no object "architecture" but flat keys, which leave no choice of bias, norm and activation.
    p["flat"] = bool(p["bias"] and p["norm"] == "InstanceNorm" and r.random() < 0.6)
    p["deep_supervision"] = [None, True, False][int(r.integers(3))]
    p["schemes"] = [str(r.choice(["ZScoreNormalization", "RescaleTo01Normalization", "NoNormalization"])) for _ in range(p["inputs"])]
    p["mirror"] = sorted(r.permutation(dims)[:r.integers(0, 3)].tolist())
    p["transpose"] = [0] + (r.permutation(2) + 1).tolist() if dims == 2 else r.permutation(3).tolist()
    p["spacing"] = [round(float(v), 3) for v in r.uniform(0.6, 3, 3)]           # of the network's grid
    return p


def parameters(p):
    """Name -> shape of every weight that the checkpoint holds."""
    out, f, n = OrderedDict(), p["features"], len(p["features"])

    def unit(name, c_in, c_out, kernel, bias=True):
        out[name + ".conv.weight"] = (c_out, c_in, *kernel)
        if bias and p["bias"]:
            out[name + ".conv.bias"] = (c_out,)
        for what in ("weight", "bias") + (("running_mean", "running_var") if p["norm"] == "BatchNorm" else ()):
            out[f"{name}.norm.{what}"] = (c_out,)

    if p["resenc"]:
        unit("encoder.stem.convs.0", p["inputs"], f[0], p["kernels"][0])
    for s in range(n):
        for i in range(p["encoder"][s]):
            c_in = f[s] if i else f[s - 1] if s else f[0] if p["resenc"] else p["inputs"]
            if p["resenc"]:
                name = f"encoder.stages.{s}.blocks.{i}"
                unit(name + ".conv1", c_in, f[s], p["kernels"][s])
                unit(name + ".conv2", f[s], f[s], p["kernels"][s])
                if c_in != f[s]:
                    unit(name + f".skip.{int(i == 0 and 2 in p['strides'][s])}", c_in, f[s], [1] * p["dims"], bias=False)
            else:
                unit(f"encoder.stages.{s}.0.convs.{i}", c_in, f[s], p["kernels"][s])
    for d in range(n - 1):
        s = n - 2 - d
        for i in range(p["decoder"][d]):
            unit(f"decoder.stages.{d}.convs.{i}", f[s] if i else 2 * f[s], f[s], p["kernels"][s])
        out[f"decoder.transpconvs.{d}.weight"] = (f[s + 1], f[s], *p["strides"][s + 1])
        if p["bias"]:
            out[f"decoder.transpconvs.{d}.bias"] = (f[s],)
        if d == n - 2 or p["deep_supervision"] is not False:
            out[f"decoder.seg_layers.{d}.weight"], out[f"decoder.seg_layers.{d}.bias"] = (p["classes"], f[s], *[1] * p["dims"]), (p["classes"],)
    return out


def weights(r, p):
    """Random ones that keep the size of what flows through them."""
    w = OrderedDict()
    for name, shape in parameters(p).items():
        v = r.standard_normal(shape)
        if name.endswith("running_var"):
            v = r.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            v *= (2 / np.prod(shape[1:])) ** 0.5
        elif name.endswith("norm.weight"):
            v = 1 + 0.3 * v
        else:
            v *= 0.3
        w[name] = v.astype("<f4")
    return w


def level(p, w):
    """The same network, but its head looks at nothing: every logit is the bias of its class."""
    w = OrderedDict(w)
    head = f"decoder.seg_layers.{len(p['features']) - 2}.weight"
    w[head] = np.zeros_like(w[head])
    return w


def echo(p, w, slope=6.0):
    """A network (batch norm) that rounds its first input, x >= 0: its first feature is x all the way, through the highest skip; the
    other features are whatever they are, and the head does not look at them.  Logits k x - k^2 / 2 are largest for k = round(x)."""
    w, last = OrderedDict((k, v.copy()) for k, v in w.items()), len(p["features"]) - 2
    for name, v in w.items():
        unit, _, what = name.rpartition(".conv." if ".conv." in name else ".norm.")
        first = unit.startswith(("encoder.stem.", "encoder.stages.0.", f"decoder.stages.{last}."))
        if not first or what == "":
            continue
        if name.endswith("conv.weight"):
            v[0] = 0
            v[(0, p["features"][0] if unit == f"decoder.stages.{last}.convs.0" else 0, *(k // 2 for k in v.shape[2:]))] = 1
        elif name.endswith("norm.weight"):
            v[0] = 0 if unit.endswith("conv2") else 1               # a block adds nothing to what skips it
        elif name.endswith("running_var"):
            v[0] = 1 - EPS
        else:
            v[0] = 0
    k = np.arange(p["classes"])
    head = w[f"decoder.seg_layers.{last}.weight"]
    head[:] = 0
    head[:, 0].flat = slope * k
    w[f"decoder.seg_layers.{last}.bias"][:] = -slope * k * k / 2
    return w


def model(folder, p, **checkpoints):
    """A new folder with one configuration and checkpoint NAME for each name=weights; the checkpoints' paths, in order."""
    n, dims, f = len(p["features"]), p["dims"], p["features"]
    configuration = "2d" if dims == 2 else "3d_fullres"
    kwargs = {"order_z": 0, "force_separate_z": None}
    c = {"patch_size": p["patch"], "spacing": p["spacing"][3 - dims:], "normalization_schemes": p["schemes"],
         "use_mask_for_norm": [False] * p["inputs"]}
    for what, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        c[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        c[f"resampling_fn_{what}_kwargs"] = {"is_seg": what == "seg", "order": order, **kwargs}
    if p["flat"]:
        c.update({"UNet_class_name": "ResidualEncoderUNet" if p["resenc"] else "PlainConvUNet", "UNet_base_num_features": f[0],
                  "unet_max_num_features": max(f), "n_conv_per_stage_encoder": p["encoder"], "n_conv_per_stage_decoder": p["decoder"],
                  "pool_op_kernel_sizes": p["strides"], "conv_kernel_sizes": p["kernels"]})
    else:
        deep = {} if p["deep_supervision"] is None else {"deep_supervision": p["deep_supervision"]}
        c["architecture"] = {
            "network_class_name": "dynamic_network_architectures.architectures.unet." + ("ResidualEncoderUNet" if p["resenc"] else "PlainConvUNet"),
            "arch_kwargs": {"n_stages": n, "features_per_stage": f, "conv_op": f"torch.nn.modules.conv.Conv{dims}d", "kernel_sizes": p["kernels"],
                            "strides": p["strides"], ("n_blocks_per_stage" if p["resenc"] else "n_conv_per_stage"): p["encoder"],
                            "n_conv_per_stage_decoder": p["decoder"], "conv_bias": p["bias"],
                            "norm_op": f"torch.nn.modules.{p['norm'].lower()}.{p['norm']}{dims}d", "norm_op_kwargs": {"eps": EPS, "affine": True},
                            "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}, **deep},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/fold_0")
    json.dump({"dataset_name": "Dataset001_Random", "plans_name": "random", "image_reader_writer": "SimpleITKIO",
               "transpose_forward": p["transpose"], "transpose_backward": np.argsort(p["transpose"]).tolist(),
               "configurations": {configuration: c}}, open(folder + "/plans.json", "w"))
    json.dump({"channel_names": {str(i): "c" for i in range(p["inputs"])}, "labels": {f"l{i}" if i else "background": i for i in range(p["classes"])},
               "file_ending": ".nii.gz"}, open(folder + "/dataset.json", "w"))
    paths = []
    for name, values in checkpoints.items():
        storages = [FloatStorage(str(i), v.ravel()) for i, v in enumerate(values.values())]
        paths.append(f"{folder}/fold_0/{name}.pth")
        save(paths[-1], {"network_weights": OrderedDict((k, Tensor(s, v.shape)) for (k, v), s in zip(values.items(), storages)),
                         "trainer_name": "nnUNetTrainer", "init_args": {"configuration": configuration, "fold": 0},
                         "inference_allowed_mirroring_axes": tuple(p["mirror"]) or None}, storages)
    return paths


def source(p, shape):
    """A shape of the network's grid on the grid of the file, and the file's spacing, which the plan keeps."""
    back = np.argsort(p["transpose"])
    return [shape[i] for i in back], [p["spacing"][i] for i in back]


def images(path, cases, spacing):
    """cases: name -> image [channels, z, y, x]"""
    with open(path, "wb") as f:
        write(f, [{"case": name, "spacing_mm": spacing, "geometry": {"format": "nifti"}, "slab": 1, "layers": [({"kind": "image"}, a.astype("<f4"))]}
                  for name, a in cases.items()])
