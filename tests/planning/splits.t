# split: the folds of sklearn's KFold restated with numpy's RandomState, groups that stay together, and what it refuses.
exec /usr/bin/python3 "$TESTS/planning/splits.py"
