"""usage: train.py THREADS ITERATIONS NETWORK ...: time of one training iteration of PyTorch, for comparison with train.c.

NETWORK is one of train.c's (2d_8-32, 2d_32-512, 3d_8-32, 3d_32-320), or NAME:BATCH:PATCH, as in 3d_32-320:2:96x96x96.
Needs torch, dynamic_network_architectures and nnunetv2. One iteration is what nnU-Net's trainer does on a CPU: forward, Dice and
cross-entropy with deep supervision, backward, clipping, SGD with Nesterov momentum. Prints TSV: network, batch, patch, threads,
median seconds of wall clock, median seconds of CPU, peak MiB of the process.
"""
import resource
import statistics
import sys
import time

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

NETWORKS = {
    "2d_8-32": ([8, 16, 32, 32, 32], 12, [192, 160]),
    "2d_32-512": ([32, 64, 128, 256, 512, 512], 12, [160, 160]),
    "3d_8-32": ([8, 16, 32, 32], 2, [64, 64, 64]),
    "3d_32-320": ([32, 64, 128, 256, 320], 2, [64, 64, 64]),
}


def build(features, dims):
    conv, norm = (torch.nn.Conv2d, torch.nn.InstanceNorm2d) if dims == 2 else (torch.nn.Conv3d, torch.nn.InstanceNorm3d)
    n = len(features)
    net = PlainConvUNet(1, n, features, conv, [[3] * dims] * n, [[1] * dims] + [[2] * dims] * (n - 1), [2] * n, 2, [2] * (n - 1),
                        conv_bias=True, norm_op=norm, norm_op_kwargs={"eps": 1e-5, "affine": True},
                        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True)
    net.apply(net.initialize)
    return net


def main():
    threads, iterations = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    for argument in sys.argv[3:]:
        name, *rest = argument.split(":")
        features, batch, patch = NETWORKS[name]
        if rest:
            batch, patch = int(rest[0]), [int(x) for x in rest[1].split("x")]
        torch.manual_seed(1)
        net = build(features, len(patch))
        optimizer = torch.optim.SGD(net.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True)
        loss = DC_and_CE_loss({"batch_dice": len(patch) == 2, "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, weight_ce=1,
                              weight_dice=1, ignore_label=None, dice_class=MemoryEfficientSoftDiceLoss)
        weights = np.array([1 / 2**i for i in range(len(features) - 1)])
        weights[-1] = 0
        loss = DeepSupervisionWrapper(loss, weights / weights.sum())
        data = torch.randn(batch, 1, *patch)
        targets = [torch.randint(0, 2, (batch, 1, *[p >> i for p in patch])).float() for i in range(len(features) - 1)]
        wall, cpu = [], []
        for i in range(iterations + 1):
            begin, begin_cpu = time.time(), time.process_time()
            optimizer.zero_grad(set_to_none=True)
            value = loss(net(data), targets)
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
            optimizer.step()
            if i:
                wall.append(time.time() - begin)
                cpu.append(time.process_time() - begin_cpu)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(argument, batch, "x".join(map(str, patch)), threads, f"{statistics.median(wall):.4f}", f"{statistics.median(cpu):.4f}",
              f"{peak:.0f}", sep="\t", flush=True)


main()
