# What every program owes, whatever it computes: help, usage errors, a page that agrees with it, one clear line and the
# right exit status for damaged input and lost output, silence when a reader leaves, whole streams, and passing on what
# it does not know.  A new program needs a line in the table below.

# Program; input; arguments (+ for a space); output: stream, grid (a stream on another grid), sink (a stream
# passed on), text.
table='
decode            -               imagesTs                              stream
decode            npz             --probs+predicted/*                   stream
normalize         cases           MODEL                                 grid
infer-checkpoint  normal          MODEL/fold_0/checkpoint_17.pth        grid
average-probs     members         -                                     stream
segment           mean            -                                     stream
entropy           mean            -                                     stream
temper            mean            -t+2                                  stream
calibrate         mean            -r+labelsTs                           text
error-detection   entropy         -r+labelsTs                           stream
contour-norm      entropy         -                                     stream
aggregate         entropy         --per-slice                           stream
score             normed          -r+labelsTs+-o+scores.out+-p          sink
score             normed          -r+labelsTs                           text
encode            labels          -o+out.d+-p                            sink
render            entropy         -i+imagesTs+-o+out.d+-p                sink
evaluate          -               -l+labelsTs+predicted/checkpoint_17    text
postprocess       -               determine+-l+labelsTs+predicted/checkpoint_17    text
postprocess       -               apply+-p+predicted/checkpoint_17/postprocessing.pkl+-o+out.d+predicted/checkpoint_17    text
frames            members         -s+1                                  stream
frames            members         -                                     text
correlate         scores.tsv      -                                     text
report            scores.tsv      -                                     text
calibrate-dice    scores.tsv      fit+--no-bound                        text
triage            scores.tsv      -b+1                                  text
fingerprint       -               --clean+-o+pre.d+raw/Dataset506_Phantom    text
train-checkpoints -               -n+--epochs+6                         text
checkpoints       -               list+MODEL                            text
plan              -               -o+pre.d+raw/Dataset506_Phantom       text
split             -               --clean+-o+pre.d+raw/Dataset506_Phantom    text
sample-patches    -               -c+2d+-i+4+-b+3+-o+pre.d+raw/Dataset506_Phantom    stream
augment           patches         -                                     grid
'
failed=0 n=0
wrong() { echo "$case: $*"; failed=1; }

make-scratch
mkdir s
cp cases.frames members.frames mean.frames s
normalize MODEL < cases.frames > s/normal.frames
entropy < mean.frames | segment > s/entropy.frames
contour-norm < s/entropy.frames > s/normed.frames
segment < mean.frames > s/labels.frames
for p in 'fingerprint --clean' plan 'split --clean'; do
	$p -o pre.d raw/Dataset506_Phantom > /dev/null
done
sample-patches -c 2d -i 1 -b 2 -o pre.d raw/Dataset506_Phantom > s/patches.frames

# run STATUS COMMAND ...: runs it with standard input as it is; stdout to out, stderr to err; complains of any other status.
run() {
	want=$1
	shift
	status=0
	"$@" > out 2> err || status=$?
	n=$((n + 1))
	case " $want " in *" $status "*) ;; *) wrong "'$*' ended with $status, not $want: $(head -n 2 err)" ;; esac
}
one_line() { [ "$(wc -l < err)" -eq 1 ] || wrong "$1: $(wc -l < err) lines on stderr, not one: $(head -n 3 err)"; }

for f in "$TOP"/filters/*; do
	case=$(basename "$f" .c)
	page=$TOP/man/$case.1 source=$f
	[ -f "$source" ] || source=$f/main.c
	echo "$table" | grep -q "^$case " || wrong 'is not in the table of contract.t'

	run 0 "$case" -h < /dev/null
	[ -s out ] && [ ! -s err ] || wrong '-h does not print help on stdout alone'
	run 0 "$case" -V < /dev/null
	run 2 "$case" --no-such-option < /dev/null
	one_line 'unknown option'
	[ ! -s out ] || wrong 'an unknown option writes to stdout'

	"$case" --dump-mdoc > options
	[ -f "$page" ] || { wrong 'has no page'; continue; }
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/{/^\.Op Fl/p;}' "$page" | diff - options > differ || wrong "page and options differ: $(cat differ)"
	purpose=$("$case" --dump-purpose)
	[ "$(sed -n 's/^\.Nd //p' "$page")" = "$purpose" ] || wrong 'purpose and .Nd of the page differ'
	[ "$(head -n 1 "$source")" = "/* $case: $purpose. */" ] || wrong 'purpose and first line of the source differ'
	sed -n 's/^\.Op Fl -*//p' options | cut -d ' ' -f 1 | while read -r o; do
		grep -qE "^\.It.* Fl -?$o( |$)" "$page" || echo "$case: the page does not explain option $o"
	done > unexplained
	[ ! -s unexplained ] || { cat unexplained; failed=1; }
done

echo "$table" | while read -r case input arguments kind; do
	[ "$case" ] || continue
	n=0 failed=0
	input=s/$input.frames
	# shellcheck disable=SC2046 # a list of words and patterns
	set -- $(echo "$arguments" | sed 's/^-$//; s/+/ /g')
	[ -f "$input" ] || input=/dev/null
	case $case in correlate|report|calibrate-dice|triage) input=scores.tsv ;; esac

	run 0 "$case" "$@" < "$input"
	[ ! -s err ] || wrong "says something without a reason: $(head -n 1 err)"
	[ "$kind" = text ] || frames out > /dev/null || wrong 'its output is no whole stream'

	# A full disk, and a reader that leaves.
	status=0
	"$case" "$@" < "$input" > /dev/full 2> err || status=$?
	[ "$status" -eq 4 ] || wrong "a full disk ends in $status, not 4"
	one_line 'full disk'
	{ status=0; "$case" "$@" < "$input" 2> err || status=$?; echo "$status" > status; } | :
	case $(cat status) in 0|141) ;; *) wrong "a reader that leaves ends it with $(cat status)" ;; esac
	[ ! -s err ] || wrong "a reader that leaves makes it say: $(head -n 1 err)"

	# Input that is cut short.
	case $input in
	/dev/null) ;;
	*.tsv) run 3 "$case" "$@" < /dev/null; one_line 'empty input' ;;
	*)
		size=$(wc -c < "$input")
		for keep in 0 1 5 300 $((size / 2)) $((size - 30)) $((size - 1)); do
			head -c "$keep" "$input" > cut.frames
			run 3 "$case" "$@" < cut.frames
			one_line "input cut to $keep of $size bytes"
			[ "$kind" = text ] || ! frames out > /dev/null 2>&1 || wrong "makes a whole stream of input cut to $keep bytes"
		done
		echo 'this is no stream of frames at all' | run 3 "$case" "$@"
		;;
	esac

	# What it does not know, and cases that failed before.
	[ "$kind" = text ] || [ "$input" = /dev/null ] || {
		strange add "$kind" < "$input" > odd
		run 0 "$case" "$@" < odd
		cp out passed
		strange check "$kind" < passed > err 2>&1 || wrong "$(tail -n 3 err)"
		strange fail < "$input" > odd
		run 3 "$case" "$@" < odd
		cp out passed
		strange check "$kind" < passed > err 2>&1 || wrong "$(tail -n 3 err)"
	}
	echo "$failed" > "failed.$case"
	cat "failed.$case" >> failures
done
if grep -q 1 failures; then exit 1; fi
[ "$failed" -eq 0 ]
