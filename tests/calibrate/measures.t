# Every measure of calibration against numpy: classes and regions, pictures and volumes, ignored voxels, degenerate cases.
exec /usr/bin/python3 "$TESTS/calibrate/measures.py"
