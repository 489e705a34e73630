# The tables of correlate: bytes that depend on neither rows' order nor threads, orientation, patients, groups, odd rows.
exec /usr/bin/python3 "$TESTS/risk/correlate.py"
