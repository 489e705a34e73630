# augment: each transform against its formula, with the numbers of the log; labels never get new values; without transforms, for
# validation and when done before nothing changes; masks; the same bytes for any number of threads; what is wrong is told.
exec /usr/bin/python3 "$TESTS/training/augment.py"
