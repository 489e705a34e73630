# Correlations against all pairs, and tables that are damaged.
exec /usr/bin/python3 "$TESTS/uncertainty/correlate.py"
