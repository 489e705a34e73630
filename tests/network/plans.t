# Networks of random plans, 2D and 3D: both backends give the same logits on images smaller and larger than the patch, every voxel
# is covered, and windows of equal logits give these.
count=24
[ "$FLAVOR" = release ] || count=6
exec /usr/bin/python3 "$TESTS/network/plans.py" $count
