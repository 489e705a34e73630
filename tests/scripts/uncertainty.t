# scripts/uncertainty: equal results for any spread of the work, failed cases, going on after an interrupt, nothing partial.
# release only: what it runs many times, other tests run under the sanitizers
model=$TESTS/phantom/model reference=$TESTS/phantom/labelsTs
mkdir images
cp "$TESTS"/phantom/imagesTs/phantom_00[0-3]_0000.png images

# It takes every kind of file that decode takes.
sed -n '/image_endings\[\] = {/,/};/s/\("\.[^"]*"\)/\n\1\n/gp' "$TOP/common/image.c" | sed -n 's/^"\.\(.*\)"$/\1/p' > endings
[ -s endings ]
while read -r ending; do
	grep 'match(name' "$TOP/scripts/uncertainty" | tr -d '\\' | grep -qE "[(|]${ending}[|)]" || { echo "uncertainty leaves .$ending files out"; exit 1; }
done < endings

# The table and the label maps are those of one pipeline, whatever is spread over how many processes.
decode images | normalize "$model" | infer-checkpoint "$model"/fold_0/checkpoint_[0-9]*.pth |
	average-probs -m total_entropy,t_test -s pairwise_dice,soft_dice_confidence | entropy | segment | encode -p -o wanted | contour-norm |
	aggregate -a foreground | score -r "$reference" -o wanted.tsv
check() {
	cmp wanted.tsv "$1/scores.tsv"
	diff -r wanted "$1/labels"
	[ "$(ls -A "$1" | tr '\n' ' ')" = 'labels scores.tsv settings ' ] || { ls -AR "$1"; exit 1; }
}
uncertainty -r "$reference" "$model" images cases
check cases
uncertainty -j 1 -b 3 -r "$reference" "$model" images one
check one
uncertainty --by checkpoint -j 2 -r "$reference" "$model" images checkpoint
check checkpoint

# Done is done: nothing is computed again; a new image is added, a lost one leaves.
touch -d '2001-01-01' cases/labels/*
uncertainty -r "$reference" "$model" images cases
check cases
[ "$(find cases/labels -newermt 2002-01-01 -type f | wc -l)" -eq 0 ]
rm images/phantom_001_0000.png
cp "$TESTS/phantom/imagesTs/phantom_004_0000.png" images
uncertainty -r "$reference" "$model" images cases
[ "$(cut -f 1 cases/scores.tsv | tr '\n' ' ')" = 'case phantom_000 phantom_002 phantom_003 phantom_004 ' ]
[ "$(find cases/labels -newermt 2002-01-01 -type f)" = cases/labels/phantom_004.png ]
rm images/phantom_004_0000.png
cp "$TESTS/phantom/imagesTs/phantom_001_0000.png" images

# Results of something else are not mixed in.
status=0
uncertainty "$model" images cases 2> err || status=$?
[ "$status" -eq 2 ]
grep -q 'another model, reference' err

# A case that fails has its row; the others are there; when the cause is gone, only that one is computed.
cp images/phantom_000_0000.png whole.png
head -c 3000 whole.png > images/phantom_000_0000.png
status=0
uncertainty -b 2 -r "$reference" "$model" images failing 2> err || status=$?
[ "$status" -eq 3 ]
grep -q '1 cases failed' err
awk -F '\t' '$1 == "phantom_000" && $0 ~ /failed/ { n++ } $1 ~ /phantom_00[123]/ && $0 !~ /failed/ { n++ } END { exit n != 4 }' failing/scores.tsv
cp whole.png images/phantom_000_0000.png
touch -d '2001-01-01' failing/labels/*
uncertainty -r "$reference" "$model" images failing
check failing
[ "$(find failing/labels -newermt 2002-01-01 -type f)" = failing/labels/phantom_000.png ]

# What is wrong is said in one line.
for wrong in 'no-model images out' "$model no-images out" "$model $TESTS/phantom/model/fold_0 out" "$model images" "-j 0 $model images out" "--by chance $model images out" '--no-such-option'; do
	status=0
	# shellcheck disable=SC2086 # words
	uncertainty $wrong > out.txt 2> err || status=$?
	case $status in 2|3) ;; *) echo "'$wrong' ended with $status"; exit 1 ;; esac
	[ "$(wc -l < err)" -eq 1 ] && [ ! -s out.txt ] && [ ! -e out ] || { echo "'$wrong': $(cat err)"; exit 1; }
done
uncertainty -h | grep -q '^usage: uncertainty'

# Interrupted by Ctrl-C, which all processes of a terminal get: status 130, no process and no temporary file is left, finished cases count, the same command ends the work.
for by in cases checkpoint; do
	for image in images/*; do
		for copy in a b; do cp "$image" "images/x$copy-$(basename "$image")"; done
	done
	# A shell's background jobs ignore SIGINT, and one signal is to reach the whole group: hence Python in between.
	/usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL); os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' \
		uncertainty --by $by -j 1 -b 1 "$model" images stopped-$by 2> err &
	pid=$!
	for _ in $(seq 600); do
		[ "$(find stopped-$by/parts -maxdepth 1 -name '[!.]*.tsv' -o -name 'fold*.frames' 2> /dev/null | wc -l)" -lt 2 ] || break
		sleep 0.1
	done
	kill -INT "-$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 130 ] || { echo "interrupted: $status"; cat err; exit 1; }
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/cwd")" != "$PWD" ] || case $(cat "$process/comm" 2> /dev/null) in
		decode|normalize|infer-checkpoi*|average-probs|encode|score|perl|parallel|uncertainty) echo "a process is left: $(tr '\0' ' ' < "$process/cmdline")"; exit 1 ;;
		esac
	done
	[ ! -e stopped-$by/scores.tsv ]
	! find stopped-$by | grep -E '/tmp|\.tmp|\.part' || { echo 'temporary files are left'; exit 1; }
	left=$(find stopped-$by/parts -type f | wc -l)
	[ "$left" -ge 2 ] && [ "$left" -lt 13 ] || { echo "$left finished parts"; exit 1; }
	find stopped-$by/parts -name '*.tsv' -exec cat {} + | awk -F '\t' '$1 != "case"' | sort > kept
	uncertainty --by $by "$model" images stopped-$by
	[ "$(wc -l < stopped-$by/scores.tsv)" -eq 13 ]
	sort stopped-$by/scores.tsv | comm -13 - kept | { ! grep .; }
	rm -f images/x*
done
