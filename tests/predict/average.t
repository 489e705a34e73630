# --average-logits: folds of one network as nnU-Net averages them; one layer without a member comes out.
model=$TESTS/network/model.py
for i in 1 2 3; do
	/usr/bin/python3 "$model" small seed=$i file=fold_$i/checkpoint_final.pth
done
set -- small/fold_1/checkpoint_final.pth small/fold_2/checkpoint_final.pth small/fold_3/checkpoint_final.pth
decode small/images | normalize small > in.frames

# The definition: the mean of the logits, in single precision and, with --parity, rounded to half after every step.
for options in '' --parity; do
	infer-checkpoint $options --grid network --emit logits "$@" < in.frames > members.frames
	infer-checkpoint $options --grid network --emit logits --average-logits "$@" < in.frames > average.frames
	/usr/bin/python3 - members.frames average.frames $options <<'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
import numpy as np
from compare import frames
half = len(sys.argv) > 3
rounded = lambda a: a.astype(np.float16).astype(np.float32) if half else a
for (head, members), (other, average) in zip(frames(open(sys.argv[1], "rb")), frames(open(sys.argv[2], "rb"))):
    assert head["case"] == other["case"] and len(members) == 3 and len(average) == 1
    layer, got = average[0]
    assert layer["kind"] == "logits" and "member" not in layer
    want = members[0][1]
    for _, a in members[1:]:
        want = rounded(want + a)
    want = rounded(want / np.float32(3))
    # By default every window goes through all folds, and sums are made in that order.
    off = np.abs(got - want).max()
    assert off <= (0 if half else 1e-6 * np.abs(want).max()), off
PYTHON
done
# Threads change nothing; an average of one is that one; it is no mean of probabilities.
infer-checkpoint -j1 --average-logits "$@" < in.frames > one.frames
infer-checkpoint -j3 --average-logits "$@" < in.frames > three.frames
frames --data -d one.frames three.frames
infer-checkpoint --average-logits "$1" < in.frames > single.frames
infer-checkpoint "$1" < in.frames | average-probs > plain.frames
segment -d < single.frames > a.frames
segment -d < plain.frames > b.frames
frames --data -d a.frames b.frames
infer-checkpoint "$@" < in.frames | average-probs > probabilities.frames
if frames --data -d one.frames probabilities.frames > /dev/null; then echo 'the mean of logits is that of probabilities'; exit 1; fi
