"""usage: peer-torch.py forward VARIANT DEVICE MODEL BATCH
       peer-torch.py volume WAY DEVICE MODEL VOLUME.npy LABELS.npy
       peer-torch.py peak DEVICE
PyTorch's side on a GPU.  Prints "ready" and the seconds of opening; then for each line of standard input a number.
forward: of the line "SECONDS" milliseconds of one image; VARIANT: autocast (with cudnn.benchmark, as nnU-Net runs), channels-last,
graph or compile (each with autocast).
volume: for any line the seconds from a volume in the host's memory to its labels there; WAY: nnunetv2 (its predictor) or loop (a sliding
window of our own as nnU-Net makes it: one window at a time, mirrored one after the other, Gaussian weights, sums in half precision).
peak: prints TFLOP/s of a product of matrices in half precision and TB/s of a copy, bytes read and written."""
import itertools
import json
import os
import statistics
import sys
import time

import numpy
import torch
from torch import nn

answers, sys.stdout = sys.stdout, sys.stderr


class Block(nn.Module):
    def __init__(self, dims, c_in, c_out, kernel, stride):
        super().__init__()
        convolution, norm = ((nn.Conv2d, nn.InstanceNorm2d), (nn.Conv3d, nn.InstanceNorm3d))[dims - 2]
        self.conv = convolution(c_in, c_out, kernel, stride, [k // 2 for k in kernel])
        self.norm, self.act = norm(c_out, eps=1e-5, affine=True), nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


class Stack(nn.Module):
    def __init__(self, dims, n, c_in, c_out, kernel, stride):
        super().__init__()
        ones = [1] * dims
        self.convs = nn.Sequential(*[Block(dims, c_out if i else c_in, c_out, kernel, ones if i else stride) for i in range(n)])

    def forward(self, x):
        return self.convs(x)


class UNet(nn.Module):
    """nnU-Net's plain U-Net with its names of weights."""

    def __init__(self, a, inputs, outputs):
        super().__init__()
        f, kernels, strides, dims = a["features_per_stage"], a["kernel_sizes"], a["strides"], len(a["strides"][0])
        transposed, point = ((nn.ConvTranspose2d, nn.Conv2d), (nn.ConvTranspose3d, nn.Conv3d))[dims - 2]
        n = len(f)
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.stages = nn.ModuleList(nn.Sequential(Stack(dims, a["n_conv_per_stage"][s], f[s - 1] if s else inputs, f[s], kernels[s],
                                                                strides[s])) for s in range(n))
        up = [n - 2 - d for d in range(n - 1)]
        self.decoder.transpconvs = nn.ModuleList(transposed(f[s + 1], f[s], strides[s + 1], strides[s + 1]) for s in up)
        self.decoder.stages = nn.ModuleList(Stack(dims, a["n_conv_per_stage_decoder"][d], 2 * f[s], f[s], kernels[s], [1] * dims)
                                            for d, s in enumerate(up))
        self.decoder.seg_layers = nn.ModuleList(point(f[s], outputs, 1) for s in up)

    def forward(self, x):
        skips = []
        for stage in self.encoder.stages:
            x = stage(x)
            skips.append(x)
        for d, stage in enumerate(self.decoder.stages):
            x = stage(torch.cat((self.decoder.transpconvs[d](x), skips[-2 - d]), 1))
        return self.decoder.seg_layers[-1](x)


def load(model, device):
    """The network, and its patch."""
    with open(f"{model}/plans.json") as p, open(f"{model}/dataset.json") as d:
        plans, dataset = json.load(p), json.load(d)
    configuration, = plans["configurations"].values()
    network = UNet(configuration["architecture"]["arch_kwargs"], len(dataset["channel_names"]), len(dataset["labels"]))
    weights = torch.load(f"{model}/fold_0/checkpoint_1.pth", map_location="cpu", weights_only=False)["network_weights"]
    network.load_state_dict(weights)
    return network.eval().to(device), configuration["patch_size"]


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def autocast(device):
    return torch.autocast(device, dtype=torch.float16 if device == "cuda" else torch.bfloat16, enabled=device == "cuda")


def prepared(variant, device, network, x):
    """What makes one pass."""
    if variant == "channels-last":
        order = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        network, x = network.to(memory_format=order), x.to(memory_format=order)
    if variant == "compile":
        network = torch.compile(network)

    def once():
        with autocast(device):
            return network(x)
    if variant != "graph":
        return once
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            once()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        once()
    return graph.replay


def forward(variant, device, model, batch):
    begin = time.perf_counter()
    network, patch = load(model, device)
    x = torch.randn(int(batch), 1, *patch, device=device)
    once = prepared(variant, device, network, x)
    for _ in range(3):
        once()
    wait(device)
    yield time.perf_counter() - begin
    for line in sys.stdin:
        seconds, passes, begin = float(line), 0, time.perf_counter()
        while passes == 0 or time.perf_counter() - begin < seconds:
            for _ in range(4):          # the host does not wait for each
                once()
            passes += 4
            wait(device)
        yield 1e3 * (time.perf_counter() - begin) / passes / len(x)


def gaussian(patch):
    g = torch.ones(patch)
    for i, n in enumerate(patch):
        shape = [1] * len(patch)
        shape[i] = n
        at = torch.arange(n, dtype=torch.float32) - n // 2
        g = g * torch.exp(-0.5 * (at / (n / 8)) ** 2).reshape(shape)
    g = (g / g.max() * 10).to(torch.float16)
    g[g == 0] = g[g != 0].min()
    return g


def places(size, patch):
    n = 1 if size <= patch else -(-(size - patch) * 2 // patch) + 1
    return [round(i * (size - patch) / max(n - 1, 1)) for i in range(n)]


def loop(device, network, patch, volume):
    """Labels [z, y, x] of a volume [1, z, y, x] that is at least as large as the patch."""
    dims, kind = len(patch), torch.float16 if device == "cuda" else torch.float32
    data, weight = torch.from_numpy(volume).to(device), gaussian(patch).to(device)
    outputs = network.decoder.seg_layers[-1].out_channels
    sums = torch.zeros((outputs, *volume.shape[1:]), dtype=kind, device=device)
    counts = torch.zeros(volume.shape[1:], dtype=kind, device=device)
    axes = [tuple(2 + i for i in c) for n in range(1, dims + 1) for c in itertools.combinations(range(dims), n)]
    grid = [places(size, p) for size, p in zip(volume.shape[-dims:], patch)]
    slices = range(volume.shape[1]) if dims == 2 else [None]
    for z in slices:
        for corner in itertools.product(*grid):
            box = ((z,) if dims == 2 else ()) + tuple(slice(c, c + p) for c, p in zip(corner, patch))
            x = data[(slice(None), *box)][None]
            with autocast(device):
                y = network(x)
                for a in axes:
                    y += torch.flip(network(torch.flip(x, a)), a)
            y = (y / (len(axes) + 1))[0].to(kind)
            y *= weight
            sums[(slice(None), *box)] += y
            counts[box] += weight
    sums /= counts
    return sums.argmax(0).to(torch.uint8).cpu().numpy()


def all_names(weights):
    """A state dict in which each weight has all the names that nnU-Net gives it; model.py writes one."""
    w = dict(weights)
    for k, v in weights.items():
        for short, long in ((".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")):
            w[k.replace(short, long)] = v
    return w | {"decoder." + k: v for k, v in w.items() if k.startswith("encoder.")}


def predictor(device, model):
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, ".")
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    checkpoint = torch.load(f"{model}/fold_0/checkpoint_1.pth", map_location="cpu", weights_only=False)
    checkpoint["network_weights"] = all_names(checkpoint["network_weights"])
    torch.save(checkpoint, f"{model}/fold_0/all_names.pth")
    p = nnUNetPredictor(perform_everything_on_device=True, device=torch.device(device), allow_tqdm=False)
    p.initialize_from_trained_model_folder(model, (0,), "all_names.pth")
    return lambda v: p.predict_sliding_window_return_logits(torch.from_numpy(v)).argmax(0).to(torch.uint8).cpu().numpy()


def volume(way, device, model, source, target):
    begin = time.perf_counter()
    data = numpy.load(source)
    if way == "nnunetv2":
        predict = predictor(device, model)
    else:
        network, patch = load(model, device)
        predict = lambda v: loop(device, network, patch, v)  # noqa: E731
    dims = len(json.load(open(f"{model}/plans.json"))["configurations"].popitem()[1]["patch_size"])
    predict(numpy.ascontiguousarray(data[:, :1] if dims == 2 else data[:, :128]))        # plans are chosen
    wait(device)
    yield time.perf_counter() - begin
    for i, _ in enumerate(sys.stdin):
        begin = time.perf_counter()
        labels = predict(data)
        wait(device)
        yield time.perf_counter() - begin
        if i == 0:
            numpy.save(target, labels)


def timed(device, once, n):
    once()
    wait(device)
    begin = time.perf_counter()
    for _ in range(n):
        once()
    wait(device)
    return (time.perf_counter() - begin) / n


def peak(device):
    n, m = (8192, 1 << 31) if device == "cuda" else (256, 1 << 20)
    a, b = (torch.randn(n, n, device=device, dtype=torch.float16 if device == "cuda" else torch.float32) for _ in range(2))
    x, y = (torch.empty(m, dtype=torch.uint8, device=device) for _ in range(2))
    yield statistics.median([2 * n ** 3 / timed(device, lambda: a @ b, 10) * 1e-12 for _ in range(5)])
    yield statistics.median([2 * m / timed(device, lambda: y.copy_(x), 10) * 1e-12 for _ in range(5)])


def main(what, *args):
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    with torch.inference_mode():
        for i, number in enumerate({"forward": forward, "volume": volume, "peak": peak}[what](*args)):
            print(*(["ready"] if i == 0 and what != "peak" else []), f"{number:.6g}", sep="\t", file=answers, flush=True)


main(*sys.argv[1:])
