# 12 members on 145 real slices, with --parity: labels and probabilities of the members, every score, and the correlations of
# class_entropy with Dice are nnU-Net's and the reference's.
# release only: hundreds of images
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
data=$SHARED/data/sunnybrook-png
[ -d "$data" ] || { echo "no $(basename "$SHARED")/data/sunnybrook-png"; exit 77; }
mkfifo members
/usr/bin/python3 "$TESTS/network/compare.py" members "$golden/predict/sunnybrook_2d_members" 99.99 99.9 > compared &
compared=$!
table "$golden/models/sunnybrook_2d" "$data" 'tee members' --parity > sunnybrook
wait $compared || { cat compared; exit 1; }
cat compared
correlates sunnybrook 145 141 -0.604 -0.551
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" sunnybrook "$golden/uncertainty/sunnybrook_documented.tsv" 2
