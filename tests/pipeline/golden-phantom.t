# All 64 phantom slices: correlations with Dice by default, scores with --parity.
# release only: hundreds of images
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
table "$golden/models/phantom_2d" "$golden/phantom" > phantom
correlates phantom 64 64 -0.470 -0.838
table "$golden/models/phantom_2d" "$golden/phantom" --parity > parity
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" parity "$golden/uncertainty/phantom_documented.tsv" 1
