# checkpoints: what is listed, that stripped weights are the same ones, that a mean is the mean, and what is refused.
make-scratch
f=MODEL/fold_0
checkpoints list MODEL $f/checkpoint_18.pth > table
[ "$(wc -l < table)" -eq 11 ]
sed -n '2p;5p;11p' table | cut -f 1,3-6 > some
printf '%s\t2d\t0\tnnUNetTrainer\t80401\n' $f/checkpoint_17.pth $f/checkpoint_37.pth $f/checkpoint_18.pth | diff - some

checkpoints strip -o stripped.pth $f/checkpoint_17.pth
checkpoints compare stripped.pth $f/checkpoint_17.pth > differences
awk -F '\t' 'NR > 1 && ($3 != 0 || $4 != 0) { exit 1 }' differences
[ "$(checkpoints list stripped.pth | sed -n '2s/\(.*\t\)*\(.*\)\tno\t.*/\2/p')" = "$(sed -n 2p table | cut -f 7)" ]

checkpoints average -o mean.pth $f/checkpoint_1[789].pth
checkpoints average -o naem.pth $f/checkpoint_19.pth $f/checkpoint_17.pth $f/checkpoint_18.pth
checkpoints compare -t 1e-7 mean.pth naem.pth > differences
/usr/bin/python3 - "$TESTS/checkpoint" $f/checkpoint_1[789].pth mean.pth <<'P'
import subprocess, sys
import numpy as np
def weights(path):
    out = subprocess.run(["/usr/bin/python3", sys.argv[1] + "/reader.py", path], stdout=subprocess.PIPE, check=True).stdout
    w, at = {}, out.index(b"\n") + 1
    while out[at:at + 1] != b"\n":
        end = out.index(b"\n", at)
        name, *dims = out[at:end].decode().split()
        n = int(np.prod([int(d) for d in dims]))
        w[name] = np.frombuffer(out, "<f4", n, end + 1)
        at = end + 1 + 4 * n
    return w
*members, mean = map(weights, sys.argv[2:])
assert list(mean) == list(members[0]) and len(mean) > 100
for name, m in mean.items():
    expected = (sum(x[name].astype(float) for x in members) / 3).astype("<f4")
    assert np.array_equal(m, expected), name
P
decode imagesTs | normalize MODEL | infer-checkpoint mean.pth -m MODEL > mean.frames

# Different weights are the answer 1; other networks, damaged and missing files are refused in one line.
status=0
checkpoints compare $f/checkpoint_17.pth $f/checkpoint_18.pth > differences || status=$?
[ "$status" -eq 1 ]
head -c 9999 $f/checkpoint_17.pth > cut.pth
refused() {
	want=$1
	shift
	status=0
	checkpoints "$@" > out 2> err || status=$?
	[ "$status" -eq "$want" ] || { echo "$*: status $status"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ]
	[ ! -e no.pth ]
}
refused 3 list cut.pth
refused 3 strip -o no.pth cut.pth
refused 3 average -o no.pth $f/checkpoint_17.pth cut.pth
refused 4 list none.pth
mkdir empty
refused 3 list empty
refused 4 strip -o none/no.pth $f/checkpoint_17.pth
refused 2 strip $f/checkpoint_17.pth
refused 2 list -o no.pth $f/checkpoint_17.pth
refused 2 average -o no.pth
refused 2 shrink $f/checkpoint_17.pth
