# All 64 phantom slices by default: every score, and the correlations of class_entropy with Dice (with --parity: pipeline/phantom).
# release only: hundreds of images
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
table "$golden/models/phantom_2d" "$golden/phantom" cat > phantom
correlates phantom 64 64 -0.470 -0.838
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" phantom "$golden/uncertainty/phantom_documented.tsv" 1
