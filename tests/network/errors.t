# What does not fit is refused with one line that names it, and the right exit status.
model=$TESTS/network/model.py
/usr/bin/python3 "$model" good
decode good/images | normalize good > in.frames

# $1: status, $2: pattern that the line on stderr matches, rest: infer-checkpoint's arguments (input: in.frames)
refused() {
	want=$1 pattern=$2 status=0
	shift 2
	infer-checkpoint "$@" < in.frames > out.frames 2> err || status=$?
	[ "$status" -eq "$want" ] || { echo "infer-checkpoint $*: status $status instead of $want"; cat err; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "infer-checkpoint $*: not one line:"; cat err; exit 1; }
	grep -q "$pattern" err || { echo "infer-checkpoint $*: no '$pattern' in:"; cat err; exit 1; }
}
fault() { rm -rf bad; /usr/bin/python3 "$model" bad "$@"; }
bad=bad/fold_0/checkpoint_1.pth

fault drop=encoder.stages.1.0.convs.0.conv.weight
refused 3 'checkpoint_1.pth: weight encoder.stages.1.0.convs.0.conv.weight is missing' $bad
fault add=encoder.stages.7.0.convs.0.conv.bias
refused 3 'checkpoint_1.pth: weight encoder.stages.7.0.convs.0.conv.bias does not belong' $bad
fault add=decoder.seg_layers.2.bias
refused 3 'weight decoder.seg_layers.2.bias does not belong' $bad
fault reshape=decoder.transpconvs.0.weight
refused 3 'weight decoder.transpconvs.0.weight has shape 8x6x2x3, the plan.s network needs 8x6x2x2' $bad
fault class=some.where.PrimusV2
refused 3 'PrimusV2' $bad
fault configuration=3d_fullres
refused 2 '3d_fullres' $bad
fault nan=encoder.stages.2.0.convs.0.conv.weight
refused 3 'case_0: checkpoint .*checkpoint_1.pth: the window at z 0, y 0, x 0 gives logits that are not finite' $bad
refused 3 'case_0: checkpoint bad/fold_0/checkpoint_1.pth' good/fold_0/checkpoint_1.pth $bad
refused 3 'case_0: checkpoint .*the window at z 0, y 0, x 0 gives' -d ref $bad

# Neither the folder nor a plan, a plan that is not the images', no such file, no checkpoint, wrong backend.
mkdir -p elsewhere other
cp good/fold_0/checkpoint_1.pth elsewhere/
refused 3 'elsewhere' elsewhere/checkpoint_1.pth
refused 4 'nowhere/plans.json' -m nowhere good/fold_0/checkpoint_1.pth
cp -r good/. other
sed -i 's/"patch_size": \[16, 24\]/"patch_size": [16, 16]/' other/plans.json
refused 3 'case_0: the image was normalised by plan [0-9a-f]* (2d), the checkpoints belong to plan [0-9a-f]* (2d)' other/fold_0/checkpoint_1.pth
refused 3 'belongs to plan .* to plan .*one by one' --allow-equal good/fold_0/checkpoint_1.pth other/fold_0/checkpoint_1.pth
refused 4 'good/fold_0/none.pth' good/fold_0/none.pth
refused 2 'checkpoint is missing'
refused 2 'abacus' -d abacus good/fold_0/checkpoint_1.pth
refused 2 'step-size' --step-size 0 good/fold_0/checkpoint_1.pth
refused 3 'checkpoint_1.pth and .*copy.pth hold equal weights' good/fold_0/checkpoint_1.pth "$(cp good/fold_0/checkpoint_1.pth good/fold_0/copy.pth; echo good/fold_0/copy.pth)"
infer-checkpoint --allow-equal good/fold_0/checkpoint_1.pth good/fold_0/copy.pth < in.frames > both.frames

# A patch that the strides do not divide.
rm -rf bad; cp -r good bad
sed -i 's/"patch_size": \[16, 24\]/"patch_size": [16, 22]/' bad/plans.json
refused 3 'bad/plans.json: configuration 2d: the patch 1x16x22' $bad

# An image that normalize has not seen.
decode good/images > in.frames
refused 3 'case_0: the image is not normalised' good/fold_0/checkpoint_1.pth

# The same case twice.
decode good/images/case_0_0000.png good/images/case_1_0000.png | normalize good > in.frames
/usr/bin/python3 - in.frames > twice.frames <<'PYTHON'
import msgpack, sys
objects = list(msgpack.Unpacker(open(sys.argv[1], "rb")))
frame = objects[1:4]
for o in objects[:1] + frame + frame + [{"end": True, "frames": 2, "failed": 0}]:
    sys.stdout.buffer.write(msgpack.packb(o))
PYTHON
mv twice.frames in.frames
refused 3 'case_0: a case of this name came before' good/fold_0/checkpoint_1.pth

# With -k a case that fails is a failed frame, and the next one is done.
decode good/images | normalize good > in.frames
fault nan=encoder.stages.2.0.convs.0.conv.weight
refused_both=0
infer-checkpoint -k $bad < in.frames > out.frames 2> err || refused_both=$?
[ "$refused_both" -eq 3 ]
[ "$(grep -c 'not finite' err)" -eq 2 ]
frames out.frames > table || true
[ "$(grep -c 'infer-checkpoint: checkpoint bad' table)" -eq 2 ]

# An unknown trainer is mentioned and runs.
fault trainer=MyTrainer
infer-checkpoint $bad < in.frames > out.frames 2> err
[ "$(cat err)" = "infer-checkpoint: $bad: trainer MyTrainer is unknown; its weights fit the plan's network, so it runs" ]
