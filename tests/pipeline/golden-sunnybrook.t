# 12 members on real slices, with --parity: labels and probabilities of the members and every score are nnU-Net's and the
# reference's; and, of all 145 slices, the correlations of class_entropy with Dice.
# release only: many images
# Every sixth slice and the four whose probabilities are stored; EVERY=1 takes all, which is minutes.
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
data=$SHARED/data/sunnybrook-png
[ -d "$data" ] || { echo "no $(basename "$SHARED")/data/sunnybrook-png"; exit 77; }
mkdir -p some/imagesTs
ln -s "$data/labelsTs" some/labelsTs
find "$data/imagesTs" -name '*_0000.png' | sort | awk -v every="${EVERY:-6}" '
	NR % every == 0 || /SC-HF-I-09_0007|SC-HF-I-09_0187|SC-HF-NI-12_0240|SC-HYP-09_0140/' | xargs ln -s -t some/imagesTs
mkfifo members
/usr/bin/python3 "$TESTS/network/compare.py" members "$golden/predict/sunnybrook_2d_members" 99.99 99.9 > compared &
compared=$!
table "$golden/models/sunnybrook_2d" some 'tee members' --parity > sunnybrook
wait $compared || { cat compared; exit 1; }
cat compared
if [ "${EVERY:-6}" = 1 ]; then correlates sunnybrook 145 141 -0.604 -0.551; fi
[ "$(wc -l < sunnybrook)" -gt 20 ]
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" sunnybrook "$golden/uncertainty/sunnybrook_documented.tsv" 2
