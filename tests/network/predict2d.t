# Predictions of 2d networks are nnU-Net's: labels and probabilities of its golden runs; by default, and of the phantom with
# --parity too (pipeline/golden-sunnybrook has the rest).
# release only: hundreds of images
golden=$SHARED/golden
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }
images=$SHARED/data/sunnybrook-png/imagesTs
last() { echo "$golden/models/${1}_2d/fold_0/checkpoint_$([ "$1" = phantom ] && echo 59 || echo 44).pth"; }
# compare DATA STREAM SHARE_LABELS ...
compare() { d=$1; shift; /usr/bin/python3 "$TESTS/network/compare.py" "$1" "$golden/predict/${d}_2d_members" "$2" "$3" "$4"; }

decode "$golden/phantom/imagesTs" | normalize "$golden/models/phantom_2d" > phantom.in
decode "$images" | normalize "$golden/models/sunnybrook_2d" > sunnybrook.in
frames -c 'phantom_00[0-3]' phantom.in > phantom.four
for c in SC-HF-I-09_0007 SC-HF-I-09_0187 SC-HF-NI-12_0240 SC-HYP-09_0140; do
	echo "$images/${c}_0000.png"
done | decode | normalize "$golden/models/sunnybrook_2d" > sunnybrook.four

# All members of four cases, the last of all cases.
infer-checkpoint --parity "$golden"/models/phantom_2d/fold_0/checkpoint_[0-9]*.pth < phantom.four > members.frames
compare phantom members.frames 99.99 99.9 1
infer-checkpoint --parity "$(last phantom)" < phantom.in > last.frames
compare phantom last.frames 99.99 99.9 1
for d in phantom sunnybrook; do
	infer-checkpoint "$golden/models/${d}_2d"/fold_0/checkpoint_[0-9]*.pth < $d.four > members.frames
	compare $d members.frames 99.9 0 0.03
	infer-checkpoint "$(last $d)" < $d.in > last.frames
	compare $d last.frames 99.9 0 0.03
done
# The scores of the four.
average-probs -m total_entropy,t_test < members.frames | entropy | contour-norm | score -r "$SHARED/data/sunnybrook-png/labelsTs" > scores
/usr/bin/python3 "$TESTS/pipeline/compare.py" scores "$golden/uncertainty/sunnybrook_documented.tsv" 0

# The plain backend.
frames -c SC-HF-I-09_0187 sunnybrook.four > sunnybrook.one
frames -c phantom_001 phantom.four > phantom.one
for d in phantom sunnybrook; do
	infer-checkpoint -d ref --parity "$(last $d)" < $d.one > ref.frames
	compare $d ref.frames 99.99 99.9 1
done
