# The demo leaves a table, label maps, pictures, a plot and a report, and ends by naming report, overlay and plot; also on other data.
# release only: the demo builds that flavor
sh "$TOP/scripts/demo" OUT=demo > said
tail -n 2 said | sed 's/^[a-z]* *//' > named
[ "$(wc -l < named)" -eq 2 ]
while read -r file; do
	[ "$(head -c 4 "$file" | tail -c 3)" = PNG ] && [ "$(wc -c < "$file")" -gt 5000 ] || { echo "$file is no picture"; exit 1; }
done < named
grep -q '_overlay.png' named
[ "$(tail -n 3 said | head -n 1)" = 'report     demo/report.html' ]
[ "$(grep -c '^<script type="image/png"' demo/report.html)" -eq 24 ]
grep -q 'data:image/svg+xml' demo/report.html
[ -s demo/plots/scatter.png ]
[ "$(wc -l < demo/scores.tsv)" -eq 25 ]
[ "$(find demo/labels -name '*.png' | wc -l)" -eq 24 ]
[ "$(find demo/pictures -name '*_overlay.png' | wc -l)" -eq 24 ]
[ "$(find demo/pictures -name '*_panel.png' | wc -l)" -eq 24 ]
grep -q '^class_entropy' demo/correlation.tsv

# Data without labels: no Dice, no plot; the last line names an overlay.
mkdir data
cp "$TESTS"/phantom/imagesTs/phantom_00[01]_0000.png data
make -s -C "$TOP" FLAVOR="$FLAVOR" demo DATA="$PWD/data" MODEL="$TESTS/phantom/model" OUT="$PWD/other" > said
[ "$(wc -l < other/scores.tsv)" -eq 3 ]
tail -n 1 said | grep -q '_overlay.png$'
[ ! -e other/plots ]
grep -q 'What this page cannot know' other/report.html
if sh "$TOP/scripts/demo" DATA="$PWD/data" 2> err; then exit 1; fi
[ "$(wc -l < err)" -eq 1 ]
