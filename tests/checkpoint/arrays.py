"""usage: arrays.py make    writes arrays and properties as numpy, pickle and nnU-Net do, for arrays.c to read
       arrays.py check   opens with numpy what arrays.c wrote"""
import pickle, sys
import numpy as np

TYPES = ["<f4", "<f2", "|u1", "<u2", "<i2", "<i4", "<f8", "<i8", "|i1", "<u4", "<u8", "|b1"]
SHAPES = [(), (5,), (0, 3), (2, 3, 4), (1, 1, 1, 1, 1, 1, 1, 2)]


def ramp(shape, t):
    values = np.arange(np.prod(shape, dtype=int))
    return (values % 2 if t == "|b1" else values).astype(t).reshape(shape)


def make():
    for i, t in enumerate(TYPES):
        for j, shape in enumerate(SHAPES):
            np.save("in-%d-%d.npy" % (i, j), ramp(shape, t))
            (np.savez if i % 2 else np.savez_compressed)("in-%d-%d.npz" % (i, j), other=np.zeros(3), probabilities=ramp(shape, t))
    a = ramp((2, 3, 4), "<f4")
    for version in (1, 2, 3):
        with open("version-%d.npy" % version, "wb") as f:
            np.lib.format.write_array(f, a, version=(version, 0))
    np.save("fortran.npy", np.asfortranarray(a))
    np.save("big.npy", a.astype(">f4"))
    np.save("object.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save("structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i2")]))
    np.save("complex.npy", np.zeros(2, dtype="<c8"))
    np.savez("softmax.npz", softmax=a)
    np.savez_compressed("large.npz", probabilities=np.zeros(1 << 20, "<f4"))

    spacing = [np.float64(10.0), np.float32(1.25), 1]
    sitk = {"spacing": (1.0, 1.25, 10.0), "origin": (-3.5, 2.0, 0.0), "direction": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)}
    crop = {"shape_before_cropping": (3, 20, np.int64(30)), "bbox_used_for_cropping": [[0, 3], [2, 19], [np.int32(5), 30]],
            "shape_after_cropping_and_before_resampling": (3, 17, 25), "class_locations": {1: np.arange(400).reshape(100, 4)}}
    affine = np.array([[-1.5, 0, 0, 7], [0, 2.5, 0.25, 8], [0, 0, 3.5, 9], [0, 0, 0, 1]])
    for protocol in (2, 3, 4, 5):
        def put(name, value):
            with open("%s-%d.pkl" % (name, protocol), "wb") as f:
                pickle.dump(value, f, protocol)
        put("sitk", dict(crop, spacing=spacing, sitk_stuff=sitk))
        put("nibabel", dict(crop, spacing=spacing, nibabel_stuff={"original_affine": affine}))
        put("fortran", dict(crop, spacing=np.array(spacing, "<f4"), nibabel_stuff={"original_affine": np.asfortranarray(affine)}))
        put("picture", {"spacing": (999, 1, 1)})
        flat = {"spacing": (1., 2.), "origin": (3., 4.), "direction": (0., 1., 1., 0.)}
        put("flat", {"spacing": (999, 1, 1), "sitk_stuff": flat})
        put("no-spacing", {"sitk_stuff": sitk})
        put("outside", dict(crop, spacing=spacing, bbox_used_for_cropping=[[0, 3], [2, 21], [5, 30]]))
        put("code", {"spacing": print})


def check():
    for i, t in enumerate(TYPES):
        for j, shape in enumerate(SHAPES):
            for a in (np.load("out-%d-%d.npy" % (i, j)), np.load("out-%d-%d.npz" % (i, j))["probabilities"]):
                b = ramp(shape, t)
                assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all(), (t, shape, a)


{"make": make, "check": check}[sys.argv[1]]()
