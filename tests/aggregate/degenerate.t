# Twelve degenerate inputs through entropy, contour-norm, aggregate, score and correlate: none gives nan by accident.
exec /usr/bin/python3 "$TESTS/aggregate/degenerate.py"
