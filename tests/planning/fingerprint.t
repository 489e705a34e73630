# fingerprint: nnU-Net's drawing of intensities, cropping, readers and lists of files restated in numpy; the same bytes for any
# number of threads.
# release only: a hundred million draws; planning/mistakes and patches read such data sets too
exec /usr/bin/python3 "$TESTS/planning/fingerprint.py"
