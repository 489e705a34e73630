# ensemble and find-best agree with the rules restated in numpy, write what nnU-Net reads, and refuse what they must.
exec /usr/bin/python3 "$TESTS/evaluate/ensemble.py"
