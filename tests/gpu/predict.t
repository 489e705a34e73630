# release only: emulated kernels take the sanitizers long
# The whole program on the imitated GPU gives what the processor gives: members, mirrors, means of logits, labels, parity, other windows;
# the same bytes for any number of threads and however cases come together.
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
agree 0.9999 1e-4 fp32 --average-logits --emit label $(cat checkpoints)
agree 0.9999 2e-3 fp32 --parity --emit logits --disable-tta "$one"
agree 0.9999 1e-4 fp32 --members mirrors --grid network --emit logits "$one"

# A case with another, and alone.
# shellcheck disable=SC2046 # two checkpoints
infer-checkpoint -d cuda -j 1 $(cat checkpoints) < in.frames > together.frames
decode "$(find images -type f | sort | tail -n 1)" | normalize "$phantom/model" > single.in
# shellcheck disable=SC2046 # two checkpoints
infer-checkpoint -d cuda -j 3 $(cat checkpoints) < single.in > single.frames
/usr/bin/python3 - <<'PYTHON'
import os
import sys

sys.path.insert(0, os.environ["TESTS"] + "/network")
import numpy as np
from compare import frames

together, single = (list(frames(open(f"{name}.frames", "rb"))) for name in ("together", "single"))
assert len(together) == 2 and len(single) == 1
pairs = list(zip(together[1][1], single[0][1]))
assert len(pairs) == 2 and all(np.array_equal(a, b) for (_, a), (_, b) in pairs), "other values when it comes alone"
PYTHON
