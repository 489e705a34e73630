# Predictions of 2d networks are nnU-Net's: labels and probabilities of its golden runs, with --parity and by default.
# release only: hundreds of images
golden=$SHARED/golden
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }
compare=$TESTS/network/compare.py

case $BUILD in *asan) some='*_00[0-3]*' ;; *) some='*' ;; esac            # the sanitizers take their time
decode "$golden/phantom/imagesTs" | normalize "$golden/models/phantom_2d" | frames -c "$some" > phantom.in
decode "$SHARED/data/sunnybrook-png/imagesTs" | normalize "$golden/models/sunnybrook_2d" | frames -c "$some" > sunnybrook.in
frames -c 'phantom_00[0-3]' phantom.in > phantom.four
for c in SC-HF-I-09_0007 SC-HF-I-09_0187 SC-HF-NI-12_0240 SC-HYP-09_0140; do
	echo "$SHARED/data/sunnybrook-png/imagesTs/${c}_0000.png"
done | decode | normalize "$golden/models/sunnybrook_2d" > sunnybrook.four

for flags in --parity ''; do
	labels=99.9 probs=0 all='[0-9]*'
	case $BUILD in *asan) all='[45][49]' ;; esac
	[ -z "$flags" ] || labels=99.99 probs=99.9
	for d in phantom sunnybrook; do
		models=$golden/models/${d}_2d/fold_0
		infer-checkpoint $flags "$models"/checkpoint_$all.pth < $d.four > members.frames
		/usr/bin/python3 "$compare" members.frames "$golden/predict/${d}_2d_members" $labels $probs
		last=$(ls "$models" | sed -n 's/checkpoint_\([0-9]*\).pth/\1/p' | sort -n | tail -n 1)
		infer-checkpoint $flags "$models/checkpoint_$last.pth" < $d.in > last.frames
		/usr/bin/python3 "$compare" last.frames "$golden/predict/${d}_2d_members" $labels $probs
	done
done
# The plain backend.
frames -c SC-HF-I-09_0187 sunnybrook.four > sunnybrook.one
frames -c phantom_001 phantom.four > phantom.one
for d in phantom sunnybrook; do
	last=$(ls "$golden/models/${d}_2d/fold_0" | sed -n 's/checkpoint_\([0-9]*\).pth/\1/p' | sort -n | tail -n 1)
	infer-checkpoint -d ref --parity "$golden/models/${d}_2d/fold_0/checkpoint_$last.pth" < $d.one > ref.frames
	/usr/bin/python3 "$compare" ref.frames "$golden/predict/${d}_2d_members" 99.99 99.9
done
