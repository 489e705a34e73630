# What report cannot read is one line naming the file and the cause, and no page is left; the same input is the same bytes.
table=$TESTS/phantom/documented.tsv
# wrong STATUS WORDS ARGUMENT ...
wrong() {
	want=$1 words=$2
	shift 2
	status=0
	report -o none.html "$@" > out 2> err < /dev/null || status=$?
	[ "$status" -eq "$want" ] || { echo "report $*: status $status, not $want: $(cat err)"; exit 1; }
	grep -q -- "$words" err || { echo "report $*: $(cat err)"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "report $*: $(wc -l < err) lines"; exit 1; }
	[ ! -s out ]
	[ ! -e none.html ] || { echo "report $*: leaves a page"; exit 1; }
}
printf 'case\tdice\tflags\na\t0.5\t-\n' > noscore.tsv
printf 'case\tdice\tclass_entropy\n' > nocase.tsv
printf 'name\tclass_entropy\na\t1\n' > noname.tsv
printf 'case\tclass_entropy\na\tno\nb\t-\n' > text.tsv
wrong 3 'standard input is empty'
wrong 3 'noscore.tsv has no column class_entropy' noscore.tsv
wrong 3 'nocase.tsv has a line of names but no cases' nocase.tsv
wrong 3 'noname.tsv has no column case' noname.tsv
wrong 3 'no cell of column class_entropy is a number' text.tsv
wrong 3 'no column nothing' -x nothing "$table"
wrong 3 'is no table of triage' --triage "$table" "$table"
wrong 3 'empty' --correlation /dev/null "$table"
wrong 4 'cannot open missing' --pictures missing "$table"
wrong 4 'commands' --commands commands "$table"
wrong 4 'missing.tsv' missing.tsv
wrong 2 'operands' "$table" "$table"

# Pictures that are none, or cut short.
mkdir pictures
for keep in 0 20 60; do
	{ printf '\211PNG\r\n\032\n\0\0\0\15IHDR\0\0\0\2\0\0\0\2\10\0\0\0\0\1\2\3\4'; printf '\0\0\1\0IDATshort'; } | head -c "$keep" > pictures/phantom_000_thumbnail.png
	wrong 3 'pictures/phantom_000_thumbnail.png is' --pictures pictures "$table"
done
rm pictures/*
report --pictures pictures "$table" > page.html 2> err
grep -q 'holds no CASE_thumbnail.png' err
[ "$(wc -l < err)" -eq 1 ]

# A score that is a confidence turns the order round; a table of failed cases has no scores; the same bytes each time.
report -x dice --orient confidence "$table" > low.html
report -x dice "$table" > high.html
first() { grep -m 1 '^<tr><td class="rank">' "$1" | sed 's/<wbr>//g; s/.*scope="row">\([a-z_0-9]*\).*/row">\1/'; }
[ "$(first low.html)" = "row\">$(sort -t '	' -k 2,2g "$table" | sed -n 2p | cut -f 1)" ]
[ "$(first high.html)" = "row\">$(sort -t '	' -k 2,2gr "$table" | sed -n 1p | cut -f 1)" ]
printf 'case\tflags\treason\na\tfailed\tdecode: no image\nb\tfailed\tdecode: no image\n' > failed.tsv
report failed.tsv > failed.html
[ "$(grep -c 'decode: no image</td>' failed.html)" -eq 2 ]
awk -v OFS='\t' 'NR == 1 { print $0, "subset"; next } { print $0, "first_1"; print $0, "all" }' "$table" > subsets.tsv
report subsets.tsv > all.html
[ "$(grep -c '^<tr><td class="rank">' all.html)" -eq 24 ]
report "$table" > one.html
report "$table" > two.html
cmp one.html two.html
