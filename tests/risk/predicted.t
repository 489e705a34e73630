# calibrate-dice and triage on tables: what they promise, write and refuse.
exec /usr/bin/python3 "$TESTS/risk/predicted.py"
