"""usage: augment.py THREADS ITERATIONS NETWORK ...: time of augmenting one batch in nnU-Net, for comparison with augment.c.

Takes the same arguments, augments patches of the same sizes, channels and labels, and prints the same table.  The transforms are
those of nnU-Net's trainer but for the last one, which makes targets for deep supervision: augment leaves that to the training.
Needs torch, nnunetv2 and batchgeneratorsv2."""
import resource
import sys
import time

import numpy as np
import torch
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

NETWORKS = {"2d_8-32": (12, [192, 160]), "2d_32-512": (12, [160, 160]), "3d_32-320": (2, [64, 64, 64])}
CHANNELS = 2


def subject(patch):
    """The transforms, and a larger patch: two balls, one in the other, and noise."""
    limit = (-np.pi, np.pi) if len(patch) == 2 else (-np.pi / 6, np.pi / 6)
    larger = [int(n) for n in get_patch_size(patch, limit, limit, limit, (0.85, 1.25))]
    transforms = nnUNetTrainer.get_training_transforms(np.array(patch), limit, None, tuple(range(len(patch))), False,
                                                       use_mask_for_norm=[False] * CHANNELS)
    grid = np.stack(np.meshgrid(*(np.arange(n) / n - 0.5 for n in larger), indexing="ij"))
    r = np.sqrt((grid ** 2).sum(0))
    label = np.where(r < 0.15, 2, r < 0.25).astype("i2")[None]
    image = np.random.default_rng(1).random((CHANNELS, *larger)).astype("f4") + label
    return transforms, torch.from_numpy(image), torch.from_numpy(label)


def main():
    threads, iterations = int(sys.argv[1]), 20 * int(sys.argv[2])
    torch.set_num_threads(threads)
    print("network", "batch", "patch", "threads", "seconds", "cpu_seconds", "peak_mib", sep="\t")
    for argument in sys.argv[3:]:
        name, *rest = argument.split(":")
        batch, patch = NETWORKS[name]
        if rest:
            batch, patch = int(rest[0]), [int(n) for n in rest[1].split("x")]
        transforms, image, label = subject(patch)
        np.random.seed(1)
        torch.manual_seed(1)
        wall = cpu = 0
        for i in range(iterations + 1):
            samples = [{"image": image.clone(), "segmentation": label.clone()} for _ in range(batch)]    # which they change
            begin, begin_cpu = time.perf_counter(), time.process_time()
            for sample in samples:
                transforms(**sample)
            if i:
                wall += time.perf_counter() - begin
                cpu += time.process_time() - begin_cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(argument, batch, "x".join(map(str, [1] * (3 - len(patch)) + patch)), threads, f"{wall / iterations:.6f}",
              f"{cpu / iterations:.6f}", f"{peak:.1f}", sep="\t")


if __name__ == "__main__":
    main()
