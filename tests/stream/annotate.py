#!/usr/bin/python3
"""usage: annotate.py < STREAM: a dump of a stream of frames with every object explained, as in frame(5)."""
import json
import sys

import msgpack


def objects(data):
    """(offset, length, object) of each."""
    u = msgpack.Unpacker(strict_map_key=False)
    u.feed(data)
    at = 0
    for o in u:
        yield at, u.tell() - at, o
        at = u.tell()


def show(data, at, n, text):
    print("; " + text)
    for i in range(at, at + n, 16):
        print("%04x  %s" % (i, data[i:min(i + 16, at + n)].hex(" ")))


def entries(data, at, n, m, what):
    """A map: its head, then each key with its value."""
    size = 1 if len(m) < 16 else 3
    show(data, at, size, "%s: a map of %d" % (what, len(m)))
    for i, (offset, length, o) in enumerate(objects(data[at + size:at + n])):
        if i % 2 == 0:
            start, key = at + size + offset, o
        elif key == "layers":
            head = start + len(msgpack.packb(key))
            show(data, start, head + 1 - start, '"layers": an array of %d' % len(o))
            for sub, length2, layer in objects(data[head + 1:at + size + offset + length]):
                show(data, head + 1 + sub, length2, json.dumps(layer))
        else:
            show(data, start, at + size + offset + length - start, "%s: %s" % (json.dumps(key), json.dumps(o)))


data = sys.stdin.buffer.read()
layers, what = [], "the stream's header"
for at, n, o in objects(data):
    if isinstance(o, bytes):
        kind = pending.pop(0)
        show(data, at, 5, "%s: a bin of %d bytes" % (kind, len(o)))
        show(data, at + 5, n - 5, "its values")
        continue
    if what == "next":
        what = "the trailer" if "end" in o else "header of a frame"
    entries(data, at, n, o, what)
    if what == "header of a frame":
        pending = [l["kind"] for l in o.get("layers", [])]      # of the only slab
        what = "closing map"
    else:
        what = "next"
