# A training in three pieces, the second killed between two checkpoints, leaves the bytes of one that was never interrupted:
# weights, momentum, settings and log but for its times; for any number of threads.  Kept files, best, latest and final are
# those of the schedule.
make-training
cat > same.py <<'P'
"""same.py A B: two checkpoints with equal storages, and equal pickles but for the epochs' times."""
import sys, zipfile
a, b = (zipfile.ZipFile(f) for f in sys.argv[1:])
strip = lambda z: {n.split("/", 1)[1]: z.read(n) for n in z.namelist() if "serialization_id" not in n}
a, b = strip(a), strip(b)
assert list(a) == list(b), "entries"
def without(p):
    for key in (b"epoch_start_timestamps", b"epoch_end_timestamps"):
        i = p.index(key) + len(key) + 2                 # ](, then reals of nine bytes
        n = 0
        while p[i + 9 * n:i + 9 * n + 1] == b"G":
            n += 1
        p = p[:i] + b"%d" % n + p[i + 9 * n:]
    return p
for n in a:
    assert (without(a[n]) == without(b[n])) if n == "data.pkl" else a[n] == b[n], sys.argv[1] + ": " + n
P
part() {        # FIRST LAST ARGUMENT ...: these epochs of both streams
	first=$1 last=$2
	shift 2
	for s in train check; do sample "$s" "$first" "$last" > part."$s"; done
	train-checkpoints -c 2d --epochs 6 --cycles 2 --late 2 --validation part.check "$@" pre < part.train
}
sample() {
	case $1 in
	train) sample-patches --validation -f all -c 2d -e "$2" --epochs $(($3 - $2 + 1)) -i 2 -o pre raw/Dataset506_Phantom ;;
	check) sample-patches --validation -c 2d -e "$2" --epochs $(($3 - $2 + 1)) -i 1 -o pre raw/Dataset506_Phantom ;;
	esac
}

part 0 5 -j1 -o whole
ls whole/fold_0 | tr '\n' ' ' > files
grep -qx 'checkpoint_1.pth checkpoint_2.pth checkpoint_4.pth checkpoint_5.pth checkpoint_best.pth checkpoint_final.pth training_log.tsv ' files
cmp whole/plans.json pre/nnUNetPlans.json
cmp whole/dataset.json pre/dataset.json

# Two epochs; then one that is killed while the next waits for its patches; then the rest, with three threads.
part 0 1 -o parts 2> said
grep -q 'end after 2 of 6 epochs' said
[ -f parts/fold_0/checkpoint_latest.pth ]
mkfifo slow
{ train-checkpoints --continue --save-every 1 -c 2d --epochs 6 --cycles 2 --late 2 --validation check.rest -o parts pre < slow & } 2> /dev/null
sample check 2 5 > check.rest
sample train 2 5 > train.rest
exec 3> slow
head -c $(($(wc -c < train.rest) / 2)) train.rest >&3
until [ -f parts/fold_0/checkpoint_2.pth ]; do sleep 0.02; done
kill -9 $!
wait $! 2> /dev/null || true
exec 3>&-
next=$(($(wc -l < parts/fold_0/training_log.tsv) - 1))
[ "$next" -ge 2 ]
# The latest checkpoint is that of the epoch before the table's last, or of that one.
for first in $next $((next - 1)) $((next + 1)); do
	status=0
	part "$first" 5 -j3 --continue -o parts 2> said || status=$?
	[ "$status" -ne 0 ] || break
	[ "$status" -eq 3 ]
	grep -q 'is due' said
done
[ "$status" -eq 0 ]
ls parts/fold_0 | tr '\n' ' ' | diff files -
for f in 1 2 4 5 best final; do /usr/bin/python3 same.py whole/fold_0/checkpoint_$f.pth parts/fold_0/checkpoint_$f.pth; done
without_times() { sed 's/\t[^\t]*$//' "$1"/fold_0/training_log.tsv; }
without_times whole > a
without_times parts | diff a -

# A finished training is left alone, other trainings are not written over, and --clean begins again.
cksum whole/fold_0/* > before
train-checkpoints --continue -c 2d --epochs 6 --cycles 2 --late 2 -o whole pre < /dev/null
cksum whole/fold_0/* | diff before -
rm whole/fold_0/checkpoint_best.pth whole/fold_0/checkpoint_final.pth
part 0 5 --continue -o whole 2> said            # none of those that a training goes on from
grep -q 'a new training begins' said
/usr/bin/python3 same.py whole/fold_0/checkpoint_final.pth parts/fold_0/checkpoint_final.pth
status=0
part 0 0 -o whole 2> said || status=$?
[ "$status" -eq 3 ]
grep -q -e '--clean begins again' said
part 0 0 --clean -o whole 2> /dev/null
ls whole/fold_0 | tr '\n' ' ' | grep -qx 'checkpoint_best.pth checkpoint_latest.pth training_log.tsv '
