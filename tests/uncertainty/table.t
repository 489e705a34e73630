# The table that score writes.
exec /usr/bin/python3 "$TESTS/uncertainty/table.py"
