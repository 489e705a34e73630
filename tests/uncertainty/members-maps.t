# Every map and score that needs the members, of random and odd volumes, against its formula, voxel by voxel and pair by pair.
exec /usr/bin/python3 "$TESTS/uncertainty/members-maps.py"
