"""Writes checkpoints by hand, as torch.save would and as it never would, into the current folder:
ok-*.pth     can be read; ok-equal-*: the same weights in other clothes; ok-other-*: different ones
hash-*.pth   the weights of ok-equal-*, where Python's zipfile cannot follow
bad-*.pth    must be refused; the cause that the message must name is in the .txt of the same name"""
import io, os, pickle, struct, sys, types, zipfile
from collections import OrderedDict
import numpy as np

# Stand-ins, so that pickle writes the names of torch's own classes and functions.
for module in ("torch", "torch._utils"):
    sys.modules[module] = types.ModuleType(module)


def stand_in(module, name, thing):
    thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
    setattr(sys.modules[module], name, thing)
    return thing


KINDS = {k: stand_in("torch", k + "Storage", type(k, (), {})) for k in
         "Float Half BFloat16 Double Long Int Short Char Byte Bool".split()}
NUMPY = {"Float": "<f4", "Half": "<f2", "Double": "<f8", "Long": "<i8", "Int": "<i4", "Short": "<i2",
         "Char": "|i1", "Byte": "|u1", "Bool": "|b1"}
rebuild_v2 = stand_in("torch._utils", "_rebuild_tensor_v2", lambda *a: None)
rebuild_v1 = stand_in("torch._utils", "_rebuild_tensor", lambda *a: None)
rebuild_parameter = stand_in("torch._utils", "_rebuild_parameter", lambda *a: None)
device = stand_in("torch", "device", lambda *a: None)


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


class Store:
    def __init__(self, kind, values, numel=None):
        self.kind = kind
        if kind == "BFloat16":
            self.bytes = (np.asarray(values, "<f4").ravel().view("<u4") >> 16).astype("<u2").tobytes()
        else:
            self.bytes = np.asarray(values, NUMPY[kind]).ravel().tobytes()
        self.numel = np.asarray(values).size if numel is None else numel


def strides(shape):
    return tuple(int(np.prod(shape[i + 1:], dtype=int)) for i in range(len(shape)))


def tensor(values, kind="Float"):
    values = np.asarray(values)
    return view(Store(kind, values), 0, values.shape)


def view(store, offset, shape, stride=None):
    stride = strides(shape) if stride is None else tuple(stride)
    return Call(rebuild_v2, store, offset, tuple(shape), stride, False, OrderedDict())


class Pickler(pickle._Pickler):
    def __init__(self, f, protocol, legacy):
        super().__init__(f, protocol)
        self.stores, self.legacy = [], legacy

    def persistent_id(self, obj):
        if isinstance(obj, Store):
            if obj not in self.stores:
                self.stores.append(obj)
            key = str(self.stores.index(obj))
            return ("storage", KINDS[obj.kind], key, "cuda:0", obj.numel) + ((None,) if self.legacy else ())
        return None


def dump(root, protocol=2, legacy=False):
    f = io.BytesIO()
    p = Pickler(f, protocol, legacy)
    p.dump(root)
    return f.getvalue(), p.stores


def save_zip(path, root, protocol=2, top="archive", edit=lambda p: p, entries=(), drop=(), method=zipfile.ZIP_STORED):
    data, stores = dump(root, protocol)
    with zipfile.ZipFile(path, "w", method) as z:
        z.writestr(top + "/data.pkl", edit(data))
        z.writestr(top + "/byteorder", "little") if "byteorder" not in drop else None
        for i, s in enumerate(stores):
            if i not in drop:
                z.writestr("%s/data/%d" % (top, i), s.bytes)
        z.writestr(top + "/version", "3\n")
        for name, content in entries:
            z.writestr(name, content)


def save_legacy(path, root, protocol=2, edit=lambda p: p, numel=None, little=True, magic=0x1950a86a20f9469cfc6c, version=1001):
    data, stores = dump(root, protocol, True)
    with open(path, "wb") as f:
        f.write(pickle.dumps(magic, protocol) + pickle.dumps(version, protocol))
        sizes = {"short": 2, "int": 4, "long": 4}
        f.write(pickle.dumps({"protocol_version": 1001, "little_endian": little, "type_sizes": sizes}, protocol))
        f.write(edit(data))
        f.write(pickle.dumps(sorted(str(i) for i in range(len(stores))), protocol))
        for i in sorted(range(len(stores)), key=str):
            f.write(struct.pack("<q", stores[i].numel if numel is None else numel) + stores[i].bytes)


def root(weights, **more):
    groups = [{"lr": 0.01, "params": [0, 1], "foreach": None}]
    r = {"network_weights": weights, "optimizer_state": {"state": {}, "param_groups": groups},
         "grad_scaler_state": None, "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "train_losses": [-0.5, 2.0]},
         "_best_ema": np.float64(0.5), "current_epoch": 3, "trainer_name": "nnUNetTrainer",
         "init_args": {"plans": {}, "configuration": "2d", "fold": 0, "device": Call(device, "cuda", 0), "unpack_dataset": True},
         "inference_allowed_mirroring_axes": (0, 1)}
    r.update(more)
    return r


# Values that every storage type holds exactly.
A = (np.arange(2 * 3 * 4 * 5) % 7 - 3).reshape(2, 3, 4, 5)
B = np.array([1, 0, 2])
N = np.array(7)


def weights(kind="Float", prefix="", order=1):
    items = [(prefix + "encoder.a.weight", tensor(A, kind)), (prefix + "encoder.a.bias", tensor(B, kind)),
             (prefix + "n", tensor(N, "Long"))]
    return OrderedDict(items[::order])


def equal():
    save_zip("ok-equal-zip.pth", root(weights()))
    for protocol in (3, 4, 5):
        save_zip("ok-equal-protocol-%d.pth" % protocol, root(weights()), protocol)
    save_legacy("ok-equal-legacy.pth", root(weights()))
    save_legacy("ok-equal-legacy-4.pth", root(weights()), 4)
    save_zip("ok-equal-top.pth", root(weights()), top="prüfung 1")
    save_zip("ok-equal-no-byteorder.pth", root(weights()), drop=("byteorder",))
    for kind in ("Half", "BFloat16", "Double", "Int", "Short", "Char", "Long"):
        save_zip("ok-equal-%s.pth" % kind, root(weights(kind)))
        save_legacy("ok-equal-legacy-%s.pth" % kind, root(weights(kind)))
    for i, prefix in enumerate(("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.")):
        save_zip("ok-equal-prefix-%d.pth" % i, root(weights(prefix=prefix)))
    save_zip("ok-equal-order.pth", root(weights(order=-1)))
    save_zip("ok-equal-bare.pth", weights())
    numpy_2 = lambda p: p.replace(b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n")
    save_zip("ok-equal-numpy-2.pth", root(weights()), edit=numpy_2)
    save_zip("ok-equal-metadata.pth", root(with_state(weights())))
    w = weights()
    w["encoder.a.weight"] = view(Store("Float", A.transpose(0, 2, 3, 1)), 0, A.shape, (60, 1, 15, 3))
    save_zip("ok-equal-channels-last.pth", root(w))
    w = weights()
    one = Store("Float", np.concatenate([[9, 9], A.ravel(), [9], B]))
    w["encoder.a.weight"], w["encoder.a.bias"] = view(one, 2, A.shape), view(one, 123, B.shape)
    save_zip("ok-equal-one-storage.pth", root(w))
    w = weights()
    w["encoder.a.bias"] = view(Store("Half", [5, 1, 5, 5, 0, 5, 5, 2, 5]), 1, (3,), (3,))
    save_zip("ok-equal-every-third-half.pth", root(w))
    w = weights()
    for name, t in list(w.items()):
        w["decoder.encoder." + name.replace("a.", "a.all_modules.0.")] = t
    w["encoder.a.all_modules.0.bias"] = tensor(B)
    save_zip("ok-equal-aliases.pth", root(w))
    save_legacy("ok-equal-legacy-aliases.pth", root(w))
    w = weights()
    w["encoder.a.bias"] = Call(rebuild_parameter, w["encoder.a.bias"], True, OrderedDict())
    w["n"] = Call(rebuild_v1, Store("Long", N), 0, (), ())
    save_zip("ok-equal-parameter.pth", root(w))
    without_checksums("ok-equal-zip.pth", "hash-no-checksums.pth")




def with_state(weights):
    """An OrderedDict with attributes, as a state_dict's _metadata, which pickle writes with BUILD."""
    weights._metadata = OrderedDict([("", {"version": 1})])
    return weights


def without_checksums(source, path):
    data = bytearray(open(source, "rb").read())
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:
        data[at + 16:at + 20] = bytes(4)
        at += 4
    open(path, "wb").write(data)


def other():
    for name, change in (("value", ("encoder.a.bias", B + [0, 0, 1])), ("shape", ("encoder.a.weight", A.reshape(2, 3, 5, 4))),
                         ("sign", ("encoder.a.bias", np.array([1, -0.0, 2]))), ("fewer", ("encoder.a.bias", B[:2]))):
        w = weights()
        w[change[0]] = tensor(change[1])
        save_zip("ok-other-%s.pth" % name, root(w))
    w = weights()
    w["encoder.b.bias"] = w.pop("encoder.a.bias")
    save_zip("ok-other-name.pth", root(w))
    w = weights()
    w["empty"] = tensor(np.zeros((3, 0, 2)))
    w["infinite"] = tensor([np.inf, np.nan, 65504, 1e-7], "Half")
    w["truth"] = tensor([True, False], "Bool")
    w["bytes"] = tensor([200, 255], "Byte")
    w["eight"] = tensor(np.arange(8.).reshape(1, 2, 1, 2, 1, 2, 1, 1), "BFloat16")
    w["odd stride"] = view(Store("Float", [1, 2]), 1, (1,), (2 ** 62,))
    save_zip("ok-other-kinds.pth", root(w, inference_allowed_mirroring_axes=None, trainer_name="UnnUNet"))
    init = {"configuration": "3d_fullres", "fold": "all"}
    save_zip("ok-settings-fold-all.pth", root(weights(), init_args=init, inference_allowed_mirroring_axes=[2, 0, 1]))
    save_zip("ok-settings-numpy-axes.pth", root(weights(), inference_allowed_mirroring_axes=(np.int64(1),)))
    r = root(weights(), inference_allowed_mirroring_axes=())
    del r["trainer_name"], r["init_args"]
    save_zip("ok-settings-missing.pth", r)


def bad(name, cause):
    with open("bad-%s.txt" % name, "w") as f:
        f.write(cause)
    return "bad-%s.pth" % name


def bad_tensor(name, cause, t):
    w = weights()
    w["encoder.a.bias"] = t
    save_zip(bad(name, cause), root(w))


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def refused():
    touch = "touch executed"
    for protocol in (2, 4):
        for name, cause, evil in (("system", "posix.system", Evil(os.system, touch)),
                                  ("eval", "__builtin__.eval" if protocol == 2 else "builtins.eval",
                                   Evil(eval, "__import__('os').system('%s')" % touch)),
                                  ("popen", ".Popen", Evil(__import__("subprocess").Popen, touch.split()))):
            save_zip(bad("%s-%d" % (name, protocol), cause), {"first": evil, **root(weights())}, protocol)
            save_legacy(bad("legacy-%s-%d" % (name, protocol), cause), {"first": evil, **root(weights())}, protocol)
    raw = lambda name, cause, body: save_zip(bad(name, cause), {}, edit=lambda p: body)
    raw("string", "STRING", b"\x80\2(S'touch executed'\nios\nsystem\n.")
    raw("inst", "INST", b"\x80\2(ios\nsystem\n.")
    raw("obj", "OBJ", b"\x80\2(}o.")
    raw("newobj-ex", "NEWOBJ_EX", b"\x80\4}})\x92.")
    raw("extension", "EXT1", b"\x80\2\x82\1.")
    raw("unknown-opcode", "0xff", b"\x80\2\xff.")
    raw("join", "os.path.join", b"\x80\2cos.path\njoin\n.")
    raw("nested-name", "torch.load.__globals__", b"\x80\4\x8c\5torch\x8c\x10load.__globals__\x93.")
    raw("control", "a??b.c?[31m", b"\x80\2ca\r\x07b\nc\x1b[31m\n.")
    raw("empty-stack", "empty stack", b"\x80\2R.")
    raw("no-mark", "MARK", b"\x80\2}u.")
    raw("below-mark", "empty stack", b"\x80\2}(\x85.")
    raw("odd-items", "no dict", b"\x80\2}(K\1u.")
    raw("append-to-dict", "no list", b"\x80\2}K\1a.")
    raw("set-in-list", "no dict", b"\x80\2]K\1K\1s.")
    raw("call-a-dict", "no global", b"\x80\2})R.")
    raw("build-a-list", "no object", b"\x80\2]}b.")
    raw("memo-unset", "value 7", b"\x80\2h\7.")
    raw("memo-huge", "4294967295", b"\x80\2}r\xff\xff\xff\xff.")
    raw("text-huge", "within a value", b"\x80\2X\xff\xff\xff\xffa.")
    raw("bytes-huge", "within a value", b"\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\xffa.")
    raw("frame-huge", "frame", b"\x80\4\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.")
    raw("no-stop", "without STOP", b"\x80\2}")
    raw("nothing", "no pickle", b"")
    raw("protocol-0", "no pickle", b"(dp0\n.")
    raw("protocol-9", "protocol 9", b"\x80\x09}.")
    raw("deep", "network_weights", b"\x80\2" + b"]" * 200000 + b"a" * 199999 + b".")
    raw("deep-marks", "empty stack", b"\x80\2" + b"(" * 200000 + b".")
    raw("contains-itself", "network_weights", b"\x80\2}q\0X\1\0\0\0ah\0s.")
    raw("amplified", "more memory", b"\x80\2c_codecs\nencode\nq\2X" + struct.pack("<I", 40000) + b"a" * 40000 +
        b"q\0X\6\0\0\0latin1q\1" + b"h\2h\0h\1\x86R0" * 4000 + b".")
    raw("not-latin1", "not latin1", b"\x80\2c_codecs\nencode\nX\3\0\0\0\xe2\x82\xacX\6\0\0\0latin1\x86R.")
    raw("other-encoding", "_codecs.encode", b"\x80\2c_codecs\nencode\nX\1\0\0\0aX\5\0\0\0rot13\x86R.")
    raw("id-is-text", "other than a storage", b"\x80\2X\1\0\0\0aQ.")
    raw("id-is-module", "other than a storage", b"\x80\2(X\6\0\0\0moduleK\1K\1K\1K\1tQ.")

    s = Store("Float", B)
    bad_tensor("short-storage", "too few for 300 elements", view(Store("Float", B, 300), 0, (300,)))
    bad_tensor("huge-storage", "too few for", view(Store("Float", B, 2 ** 62), 0, (3,)))
    bad_tensor("past-the-end", "encoder.a.bias takes elements 1 to 3 of a storage of 3", view(s, 1, (3,)))
    bad_tensor("stride-outside", "encoder.a.bias takes elements 0 to 4", view(s, 0, (3,), (2,)))
    bad_tensor("offset-outside", "encoder.a.bias takes elements", view(s, 2 ** 40, (3,)))
    bad_tensor("offset-negative", "encoder.a.bias takes elements", view(s, -1, (3,)))
    bad_tensor("offset-wraps", "encoder.a.bias overflow", view(s, 2 ** 63 - 1, (3,)))
    bad_tensor("stride-negative", "encoder.a.bias has a negative", view(s, 2, (3,), (-1,)))
    bad_tensor("size-negative", "encoder.a.bias has a negative", view(s, 0, (-3,)))
    bad_tensor("size-overflows", "encoder.a.bias overflows", view(s, 0, (2 ** 40, 2 ** 40), (0, 0)))
    bad_tensor("stride-overflows", "encoder.a.bias overflow", view(s, 0, (3, 3), (2 ** 62, 2 ** 62)))
    bad_tensor("expanded", "encoder.a.bias has 1000000 elements", view(s, 0, (1000000,), (0,)))
    bad_tensor("nine-axes", "encoder.a.bias has no shape", view(s, 0, (1,) * 9))
    bad_tensor("strides-missing", "encoder.a.bias has no shape", view(s, 0, (3,), ()))
    bad_tensor("no-tensor", "encoder.a.bias is no tensor", 5)
    bad_tensor("numpy-weight", "encoder.a.bias is no tensor", np.float64(1))
    bad_tensor("no-store", "encoder.a.bias has no storage", view(5, 0, (3,)))
    w = weights()
    w["module.encoder.a.bias"] = tensor(B)
    save_zip(bad("twice", "encoder.a.bias twice"), root(w))
    w, big = weights(), Store("Char", np.zeros(20000))
    for i in range(200):
        w["view.%d" % i] = view(big, 0, (20000,))
    save_zip(bad("overlap", "many times more elements"), root(w))
    save_zip(bad("no-weights", "no network_weights"), {"state_dict": weights()})
    save_zip(bad("weights-a-list", "no network_weights"), root([1, 2]))
    save_zip(bad("weights-empty", "no network_weights"), root(OrderedDict()))
    save_zip(bad("name-a-number", "no text"), root(OrderedDict([(1, tensor(B))])))
    save_zip(bad("missing-storage", "storage 1 is missing"), root(weights()), drop=(1,))
    save_zip(bad("big-endian", "big-endian"), root(weights()), drop=("byteorder",), entries=[("archive/byteorder", "big")])
    save_zip(bad("two-pickles", "two data.pkl"), root(weights()), entries=[("b/data.pkl", "")])
    save_zip(bad("no-pickle", "without the data.pkl"), root(weights()), top="a/b")
    save_zip(bad("compressed", "compressed"), root(weights()), method=zipfile.ZIP_DEFLATED)
    save_zip(bad("mirror-axis", "axis 3"), root(weights(), inference_allowed_mirroring_axes=(0, 3)))
    save_zip(bad("mirror-twice", "axis 1"), root(weights(), inference_allowed_mirroring_axes=(1, 1)))
    save_zip(bad("mirror-text", "mirroring_axes"), root(weights(), inference_allowed_mirroring_axes="xy"))
    save_zip(bad("trainer-a-list", "trainer_name"), root(weights(), trainer_name=[]))
    save_legacy(bad("legacy-magic", "not of torch.save"), root(weights()), magic=2 ** 79)
    save_legacy(bad("legacy-version", "unknown version"), root(weights()), version=1002)
    save_legacy(bad("legacy-big-endian", "big-endian"), root(weights()), little=False)
    save_legacy(bad("legacy-count", "elements instead of"), root(weights()), numel=2)
    save_zip("whole.pth", root(weights()))
    lying_size("whole.pth", bad("lying-size", "archive/data/0 claims 2147483648 bytes"))
    with open(bad("text", "neither a zip archive nor a pickle"), "w") as f:
        f.write("this is no checkpoint\n")
    open(bad("empty", "fewer than 4 bytes"), "w").close()


def lying_size(source, path):
    """The central directory gives an entry more bytes than the file has."""
    data = bytearray(open(source, "rb").read())
    at = data.find(b"PK\1\2")
    while b"archive/data/0" not in data[at:at + 60]:
        at = data.find(b"PK\1\2", at + 4)
    data[at + 20:at + 28] = struct.pack("<II", 2 ** 31, 2 ** 31)
    open(path, "wb").write(data)


equal()
other()
refused()
