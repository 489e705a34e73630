"""A second reading of torch.save files, with Python's own zipfile and pickle and with numpy, to compare with.

usage: reader.py FILE ...
For each file, on stdout: a JSON line of the settings, then for each tensor of network_weights, in file order, a line
"NAME DIM ..." and its values as fp32 in C order; then an empty line."""
import io, json, pickle, struct, sys, zipfile
from collections import OrderedDict
import numpy as np

TYPES = {"Float": "<f4", "Half": "<f2", "BFloat16": "bf16", "Double": "<f8", "Long": "<i8", "Int": "<i4", "Short": "<i2",
         "Char": "|i1", "Byte": "|u1", "Bool": "|u1"}


class Storage:
    def __init__(self, kind, key):
        self.kind, self.key, self.values = kind, key, None

    def fill(self, data):
        t = TYPES[self.kind]
        if t == "bf16":
            self.values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        else:
            self.values = np.frombuffer(data, t)


class Tensor:
    def __init__(self, storage, offset, size, stride, *rest):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def values(self):
        v = self.storage.values[self.offset:]
        steps = [s * v.itemsize * (d > 1) for d, s in zip(self.size, self.stride)]
        return np.lib.stride_tricks.as_strided(v, self.size, steps).astype("<f4")


class Reader(pickle.Unpickler):
    def __init__(self, f, storages):
        super().__init__(f)
        self.storages = storages

    def find_class(self, module, name):
        if module == "torch" and name.endswith("Storage"):
            return name[:-len("Storage")]
        if name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return Tensor
        if name == "_rebuild_parameter":
            return lambda tensor, *rest: tensor
        if (module, name) == ("torch", "device"):
            return lambda *a: a
        if (module, name) in (("collections", "OrderedDict"), ("_codecs", "encode"), ("numpy", "dtype")):
            return super().find_class(module, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return super().find_class("numpy.core.multiarray", name)
        raise pickle.UnpicklingError(module + "." + name)

    def persistent_load(self, pid):
        assert pid[0] == "storage", pid
        return self.storages.setdefault(pid[2], Storage(pid[1], pid[2]))




def read(path):
    storages = {}
    f = open(path, "rb")
    if f.read(4) == b"PK\3\4":
        z = zipfile.ZipFile(f)
        top = [n for n in z.namelist() if n.endswith("/data.pkl")][0][:-len("data.pkl")]
        root = Reader(io.BytesIO(z.read(top + "data.pkl")), storages).load()
        for key, s in storages.items():
            s.fill(z.read(top + "data/" + key))
    else:
        f.seek(0)
        for _ in range(3):
            pickle.Unpickler(f).load()
        root = Reader(f, storages).load()
        for key in pickle.Unpickler(f).load():
            n, = struct.unpack("<q", f.read(8))
            t = TYPES[storages[key].kind]
            storages[key].fill(f.read(n * (2 if t == "bf16" else np.dtype(t).itemsize)))
        assert not f.read()
    return root


def main():
    out = sys.stdout.buffer
    for path in sys.argv[1:]:
        root = read(path)
        init = root.get("init_args", {})
        mirror = root.get("inference_allowed_mirroring_axes")
        settings = [root.get("trainer_name"), init.get("configuration"), init.get("fold"),
                    None if mirror is None else sorted(int(a) for a in mirror)]
        out.write(json.dumps(settings).encode() + b"\n")
        for name, t in root.get("network_weights", root).items():
            out.write((" ".join([name] + [str(d) for d in t.size])).encode() + b"\n")
            out.write(t.values().tobytes())
        out.write(b"\n")


main()
