# The page in a browser: sorted, filtered, by keyboard and on paper; names that could break it; 2,000 cases; nothing is loaded.
command -v chromium > /dev/null || { echo 'chromium is not installed'; exit 77; }
for i in 000 001; do echo "$TESTS/phantom/labelsTs/phantom_$i.png"; done > labels
decode -l < labels | render -i "$TESTS/phantom/imagesTs" -o pictures --thumbnail
/usr/bin/python3 "$TESTS/report/page.py"
