# The bytes of a prediction depend neither on threads nor on how members and cases are shared out over processes.
model=$TESTS/network/model.py
for i in 1 2 3; do
	/usr/bin/python3 "$model" small seed=$i file=fold_0/checkpoint_$i.pth
done
decode small/images | normalize small > in.frames
same() { frames --data -d "$1" "$2" || { echo "$1 and $2 differ"; exit 1; }; }

for options in '' --parity '-d ref' '--emit logits' '--grid network' '--step-size 0.3' '--disable-tta'; do
	infer-checkpoint -j1 $options small/fold_0/checkpoint_*.pth < in.frames > one.frames
	infer-checkpoint -j2 $options small/fold_0/checkpoint_*.pth < in.frames > two.frames
	infer-checkpoint -j5 $options small/fold_0/checkpoint_*.pth < in.frames > five.frames
	same one.frames two.frames
	same one.frames five.frames
	for i in 1 2 3; do
		infer-checkpoint $options small/fold_0/checkpoint_$i.pth < in.frames > alone.frames
		/usr/bin/python3 - one.frames alone.frames checkpoint_$i <<'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
from compare import frames
pick = lambda path: [(h["case"], a.tobytes()) for h, ls in frames(open(path, "rb")) for l, a in ls if l["member"]["name"] == sys.argv[3]]
a, b = pick(sys.argv[1]), pick(sys.argv[2])
assert a == b and len(a) == 2, sys.argv
PYTHON
	done
	decode small/images/case_1_0000.png | normalize small | infer-checkpoint $options small/fold_0/checkpoint_*.pth > case.frames
	frames -c case_1 one.frames > case_1.frames
	same case_1.frames case.frames
done
# Different options do make a difference, or the comparisons above would say nothing.
infer-checkpoint small/fold_0/checkpoint_1.pth < in.frames > plain.frames
for options in '--parity' '--step-size 0.3' '--disable-tta'; do
	infer-checkpoint $options small/fold_0/checkpoint_1.pth < in.frames > other.frames
	if frames --data -d plain.frames other.frames > differences; then echo "$options changes nothing"; exit 1; fi
done
# What a member is called.
frames -H plain.frames | grep -q '"member": {"name": "checkpoint_1", "fold": "0", "index": 1, "of": 1, "weights": "[0-9a-f]*"}'
infer-checkpoint small/fold_0/checkpoint_3.pth small/fold_0/checkpoint_1.pth < in.frames > pair.frames
frames -H pair.frames | grep -q '"member": {"name": "checkpoint_1", "fold": "0", "index": 2, "of": 2'
# A volume comes out as a frame for each member, a picture as one frame of all.
[ "$(frames -H pair.frames | grep -c '"case": "case_0"')" -eq 1 ]
/usr/bin/python3 - in.frames > volume.frames <<'PYTHON'
import msgpack, sys
objects = list(msgpack.Unpacker(open(sys.argv[1], "rb")))
head, data, closing = objects[1:4]
n = head["geometry"]["network"]
head["shape"][0] = n["original"][0] = n["shape"][0] = n["crop_hi"][0] = 3
planes = [data, data, bytes(len(data))]
for o in objects[:1] + [head] + planes + [closing, {"end": True, "frames": 1, "failed": 0}]:
    sys.stdout.buffer.write(msgpack.packb(o))
PYTHON
infer-checkpoint small/fold_0/checkpoint_1.pth small/fold_0/checkpoint_2.pth < volume.frames > both.frames
[ "$(frames -H both.frames | grep -c '"case": "case_0"')" -eq 2 ]
/usr/bin/python3 - both.frames plain.frames <<'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
from compare import frames
both = [ls for _, ls in frames(open(sys.argv[1], "rb"))]
assert [len(ls) for ls in both] == [1, 1] and [ls[0][0]["member"]["index"] for ls in both] == [1, 2]
plain = next(frames(open(sys.argv[2], "rb")))[1][0][1]
volume = both[0][0][1]
assert (volume[:, :1] == plain).all() and (volume[:, 1:2] == plain).all() and not (volume[:, 2:] == plain).all()
PYTHON
# Mirrored predictions as members: the first is the image's as it is, and the mean of all is the checkpoint's.
checkpoint=small/fold_0/checkpoint_1.pth
infer-checkpoint --members mirrors --emit logits $checkpoint < in.frames > mirrors.frames
infer-checkpoint --emit logits $checkpoint < in.frames > all.frames
infer-checkpoint --emit logits --disable-tta $checkpoint < in.frames > first.frames
/usr/bin/python3 - <<'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
from compare import frames
read = lambda path: [ls for _, ls in frames(open(path, "rb"))]
for apart, whole, first in zip(read("mirrors.frames"), read("all.frames"), read("first.frames"), strict=True):
    assert [l["member"]["name"] for l, _ in apart] == [f"checkpoint_1.mirror_{k}" for k in range(4)]
    assert [(l["member"]["index"], l["member"]["of"]) for l, _ in apart] == [(k, 4) for k in range(1, 5)]
    assert (apart[0][1] == first[0][1]).all() and abs(apart[0][1] - apart[3][1]).max() > 1e-3
    assert abs(sum(a for _, a in apart) / 4 - whole[0][1]).max() < 1e-5
PYTHON
infer-checkpoint --members mirrors $checkpoint small/fold_0/checkpoint_2.pth < in.frames | average-probs -m t_test > mean.frames
frames mean.frames | grep -q t_test
if infer-checkpoint --members mirrors $checkpoint $checkpoint < in.frames > out.frames 2> err; then exit 1; fi
grep -q 'equal weights' err
# Too small a limit of memory is a clear error.
if infer-checkpoint --memory 20K small/fold_0/checkpoint_1.pth < in.frames > out.frames 2> err; then exit 1; fi
grep -q -- '--memory' err
