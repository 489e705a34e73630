# Plots show what the tables say: points at their places in the SVG, PNG beside it; what cannot be drawn is one line.
/usr/bin/python3 "$TESTS/report/plot.py"
plot scatter "$TESTS/phantom/documented.tsv" a.svg a.png
plot scatter "$TESTS/phantom/documented.tsv" b.svg b.png
cmp a.svg b.svg
cmp a.png b.png

# wrong STATUS WORDS ARGUMENT ...
wrong() {
	want=$1 words=$2
	shift 2
	status=0
	plot "$@" > out 2> err || status=$?
	[ "$status" -eq "$want" ] || { echo "plot $*: status $status, not $want: $(cat err)"; exit 1; }
	grep -q "$words" err || { echo "plot $*: $(cat err)"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "plot $*: $(wc -l < err) lines"; exit 1; }
	[ ! -e none.svg ] || { echo "plot $*: leaves a file"; exit 1; }
}
printf 'case\tclass_entropy\ndice\t1\n' > nodice.tsv
printf 'case\tdice\tclass_entropy\na\tnan\t1\nb\t0.5\tinf\n' > nothing.tsv
wrong 3 'no column dice' scatter nodice.tsv none.svg
wrong 3 'no case of' scatter nothing.tsv none.svg
wrong 3 'no column nothing' -x nothing scatter "$TESTS/phantom/documented.tsv" none.svg
wrong 3 'dice' risk-coverage nodice.tsv none.svg
wrong 3 'is no table of calibrate' reliability nodice.tsv none.svg
wrong 3 'is no table of correlate' members nodice.tsv none.svg
wrong 4 'cannot read' scatter missing.tsv none.svg
wrong 4 'cannot write' scatter "$TESTS/phantom/documented.tsv" missing/none.svg
wrong 3 'is empty' members /dev/null none.svg
wrong 2 'is none of' histogram nodice.tsv none.svg
wrong 2 'neither in .svg' scatter nodice.tsv none.jpg
wrong 2 'are needed' scatter nodice.tsv
wrong 2 'unknown option' --colour scatter nodice.tsv none.svg
