# The table, the JSON, the selection and the comparison of frames.
make() { /usr/bin/python3 "$TESTS/stream/make.py" "$@"; }
make small > small
make types > types
make failing > failing

# The table against numpy, whatever the slabs.
frames types > table
make types slab=1 | frames | cmp - table
make types rows=2 | frames | cmp - table
/usr/bin/python3 - <<'X'
import os
import sys
import zlib
sys.path.insert(0, os.environ["TESTS"] + "/stream")
import make
rows = [l.rstrip("\n").split("\t") for l in open("table")]
for row, (keys, a) in zip(rows[1:], make.types()[0]["layers"]):
    r = dict(zip(rows[0], row))
    assert (r["case"], r["shape"], r["layer"], r["type"], r["channels"]) == ("types", "4x5x6", keys["kind"], a.dtype.str, "2"), r
    assert r["crc32"] == "%08x" % zlib.crc32(a.tobytes()), r
    assert all(abs(float(r[k]) - float(getattr(a.astype("f8"), k)())) <= 1e-6 * abs(a.astype("f8")).max() for k in ("min", "mean", "max")), r
assert len(rows) == 7
X

# The JSON holds every key.
frames -H small > json
/usr/bin/python3 - <<'X'
import json
import os
import sys
sys.path.insert(0, os.environ["TESTS"] + "/stream")
import make
lines = [json.loads(l) for l in open("json")]
assert lines[0]["qualm"] == 1 and lines[0]["cases"] == 2 and len(lines) == 5, lines
for f, head, closing in zip(make.small(), lines[1::2], lines[2::2]):
    assert closing == f["closing"] and head["labels"] == f["labels"] and list(head["labels"]) == list(f["labels"])
    assert head["layers"][0]["member"] == {"name": "m1", "index": 1, "of": 2} and head["unknown"] == [1, None, -3, 2.5, "2 bytes"]
X

# Selection.
[ "$(frames -c b small | frames | cut -f 1 | sort -u | tr '\n' ' ')" = 'b case ' ]
[ "$(frames -L 'lab*,none' small | frames | cut -f 4 | tr '\n' ' ')" = 'layer label label ' ]
frames -s 3 small | frames -d small
status=0
frames failing > list || status=$?
[ "$status" -eq 3 ]
grep -q 'failed: decode: no such file' list

# Comparison: equal, different by a little, in a key, in a score, by a case, and in NaN.
differ() {      # differ STREAM WORDS OPTION...: the difference from small is found and named
	stream=$1 words=$2
	shift 2
	status=0
	frames -d small "$@" "$stream" > differences || status=$?
	[ "$status" -eq 1 ] || { echo "$stream $*: status $status"; exit 1; }
	grep -q "$words" differences || { echo "$stream $*: '$words' is not in: $(cat differences)"; exit 1; }
}
cat > change.py <<'X'
import os
import sys
import numpy as np
sys.path.insert(0, os.environ["TESTS"] + "/stream")
import make
def save(name, change):
    frames = make.small()
    change(frames)
    make.write(open(name, "wb"), frames)
def value(frames, v): frames[1]["layers"][0][1][2, 0, 1, 1] += np.float32(v)
save("value", lambda f: value(f, 1e-3))
save("nan", lambda f: value(f, np.nan))
save("key", lambda f: f[0].update(plan={"hash": "x"}))
save("lost", lambda f: f[0].pop("unknown"))
save("score", lambda f: f[0]["closing"]["scores"].update(class_entropy=0.251))
save("case", lambda f: f.pop())
save("renamed", lambda f: f[0].update({"case": "c"}))
save("layer", lambda f: f[1]["layers"].pop())
save("member", lambda f: f[1]["layers"][0][0]["member"].update(index=2))
save("spacing", lambda f: f[1].update(spacing_mm=[3.0, 1.5, 0.76]))
X
/usr/bin/python3 change.py
differ value 'b: layer 1, probs: 1 of 36 values differ, by up to 0.00[0-9]* (channel 2, z 0, y 1, x 1:' -t 1e-6
frames -d small -t 2e-3 value
frames -d small -L label value
frames -d small -c a value
differ nan 'by up to nan'
cp nan nan_
frames -d nan nan_
differ key 'a: header: key plan differs'
differ lost 'a: header: key unknown is not in the second'
differ score 'a: score class_entropy: 0.25 and 0.251'
frames -d small --data score
frames -d small -t 0.01 score
differ case 'b: is only in small'
differ renamed 'a: is at the place of case c'
differ layer 'b: 2 layers and 1'
differ member 'b: probs: key member differs'
frames -d small --data member
differ spacing 'the spacing along x is 0.75 and 0.76'
