"""Agreement of two folders of label maps, read by decode."""
import subprocess
import msgpack
import numpy


def label_maps(decode, folder):
    """Case by case: name and labels, flat."""
    with subprocess.Popen([decode, '-l', folder], stdout=subprocess.PIPE) as program:
        stream = msgpack.Unpacker(program.stdout, max_buffer_size=1 << 32)
        next(stream)
        for head in stream:
            if 'end' in head:
                break
            shape, slab = head['shape'], head['slab']
            pieces = -(-shape[0] // slab[0]) * -(-shape[1] // slab[1])
            yield head['case'], numpy.concatenate([numpy.frombuffer(next(stream), head['layers'][0]['type']) for _ in range(pieces)])
            next(stream)


def agreement(decode, a, b):
    """The share of voxels with equal labels, over all cases."""
    equal = voxels = 0
    for (name, x), (other, y) in zip(label_maps(decode, a), label_maps(decode, b), strict=True):
        if name != other:
            raise SystemExit(f'{a} has {name}, {b} has {other}')
        equal += int((x == y).sum())
        voxels += x.size
    return equal / voxels
