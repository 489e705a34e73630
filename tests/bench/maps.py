"""The maps of average-probs in numpy, in fp32 and a slab at a time, as one writes them down.  usage: maps.py STREAM..."""
import sys

import msgpack
import numpy as np


def slabs(path):
    """Probabilities [C, dz, y, x] of the only frame of a stream, slab by slab."""
    with open(path, "rb") as f:
        it = msgpack.Unpacker(f, max_buffer_size=0)
        next(it)
        head = next(it)
        (z, y, x), (dz, _) = head["shape"], head["slab"]
        for k in range(0, z, dz):
            yield np.frombuffer(next(it), "<f4").reshape(head["layers"][0]["channels"], min(dz, z - k), y, x)


def plogp(p):
    return np.where(p > 0, -p * np.log2(np.where(p > 0, p, np.float32(1))), np.float32(0))


for parts in zip(*(slabs(path) for path in sys.argv[1:])):
    P = np.stack(parts)
    M, C = P.shape[:2]
    mean = P.mean(0)
    h = plogp(P)
    total = h[:, 1:].sum((0, 1))
    expected = h.sum(1).mean(0)
    information = np.maximum(plogp(mean).sum(0) - expected, 0)
    variance = P.var(0).mean(0)
    hard = P.argmax(1)
    votes = np.stack([(hard == c).sum(0) for c in range(C)]).astype("f4")
    vote_entropy = plogp(votes / np.float32(M)).sum(0)
    ratio = 1 - np.take_along_axis(votes, mean.argmax(0)[None], 0)[0] / np.float32(M)
    top = np.sort(mean, 0)
    margin = 1 - (top[-1] - top[-2])
    max_softmax = 1 - top[-1]
