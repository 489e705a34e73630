# Several cases and checkpoints on a GPU: the same numbers whatever else is under way, on every run with plans from the cache, and with
# --deterministic without one.  Without a GPU, on the imitated device, with the smallest of images.
# release only: what the imitated device runs is watched by the tests of its parts
# shellcheck disable=SC2034,SC2154 # for and of device.sh
. "$TESTS/gpu/device.sh"
if [ "$device" = gpu ]; then
	model=$TESTS/phantom/model
	mkdir images
	find "$TESTS/phantom/imagesTs" -name '*.png' | sort | head -n 2 | xargs -I '{}' cp '{}' images
else
	model=model
	for i in 1 2; do "$python" "$TESTS/network/model.py" model seed=$i file=fold_0/checkpoint_$i.pth; done
	mv model/images images
fi
members=$(find "$model" -name 'checkpoint_*.pth' | sort | tail -n 2)
first=$(echo "$members" | head -n 1)
decode images | normalize "$model" > both.frames
for f in images/*; do
	decode "$f" | normalize "$model" > "$(basename "$f").one"
done

# run OUT OPTION ... CHECKPOINT ... < FRAMES
run() {
	out=$1
	shift
	infer-checkpoint -d cuda "$@" > "$out"
}
# equal WHAT A B ...: stream A holds what the others hold, in their order
equal() {
	what=$1
	shift
	"$python" - "$@" <<'PYTHON' || { echo "$what: other numbers"; exit 1; }
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
from compare import frames
def layers(path):
    return {(head["case"], l.get("member", {}).get("name")): a.tobytes() for head, found in frames(open(path, "rb")) for l, a in found}
a, b = layers(sys.argv[1]), {}
for path in sys.argv[2:]:
    b.update(layers(path))
assert a and b
assert all(a[k] == v for k, v in b.items()), "bytes differ"
PYTHON
}
# shellcheck disable=SC2086 # paths of this tree
{
run both $members < both.frames
run again $members < both.frames
}
equal 'a second run' both again
for f in *.one; do
	run "$f.out" "$first" < "$f"
	equal "$f alone with one checkpoint" both "$f.out"
done
run a --deterministic "$first" < both.frames
run b --deterministic "$first" < both.frames
cmp a b
run threads --deterministic -j 1 "$first" < both.frames
equal 'one thread' a threads
run apart --disable-tta "$first" < both.frames
if cmp -s a apart; then
	echo 'without mirroring nothing changes'
	exit 1
fi
echo "note: two cases and checkpoints, together and alone, on the $device device"
