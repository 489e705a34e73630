# Maps of regions, one channel each: a region's scores are of its channel, those without a name of the largest.
exec /usr/bin/python3 "$TESTS/aggregate/regions.py"
