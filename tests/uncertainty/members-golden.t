# Scores and maps that need the members, from nnU-Net's stored probabilities, against what numpy made of the same files.
[ -d "$SHARED/golden/uncertainty" ] || { echo "no ../shared/golden"; exit 77; }
exec /usr/bin/python3 "$TESTS/uncertainty/members-golden.py"
