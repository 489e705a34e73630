# Temperatures: fitted ones against numpy's, temper against softmax(z / T), what stays as it is, what is refused.
exec /usr/bin/python3 "$TESTS/calibrate/temper.py"
