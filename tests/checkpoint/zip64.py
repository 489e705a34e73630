"""A zip file that zip64.c wrote, as Python's zipfile reads it: contents, alignment, which entries have fields of 64 bits."""
import sys
import zipfile

wide = {"4294967295.zip": [], "300.zip": [2, 3, 4], "0.zip": [0, 1, 2, 3, 4]}[sys.argv[1]]
with zipfile.ZipFile(sys.argv[1]) as z, open(sys.argv[1], "rb") as raw:
    assert z.testzip() is None
    for i, e in enumerate(z.infolist()):
        data = z.read(e)
        assert data == bytes((k * 31 + i) % 256 for k in range(len(data))), i
        assert (i in wide) == (e.extra[:2] == b"\1\0"), (i, e.extra)
        raw.seek(e.header_offset + 26)
        name, extra = (int.from_bytes(raw.read(2), "little") for _ in range(2))
        assert (e.header_offset + 30 + name + extra) % 64 == 0, i
