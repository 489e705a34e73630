# fingerprint, plan and split from the images themselves equal what nnU-Net 2.8.1 wrote of six data sets, two planners each.
# release only: hundreds of images
[ -d "$SHARED/golden/plans" ] && [ -d "$SHARED/data" ] || { echo 'no golden results or data'; exit 77; }
exec /usr/bin/python3 "$TESTS/planning/golden.py"
