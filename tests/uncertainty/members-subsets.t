# Subsets of the members from one pass equal those members averaged alone; choose finds the fold that a loop in Python finds.
exec /usr/bin/python3 "$TESTS/uncertainty/members-subsets.py"
