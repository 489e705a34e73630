# Every aggregation of random images and volumes against its formula written out in numpy.
exec /usr/bin/python3 "$TESTS/aggregate/formulas.py"
