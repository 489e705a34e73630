# fingerprint tells every mistake of a data set at once, each with its case and files, and writes nothing then.
exec /usr/bin/python3 "$TESTS/planning/mistakes.py"
