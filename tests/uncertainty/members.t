# Members in every form, order and size of slab; what is wrong with them.
exec /usr/bin/python3 "$TESTS/uncertainty/members.py"
