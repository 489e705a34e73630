# --precision bf16: refused in one line where the processor cannot, which is not tried another way; else the program's own instruction
# predicts what fp32 does but for a few voxels, the same for any number of threads.
phantom=$TESTS/phantom
decode "$phantom/imagesTs" | normalize "$phantom/model" > in.frames
checkpoint=$(find "$phantom/model" -name 'checkpoint_*.pth' | sort | tail -n 1)

# refused PATTERN OPTION ...
refused() {
	pattern=$1 status=0
	shift
	infer-checkpoint "$@" "$checkpoint" < in.frames > out.frames 2> err || status=$?
	[ "$status" -eq 5 ] || { echo "$*: status $status instead of 5"; cat err; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "$*: not one line:"; cat err; exit 1; }
	grep -q "$pattern" err || { echo "$*: no '$pattern' in:"; cat err; exit 1; }
	[ ! -s out.frames ] || { echo "$*: something was written"; exit 1; }
}

refused 'ref: it computes in fp32 alone' -d ref --precision bf16
if ! grep -qw avx512_bf16 /proc/cpuinfo; then
	refused 'cpu: this processor has no instructions for bf16' -d cpu --precision bf16
	echo 'note: this processor has no bf16'
	exit 0
fi
infer-checkpoint --emit logits -d cpu "$checkpoint" < in.frames > full.frames
infer-checkpoint --emit logits -d cpu --precision bf16 -j 1 "$checkpoint" < in.frames > short.frames
infer-checkpoint --emit logits -d cpu --precision bf16 -j 3 "$checkpoint" < in.frames > threads.frames
/usr/bin/python3 - <<'PYTHON'
import os
import sys

import numpy as np

sys.path.insert(0, os.environ["TESTS"] + "/network")
from compare import frames

worst, same, n = 0, 0, 0
for full, short, threads in zip(*(frames(open(f + ".frames", "rb")) for f in ("full", "short", "threads"))):
    a, b, c = (x[1][0][1] for x in (full, short, threads))
    assert np.array_equal(b, c), "other values with more threads"
    worst = max(worst, np.abs(a - b).max() / np.abs(a).max())
    same += (a.argmax(0) == b.argmax(0)).sum()
    n += a[0].size
print(f"note: bf16: largest error {worst:.1e} of the largest logit, {100 * same / n:.3f} % of {n} labels are equal")
assert n and 1e-5 < worst < 2e-2 and same / n > 0.999, "not what bf16 gives"
PYTHON
