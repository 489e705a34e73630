# 12 members on 145 real slices: correlations of class_entropy with Dice by default.
# release only: hundreds of images
golden=$SHARED/golden
. "$TESTS/pipeline/golden.sh"
data=$SHARED/data/sunnybrook-png
[ -d "$data" ] || { echo "no $(basename "$SHARED")/data/sunnybrook-png"; exit 77; }
table "$golden/models/sunnybrook_2d" "$data" > sunnybrook
correlates sunnybrook 145 141 -0.604 -0.551
