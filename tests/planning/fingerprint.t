# fingerprint: nnU-Net's drawing of intensities, cropping, readers and lists of files restated in numpy; the same bytes for any
# number of threads.
exec /usr/bin/python3 "$TESTS/planning/fingerprint.py"
