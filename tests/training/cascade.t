# A cascade: both stages trained, the first one's predictions read by the second; labels that only the first one saw come out of it.
# release only: the programs are those of train.t and planning/patches, where the sanitizers see them
exec /usr/bin/python3 "$TESTS/training/cascade.py"
