# Cases with few windows run together: their bytes, their order and what becomes of bad ones among them are as if each came alone.
/usr/bin/python3 "$TESTS/network/model.py" small images=1
/usr/bin/python3 "$TESTS/network/model.py" small seed=2 file=fold_0/checkpoint_2.pth
decode small/images | normalize small > in.frames
cat > cases.py <<'PYTHON'
"""usage: cases.py [NAME ...]: a stream of these cases, else of all: the image of in.frames made brighter; v: as a volume of three
planes; nan: with values that are not finite; plan: of another plan; failed: a frame without layers."""
import sys
import msgpack
import numpy as np
stream, head, data, closing = list(msgpack.Unpacker(open("in.frames", "rb")))[:4]
image = np.frombuffer(data, "<f4").reshape(head["shape"])
put = lambda o: sys.stdout.buffer.write(msgpack.packb(o))
names = sys.argv[1:] or ["a", "b", "v", "c", "nan", "d", "plan", "e", "failed", "f", "w", "nan2", "g", "h", "i"]
put(stream)
for name in names:
    h = msgpack.unpackb(msgpack.packb(head))
    if name == "failed":
        put({"case": name, "failed": {"stage": "before", "reason": "none"}})
        put({})
        continue
    planes = 3 if name in "vw" else 1
    volume = np.repeat(image, planes, 0) * np.float32(1 + ord(name[0]) % 16)
    if name.startswith("nan"):
        volume[:, 3, 4] = np.nan
    if name == "plan":
        h["plan"]["hash"] = "other"
    g = h["geometry"]["network"]
    h["case"], h["shape"], h["slab"] = name, list(volume.shape), [1, volume.shape[1]]
    g["original"], g["crop_lo"], g["crop_hi"], g["shape"] = h["shape"], [0, 0, 0], h["shape"], h["shape"]
    g["spacing_mm"] = g["network_spacing_mm"] = h["spacing_mm"] = [1.0, 1.0, 1.0]
    put(h)
    for plane in volume:
        put(plane.tobytes())
    put(closing)
put({"end": True, "frames": len(names), "failed": names.count("failed")})
PYTHON
/usr/bin/python3 cases.py > all.frames
checkpoints='small/fold_0/checkpoint_1.pth small/fold_0/checkpoint_2.pth'
for options in "$checkpoints" "--average-logits $checkpoints" "--emit label --average-logits $checkpoints" \
	"--parity --average-logits $checkpoints" "--members mirrors small/fold_0/checkpoint_1.pth"; do
	status=0
	infer-checkpoint -k -j1 $options < all.frames > one.frames 2> log || status=$?
	[ $status -eq 3 ]
	frames -H one.frames | sed -n 's/^{"case": "\([a-z0-9]*\)".*/\1/p' | uniq | tr '\n' ' ' > order
	[ "$(cat order)" = 'a b v c nan d plan e failed f w nan2 g h i ' ] || { cat order; exit 1; }
	grep -c 'not finite' log | grep -qx 2
	grep -q 'plan: the image was normalised by plan other' log
	infer-checkpoint -k -j7 $options < all.frames > seven.frames 2> log7 || true
	cmp log log7
	frames --data -d one.frames seven.frames || { echo "$options: -j1 and -j7 differ"; exit 1; }
	for case in a e w; do
		/usr/bin/python3 cases.py $case | infer-checkpoint -j7 $options > alone.frames
		frames -c $case seven.frames > among.frames || [ $? -eq 3 ]           # which tells of failed cases
		frames --data -d alone.frames among.frames || { echo "$options: $case is another one alone"; exit 1; }
	done
done
# Without -k what came before the bad case is written.
status=0
infer-checkpoint -j7 $checkpoints < all.frames > some.frames 2> log || status=$?
[ $status -eq 3 ]
grep -q '^infer-checkpoint: nan: ' log
# A case is not kept waiting for the next one.
mkfifo slow out
size=$(/usr/bin/python3 cases.py a | wc -c)          # its trailer has 22 bytes
(/usr/bin/python3 cases.py a | head -c $((size - 22)); exec sleep 60) > slow &
producer=$!
infer-checkpoint -j7 $checkpoints < slow > out &
consumer=$!
head -c 3000 out | wc -c > size
kill $producer $consumer || true
[ "$(cat size)" -eq 3000 ]
