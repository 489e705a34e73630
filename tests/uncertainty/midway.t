# A value that is no probability, found in a later slab of a volume: with -k the frame, which has begun, is finished with a
# closing map that says so, the next case is whole, and score marks the row; without -k the program ends.
/usr/bin/python3 - <<'X'
import msgpack, struct
def bin32(b): return b"\xc6" + struct.pack(">I", len(b)) + b
out = open("members.frames", "wb")
out.write(msgpack.packb({"qualm": 1, "history": []}))
for case, bad in (("a", 1), ("b", None)):
	out.write(msgpack.packb({"case": case, "shape": [3, 2, 2], "spacing_mm": [1.0, 1.0, 1.0], "slab": [1, 2],
		"layers": [{"kind": "probs", "type": "<f4", "channels": 2, "activation": "softmax", "member": {"name": str(i), "index": i, "of": 2}} for i in range(2)]}))
	for z in range(3):
		for i in range(2):
			p = 7.0 if z == bad and i == 1 else 0.25
			out.write(bin32(struct.pack("<8f", *[p] * 4, *[1 - p] * 4)))
	out.write(msgpack.packb({}))
out.write(msgpack.packb({"end": True, "frames": 2, "failed": 0}))
X
status=0
average-probs < members.frames > mean.frames 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(wc -l < err)" -eq 1 ]
grep -q '^average-probs: a: ' err
status=0
average-probs -k < members.frames > mean.frames 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(wc -l < err)" -eq 1 ]
status=0
entropy < mean.frames | contour-norm | score > scores.tsv || status=$?
cat scores.tsv
[ "$status" -eq 3 ]
awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
	$1 == "a" { a = $at["flags"] ~ /failed/ && $at["reason"] ~ /average-probs/ }
	$1 == "b" { b = $at["flags"] !~ /failed/ && $at["mask_pixels"] == 12 }
	END { exit !(a && b) }' scores.tsv
