#!/usr/bin/python3
"""usage: compare.py STREAM FOLDER SHARE_LABELS [SHARE_PROBS [MARGIN]]

Compares the members of a stream of probabilities with what nnU-Net predicted: FOLDER/[MEMBER/]CASE.npz and, read by decode,
FOLDER/[MEMBER/]CASE.{png,nii.gz}.  The share (percent) of voxels with equal labels, and of probabilities within 1e-3, has to
reach the given one; both count over all cases together.  Where labels differ, the two largest probabilities (nnU-Net's where
they are stored, else ours) have to be nearer than MARGIN, or every region as near to its threshold."""
import io
import os
import subprocess
import sys

import msgpack
import numpy as np


def frames(stream):
    """(header, [(layer, array [channels, z, y, x])]) of each frame, failed ones with no layers."""
    u = msgpack.Unpacker(stream, max_buffer_size=1 << 32)
    assert "qualm" in next(u)
    for head in u:
        if "end" in head:
            return
        layers = []
        if "failed" not in head:
            (z, y, x), (dz, dy) = head["shape"], head["slab"]
            arrays = [np.empty((l["channels"], z, y, x), l["type"]) for l in head["layers"]]
            for z0 in range(0, z, dz):
                for y0 in range(0, y, dy):
                    for a in arrays:
                        part = a[:, z0:z0 + dz, y0:y0 + dy]
                        part[...] = np.frombuffer(next(u), a.dtype).reshape(part.shape)
            layers = list(zip(head["layers"], arrays))
        head["closing"] = next(u)
        yield head, layers
    sys.exit("no trailer")


def segmentation(head, p):
    if not head.get("regions_class_order"):
        return p.argmax(0)
    out = np.zeros(p.shape[1:], int)
    for value, region in zip(head["regions_class_order"], p):
        out[region > 0.5] = value
    return out


def margins(head, p):
    """How far each voxel is from another label: [z, y, x]."""
    if head.get("regions_class_order"):
        return np.abs(2 * p - 1).min(0)
    top = np.partition(p, -2, axis=0)
    return top[-1] - top[-2]


def label(path):
    """A label file as decode reads it."""
    out = subprocess.run(["decode", "-l", path], stdout=subprocess.PIPE, check=True).stdout
    (_, layers), = frames(io.BytesIO(out))
    return layers[0][1][0]


def main(stream, folder, share_labels, share_probs=0.0, margin=1.0):
    voxels = equal = values = near = files = 0
    worst, undecided = 0.0, 0.0
    for head, layers in frames(open(stream, "rb")):
        for l, p in layers:
            assert l["kind"] == "probs" and np.isfinite(p).all(), (head["case"], l)
            base = os.path.join(folder, l.get("member", {"name": ""})["name"], head["case"])    # an average has no member
            if not os.path.isdir(os.path.dirname(base)):
                base = os.path.join(folder, head["case"])
            best = p
            if os.path.exists(base + ".npz"):
                best = np.load(base + ".npz")["probabilities"]
                d = np.abs(p - best)
                values, near, files, worst = values + d.size, near + (d <= 1e-3).sum(), files + 1, max(worst, d.max())
            for ending in (".png", ".nii.gz"):
                if os.path.exists(base + ending):
                    differs = label(base + ending) != segmentation(head, p)
                    voxels, equal, files = voxels + differs.size, equal + (~differs).sum(), files + 1
                    if differs.any():
                        far = margins(head, best)[differs].max()
                        undecided = max(undecided, far)
                        if far >= float(margin):
                            print(f"{base}: labels differ where the margin is {far:.3g} ({'nnU-Net' if best is not p else 'ours'}), ours {margins(head, p)[differs].max():.3g}")
    if not files:
        sys.exit(f"{folder}: nothing to compare")
    share = [100 * equal / voxels if voxels else 100.0, 100 * near / values if values else 100.0]
    print(f"note: {os.path.basename(folder)}: {files} files, {voxels - equal} of {voxels} labels differ, at margins up to {undecided:.2g}; "
          f"{share[1]:.4f} % of probabilities within 1e-3, largest difference {worst:.3g}")
    if undecided >= float(margin):
        sys.exit(f"{folder}: labels differ at a margin of {undecided:.3g}")
    if share[0] < float(share_labels) or share[1] < float(share_probs):
        sys.exit(f"{folder}: {share[0]:.4f} % of labels, {share[1]:.4f} % of probabilities")


if __name__ == "__main__":
    main(*sys.argv[1:])
