# The page in a browser: sorted, filtered, by keyboard and on paper; names that could break it; 2,000 cases; nothing is loaded.
command -v chromium > /dev/null || { echo 'chromium is not installed'; exit 77; }
make-scratch
segment < mean.frames | entropy | contour-norm | score -r labelsTs -o two.tsv -p | render -i imagesTs -o pictures --thumbnail
/usr/bin/python3 "$TESTS/report/page.py"
