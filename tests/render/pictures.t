# The colours, proportions and places in pictures of known streams.
/usr/bin/python3 "$TESTS/render/pictures.py"
