# Memory is bounded by the depth of a patch, not by the volume, along whichever axis of the network is z of the file.
/usr/bin/python3 "$TESTS/network/model.py" small images=1
sed -i 's/"patch_size": \[16, 24\]/"patch_size": [32, 40]/' small/plans.json
decode small/images | normalize small > in.frames
cat > volume.py <<'PYTHON'
"""usage: volume.py PLANES sagittal|axial [NAN]: the image of in.frames again and again, as a volume of so many planes of the file;
with NaN in that plane; then a case of two planes."""
import sys
import msgpack
import numpy as np
n, sagittal, bad = int(sys.argv[1]), sys.argv[2] == "sagittal", int((sys.argv + ["-1"])[3])
stream, head, data, closing = list(msgpack.Unpacker(open("in.frames", "rb")))[:4]
image = np.frombuffer(data, "<f4").reshape(head["shape"])
put = lambda o: sys.stdout.buffer.write(msgpack.packb(o))
put(stream)
for case, planes in ("long", n), ("short", 2):
    volume = np.repeat(image, planes, 0) * (1 + np.arange(planes, dtype="<f4")[:, None, None] % 7)
    if case == "long" and bad >= 0:
        volume[bad] = np.nan
    g = head["geometry"]["network"]
    g["original"] = list(volume.shape)
    if sagittal:
        volume = np.ascontiguousarray(volume.transpose(2, 0, 1))
        g["transpose_forward"] = [2, 0, 1]
    g["crop_lo"], g["crop_hi"], g["shape"] = [0, 0, 0], list(volume.shape), list(volume.shape)
    g["spacing_mm"] = g["network_spacing_mm"] = head["spacing_mm"] = [1.0, 1.0, 1.0]
    head["case"], head["shape"], head["slab"] = case, list(volume.shape), [1, volume.shape[1]]
    put(head)
    for plane in volume:
        put(plane.tobytes())
    put(closing)
put({"end": True, "frames": 2, "failed": 0})
PYTHON
cat > peak.py <<'PYTHON'
"""usage: peak.py COMMAND ...: runs it and prints its peak of memory in MiB on standard error."""
import resource
import subprocess
import sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, file=sys.stderr)
sys.exit(status)
PYTHON
checkpoint=small/fold_0/checkpoint_1.pth
planes=8000
case $BUILD in *asan) planes=2400 ;; esac               # the sanitizers take their time; still more planes than a slab holds

for way in axial sagittal; do
	/usr/bin/python3 volume.py $planes $way > volume.frames
	bytes=$(wc -c < volume.frames)
	/usr/bin/python3 peak.py infer-checkpoint -j 2 --disable-tta $checkpoint < volume.frames > out.frames 2> peak
	image=$((bytes >> 20)) peak=$(cat peak)
	echo "note: $way: $peak MiB for an image of $image MiB"
	[ "$(frames -H out.frames | grep -c '"case"')" -eq 2 ]
	# The whole volume of three classes as logits and as probabilities would be six times the image.
	case $BUILD in *asan) ;; *) [ "$peak" -lt $((2 * image + 64)) ]; [ $((6 * image)) -gt $((2 * image + 64)) ] ;; esac
done

# A window that fails when planes have left already: the frame is finished and says so, and the next case is done.
/usr/bin/python3 volume.py $planes axial $((planes - 100)) > volume.frames
status=0
infer-checkpoint -k --disable-tta $checkpoint < volume.frames > out.frames 2> err || status=$?
[ "$status" -eq 3 ]
grep -q "long: checkpoint .*the window at z $((planes - 100)), y .* not finite" err
/usr/bin/python3 - <<'PYTHON'
import msgpack
objects = list(msgpack.Unpacker(open("out.frames", "rb"), max_buffer_size=0))
maps = [o for o in objects if isinstance(o, dict)]
head, closing, short, end, trailer = maps[1:]
assert head["case"] == "long" and "not finite" in closing["failed"]["reason"], closing
assert short["case"] == "short" and end == {} and trailer == {"end": True, "frames": 2, "failed": 1}, (end, trailer)
assert all(len(o) > 0 for o in objects if isinstance(o, bytes)) and any(objects[2])
PYTHON
frames out.frames > table || [ $? -eq 3 ]
[ "$(grep -c 'infer-checkpoint: checkpoint' table)" -eq 1 ]
