# augment, for the second stage of a cascade: the channels of the previous one are turned and mirrored as labels, dilated, eroded,
# closed and opened by scikit-image's disks and balls, and lose a component; what a class gains leaves the others.
exec /usr/bin/python3 "$TESTS/training/previous.py"
