# Sums of parts make the bytes of one pass, whatever the order of cases and the size of slabs; refusals of calibrate.
exec /usr/bin/python3 "$TESTS/calibrate/merge.py"
