# Where classes outnumber first-stage features, features are summed and the head comes last; the numbers are those of networks
# with fewer classes, whose logits are summed.  Labels that leave at once are those that segment makes of the probabilities.
model=$TESTS/network/model.py
export TESTS
cat > volume.py <<'PYTHON'
"""usage: volume.py HASH WAY: a normalised volume; WAY: words of sagittal, flipped, cropped, resampled, picture."""
import sys
import msgpack
import numpy as np
way = sys.argv[2].split()
shape = [1, 27, 37] if "picture" in way else [15, 19, 25]
network = np.random.default_rng(3).standard_normal(shape).astype("<f4") * 2
original, lo = list(shape), [0, 0, 0]
if "resampled" in way:
    original = [1 if "picture" in way else 2 * shape[0] - 1, 21, 20]
inside = list(original)
if "cropped" in way:
    original, lo = [n + 5 if n > 1 else 1 for n in original], [2 if n > 1 else 0 for n in original]
forward = [2, 0, 1] if "sagittal" in way else [0, 1, 2]
file = [0, 0, 0]
for i in range(3):
    file[forward[i]] = original[i]
grids = {"original": file, "spacing_mm": [1.0] * 3, "transpose_forward": forward, "flip": [int("flipped" in way)] * 3,
         "crop_lo": lo, "crop_hi": [a + b for a, b in zip(lo, inside)], "shape": shape, "network_spacing_mm": [1.0] * 3}
put = lambda o: sys.stdout.buffer.write(msgpack.packb(o))
put({"qualm": 1, "history": []})
put({"case": "case", "shape": shape, "spacing_mm": [1.0] * 3, "slab": [min(5, shape[0]), shape[1]],
     "layers": [{"kind": "image", "type": "<f4", "channels": 1}], "plan": {"hash": sys.argv[1], "configuration": "x"},
     "geometry": {"network": grids}})
for z in range(0, shape[0], 5):
    put(network[z:z + 5].tobytes())
put({})
put({"end": True, "frames": 1, "failed": 0})
PYTHON
cat > check.py <<'PYTHON'
"""usage: check.py LOGITS-OF-A-PART ...: probs.frames against the softmax of the logits of networks with a part of the classes each."""
import os
import sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
import numpy as np
from compare import frames
read = lambda path: next(frames(open(path, "rb")))[1][0][1]
p, z = read("probs.frames"), np.concatenate([read(path) for path in sys.argv[1:]]).astype("f8")
assert abs(read("logits.frames") - z).max() < 2e-5 * abs(z).max(), abs(read("logits.frames") - z).max()
e = np.exp(z - z.max(0))
want = e / e.sum(0)
outside = (z == 0).all(0)                       # of the crop: background
want[:, outside] = np.arange(len(z))[:, None] == 0
print("note: largest difference", abs(p - want).max(), "of", p.size, "probabilities;", outside.sum(), "voxels outside the crop")
assert abs(p - want).max() < 2e-6
top = np.sort(want, 0)[-2:]
assert ((p.argmax(0) == want.argmax(0)) | (top[1] - top[0] < 4e-6)).all()
assert len(np.unique(p.argmax(0))) > 1
PYTHON
# $1: size of the patch; $2...: ways
compare() {
	patch=$1
	shift
	for part in whole:0:11 low:0:3 mid:3:7 high:7:11; do
		for fold in 0 1; do
			/usr/bin/python3 "$model" "${part%%:*}" "outputs=${part#*:}" classes=11 "patch=$patch" seed=$((7 + fold)) \
				file=fold_$fold/checkpoint_final.pth images=0
		done
	done
	hash=$(check whole | sed -n 's/^configuration.* plan \([0-9a-f]*\)$/\1/p' | head -n 1)
	for way; do
		/usr/bin/python3 volume.py "$hash" "$way" > in.frames
		for folds in fold_0 fold_\?; do
			options="--average-logits --disable-tta"
			[ "$folds" != fold_0 ] || options=--disable-tta
			[ "$way" != 'picture cropped resampled' ] || options=${options%--disable-tta}
			# shellcheck disable=SC2086    # options and folds are words
			{
				infer-checkpoint $options whole/$folds/*.pth < in.frames > probs.frames
				infer-checkpoint $options --emit logits whole/$folds/*.pth < in.frames > logits.frames
				for part in low mid high; do infer-checkpoint $options --emit logits $part/$folds/*.pth < in.frames > $part.frames; done
				echo "note: patch $patch, $way, $folds"
				/usr/bin/python3 check.py low.frames mid.frames high.frames
				for more in --parity "--grid network -j3" -j1; do
					infer-checkpoint $options $more whole/$folds/*.pth < in.frames | segment -d > segment.frames
					infer-checkpoint $options $more --emit label whole/$folds/*.pth < in.frames > label.frames
					frames --data -d segment.frames label.frames || { echo "$way $options $more: labels differ"; exit 1; }
				done
			}
		done
	done
}
compare 16,24 picture 'picture cropped resampled'
compare 8,12,16 '' cropped 'sagittal flipped cropped' 'flipped resampled' 'sagittal cropped resampled'

# Labels of several members are average-probs' and segment's affair.
status=0
infer-checkpoint --emit label whole/fold_?/*.pth < in.frames > out.frames 2> err || status=$?
[ "$status" -eq 2 ]
grep -q 'average-probs | segment' err
# A head that is not finite.
rm -r whole/fold_?
/usr/bin/python3 "$model" whole classes=11 patch=8,12,16 nan=decoder.seg_layers.1.weight
status=0
infer-checkpoint whole/fold_0/*.pth < in.frames > out.frames 2> err || status=$?
[ "$status" -eq 3 ]
grep -q 'case: checkpoint whole/fold_0/checkpoint_1.pth: .*not finite' err
