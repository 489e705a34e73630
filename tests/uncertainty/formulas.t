# Maps and scores of random volumes against the formulas.
exec /usr/bin/python3 "$TESTS/uncertainty/formulas.py"
