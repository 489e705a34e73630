# sample-patches: every patch is what its place says; cases, structures and places are as likely as nnU-Net makes them; ignore
# label, regions, cascade; the same bytes for any number of threads and from whichever epoch.
exec /usr/bin/python3 "$TESTS/planning/patches.py"
