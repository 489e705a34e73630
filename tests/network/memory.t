# Memory is bounded by the depth of a patch, not by the volume, along whichever axis of the network is z of the file.
# release only: sanitizers take memory of their own
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
checkpoint=small/fold_0/checkpoint_1.pth
planes=8000
case $BUILD in *asan) planes=2400 ;; esac               # the sanitizers take their time; still more planes than a slab holds

# $1: limit in MB, $2: file to read, rest: infer-checkpoint's arguments; sets peak.  The sanitizers' memory says nothing.
within() {
	limit=$1 input=$2
	shift 2
	/usr/bin/python3 "$TESTS/bench/peak.py" infer-checkpoint -j 2 --disable-tta "$@" < "$input" > out.frames 2> peak
	peak=$(tail -n 1 peak | sed 's/[.].*//')
	case $BUILD in *asan) ;; *) [ "$peak" -le "$limit" ] || { echo "infer-checkpoint $*: $peak MB, not $limit"; exit 1; } ;; esac
}

# Along the stream the image is not held, and a long one takes no more than a short one; along another axis it is.
/usr/bin/python3 volume.py $((planes / 2)) axial > volume.frames
within 9999 volume.frames $checkpoint
short=$peak
/usr/bin/python3 volume.py $planes axial > volume.frames
within $((short + 3)) volume.frames $checkpoint
echo "note: 2D network, volumes: $short MB for $((planes / 2)) planes, $peak MB for $planes"
/usr/bin/python3 volume.py $planes sagittal > volume.frames
image=$(($(wc -c < volume.frames) / 1000000))
within $((2 * image + 64)) volume.frames $checkpoint
echo "note: sagittal: $peak MB for an image of $image MB"
[ "$(frames -H out.frames | grep -c '"case"')" -eq 2 ]

# As many pictures, one after the other; their names are remembered.
for n in 100 10000; do
	case $BUILD in *asan) [ $n -eq 100 ] || n=1000 ;; esac
	/usr/bin/python3 - $n > pictures.frames <<'PYTHON'
import sys
import msgpack
stream, head = list(msgpack.Unpacker(open("in.frames", "rb")))[:2]
n, shape = int(sys.argv[1]), [1, 32, 40]
put = lambda o: sys.stdout.buffer.write(msgpack.packb(o))
put(stream)
head["shape"], head["slab"] = shape, [1, 32]
head["geometry"]["network"].update(original=shape, crop_lo=[0, 0, 0], crop_hi=shape, shape=shape)
for i in range(n):
    head["case"] = f"picture_{i}"
    put(head)
    put(bytes([i % 60]) * (4 * 32 * 40))
    put({})
put({"end": True, "frames": n, "failed": 0})
PYTHON
	[ $n -eq 100 ] && limit=9999 || limit=$((short + 3))
	within $limit pictures.frames --emit label $checkpoint
	[ $n -ne 100 ] || short=$peak
done
echo "note: pictures: $short MB for 100, $peak MB for $n"

# More classes than features in 3D: bounded as the image grows, and what --dry-run said, within 15 %.
/usr/bin/python3 "$TESTS/network/model.py" many classes=24 features=4,4,4 patch=16,64,64 images=0
for z in 40 120; do
	/usr/bin/python3 "$TESTS/bench/volume.py" z$z/volume_0000.nii.gz 192,192,$z
	decode z$z | normalize many | frames -s 8 > z$z.frames
done
for kind in label probs; do
	for z in 40 120; do
		[ $z -eq 40 ] && limit=9999 || limit=$((peak + 3))
		within $limit z$z.frames --step-size 0.75 --emit $kind many/fold_0/*.pth
		[ $z -eq 120 ] || continue
		estimate=$(infer-checkpoint -j 2 --disable-tta --dry-run --step-size 0.75 --emit $kind many/fold_0/*.pth < z$z.frames |
			awk -F '\t' '$1 == "case" { print int($4 * 1.048576) }')
		echo "note: 24 classes, 4 features, 192x192x$z, $kind: $peak MB, estimate $estimate MB"
		case $BUILD in *asan) continue ;; esac
		[ $((100 * estimate)) -ge $((85 * peak)) ]
		[ $((100 * estimate)) -le $((115 * peak)) ]
	done
done
/usr/bin/python3 volume.py $planes axial > volume.frames

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
