# 12 members on 145 real slices: every score with --parity.
# release only: hundreds of images
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
data=$SHARED/data/sunnybrook-png
[ -d "$data" ] || { echo "no $(basename "$SHARED")/data/sunnybrook-png"; exit 77; }
table "$golden/models/sunnybrook_2d" "$data" --parity > parity
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" parity "$golden/uncertainty/sunnybrook_documented.tsv" 2
