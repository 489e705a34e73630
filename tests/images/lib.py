"""What the tests of image files share: a reader of streams, writers of NIfTI and PNG that do not use the code under test."""
import gzip, io, struct, subprocess, zlib
import msgpack, numpy as np


def run(*argv, code=0, stdin=b""):
    """stdout of a program that must end with this code: silent on success, else one line on stderr (returned as text)."""
    p = subprocess.run(argv, input=stdin, capture_output=True)
    assert p.returncode == code, (argv, p.returncode, p.stderr)
    if code:
        assert p.stderr.count(b"\n") == 1 and p.stderr.startswith(argv[0].encode() + b": "), (argv, p.stderr)
        return p.stderr.decode()
    assert not p.stderr, (argv, p.stderr)
    return p.stdout


def frames(stream):
    """[(header, [array [c, z, y, x] a layer], closing)] of a whole stream."""
    objects = msgpack.Unpacker(io.BytesIO(stream), max_bin_len=1 << 30, max_buffer_size=1 << 30, strict_map_key=False)
    next(objects)
    out = []
    for head in objects:
        if "end" in head:
            assert head["frames"] == len(out)
            return out
        if "failed" in head:
            out.append((head, [], next(objects)))
            continue
        (z, y, x), (dz, dy) = head["shape"], head["slab"]
        assert dy == y
        slabs = [[] for _ in head["layers"]]
        for at in range(0, z, dz):
            for l, s in zip(head["layers"], slabs):
                s.append(np.frombuffer(next(objects), l["type"]).reshape(l["channels"], -1, y, x))
        out.append((head, [np.concatenate(s, 1) for s in slabs], next(objects)))
    raise AssertionError("no trailer")


CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def nifti(a, version=1, order="<", pixdim=(1.25, 1.5, 8), slope=1, inter=0, units=2, code=None, offset=None, dims=None):
    """A single-file NIfTI of an array [z, y, x] or [y, x]; its orientation is a rotation about z."""
    dim = dims or [a.ndim, *a.shape[::-1]]
    dim = dim + [1] * (8 - len(dim))
    pix = [-1, *pixdim] + [1] * (7 - len(pixdim))
    quatern, srow = (0.1, 0.2, 0.3, -11.5, 7.25, 3), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.5)
    code = CODES[a.dtype.str[1:]] if code is None else code
    bits = 8 * a.dtype.itemsize
    if version == 1:
        offset = 352 if offset is None else offset
        h = struct.pack(order + "i35xB8h3f4h8f3fhbB4f2i", 348, 54, *dim, 0, 0, 0, 0, code, bits, 0, *pix, offset, slope, inter, 0, 0, units, *[0] * 6)
        h += b"free text".ljust(104, b"\0") + struct.pack(order + "2h18f", 1, 2, *quatern, *srow) + bytes(16) + b"n+1\0"
        assert len(h) == 348
    else:
        offset = 544 if offset is None else offset
        h = struct.pack(order + "i8s2h8q3d8dq2d4d2q", 540, b"n+2\0\r\n\x1a\n", code, bits, *dim, 0, 0, 0, *pix, offset, slope, inter, *[0] * 6)
        h += b"free text".ljust(104, b"\0") + struct.pack(order + "2i18d3i16sB15x", 1, 2, *quatern, *srow, 0, units, 0, b"", 54)
        assert len(h) == 540
    return h + bytes(max(offset, len(h)) - len(h)) + a.astype(a.dtype.newbyteorder(order)).tobytes()


def geometry(b):
    """The bytes of a NIfTI header that say where voxels are."""
    if b[:2] == b"\x1f\x8b":
        b = gzip.decompress(b)
    cut = [(39, 40), (40, 56), (76, 108), (123, 124), (252, 328)] if len(b) and b[0] == 348 & 255 else [(16, 80), (104, 168), (344, 496), (500, 504), (524, 525)]
    return [b[i:j] for i, j in cut]


def png(samples, depth, colour, interlace=False, palette=None, trns=None):
    """A PNG of samples [y, x, channels]."""
    height, width, channels = samples.shape

    def rows(s):
        out = b""
        for r in s:
            flat = r.reshape(-1)
            if depth == 16:
                line = flat.astype(">u2").tobytes()
            elif depth == 8:
                line = flat.astype("u1").tobytes()
            else:
                bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype("u1").reshape(-1)
                line = np.packbits(bits).tobytes()
            out += b"\0" + line
        return out

    if interlace:
        raw = b""
        for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
            part = samples[y0::dy, x0::dx]
            raw += rows(part) if part.shape[0] and part.shape[1] else b""
    else:
        raw = rows(samples)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)) +
            (chunk(b"PLTE", palette.astype("u1").tobytes()) if palette is not None else b"") + (chunk(b"tRNS", trns) if trns else b"") +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def put(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path
