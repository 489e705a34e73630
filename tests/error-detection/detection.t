# Every measure of error-detection against numpy: classes and regions, maps of regions, ignored voxels, degenerate cases; the curves.
exec /usr/bin/python3 "$TESTS/error-detection/detection.py"
