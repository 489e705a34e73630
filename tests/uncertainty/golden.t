# Scores from the members' probabilities against stored results of nnU-Net's and UnnUNet's own code.
[ -d "$SHARED/golden/uncertainty" ] || { echo "no ../shared/golden"; exit 77; }
exec /usr/bin/python3 "$TESTS/uncertainty/golden.py"
