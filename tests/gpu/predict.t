# release only: emulated kernels take the sanitizers long
# The whole program on the imitated GPU gives what the processor gives: members, mirrors, means of logits, labels, parity, other windows;
# the same bytes for any number of threads and however cases come together; members' weights in the host's memory.
phantom=$TESTS/phantom
export QUALM_CUDA_PLUGIN="$BUILD/imitated.so"
find "$phantom/model" -name 'checkpoint_*.pth' | sort | tail -n 2 > checkpoints
one=$(tail -n 1 checkpoints)
mkdir images
find "$phantom/imagesTs" -name '*.png' | sort | head -n 2 | xargs -I '{}' cp '{}' images
decode images | normalize "$phantom/model" > in.frames

# agree SHARE ERROR PRECISION OPTION ...: what cuda gives and cpu gives.
agree() {
	share=$1 error=$2 precision=$3
	shift 3
	infer-checkpoint -d cuda --precision "$precision" "$@" < in.frames > cuda.frames
	infer-checkpoint -d cpu "$@" < in.frames > cpu.frames
	/usr/bin/python3 "$TESTS/gpu/agree.py" cuda.frames cpu.frames "$share" "$error"
}
agree 0.9999 1e-4 fp32 --emit logits "$one"
agree 0.999 1e-2 fp16 --emit logits "$one"
# shellcheck disable=SC2046 # two checkpoints
agree 0.9999 1e-4 fp32 -j 1 --average-logits --emit logits $(cat checkpoints)
mv cuda.frames together.frames
agree 0.9999 2e-3 fp32 --parity --members mirrors --grid network --emit logits "$one"

# A case alone, with too little memory for the members' weights.
decode "$(find images -type f | sort | tail -n 1)" | normalize "$phantom/model" > single.in
# shellcheck disable=SC2046 # two checkpoints
EMULATED_MEMORY=26800 infer-checkpoint -v -d cuda --precision fp32 -j 3 --average-logits --emit logits $(cat checkpoints) < single.in > single.frames 2> err || { cat err; exit 1; }
grep -q "2 members' weights stay in the host's memory" err || { cat err; exit 1; }      # there is no room for them
status=0
# shellcheck disable=SC2046 # two checkpoints
EMULATED_MEMORY=26200 infer-checkpoint -k -d cuda --precision fp32 --average-logits $(cat checkpoints) < single.in > failed.frames 2> err || status=$?
[ "$status" -eq 5 ]
grep -q 'phantom_[0-9]*: [0-9]* KiB were wanted on the imitated GPU, of which [0-9]* KiB are free' err || { cat err; exit 1; }
# --dry-run knows what a case takes there, and that it has no room.
infer-checkpoint -d cuda --precision fp32 --dry-run "$one" < single.in > plan
grep -qE '^case	phantom_[0-9]*	4 windows	[0-9]* MiB	[0-9.]* MiB on the device	' plan || { cat plan; exit 1; }
status=0
EMULATED_MEMORY=26300 infer-checkpoint -d cuda --precision fp32 --dry-run "$one" < single.in > plan 2> err || status=$?
[ "$status" -eq 5 ]
grep -q 'phantom_[0-9]*: the case needs [0-9]* KiB on imitated GPU beside the network, of which [0-9]* KiB are free' err || { cat err; exit 1; }

# Members that go through many windows one after the other share the image: 128 x 128 pixels come once.
# shellcheck disable=SC2046 # two checkpoints
infer-checkpoint -v -d cuda --precision fp32 --disable-tta --step-size 0.07 $(cat checkpoints) < single.in 2> err > /dev/null
grep -q 'imitated GPU: 64 KiB of images came' err || { cat err; exit 1; }
/usr/bin/python3 - <<'PYTHON'
import os
import sys

sys.path.insert(0, os.environ["TESTS"] + "/network")
import numpy as np
from compare import frames

together, single = (list(frames(open(f"{name}.frames", "rb"))) for name in ("together", "single"))
assert len(together) == 2 and len(single) == 1
pairs = list(zip(together[1][1], single[0][1]))
assert len(pairs) == 1 and all(np.array_equal(a, b) for (_, a), (_, b) in pairs), "other values when it comes alone"
PYTHON
