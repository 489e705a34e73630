# A stage killed with signal 9, under dash without pipefail, at every point of the stream: before its header, inside a
# frame, between frames, before its trailer.  The pipeline's status is that of its last stage: it is not 0, and nothing of the
# file or folder that the last stage should have written is there.
# release only: 200 processes that are killed report nothing
make-scratch
average-probs < members.frames | segment | entropy | contour-norm > normed.frames
values() { /usr/bin/python3 - "$1" <<'X'
import sys
import msgpack
at, cuts, u = 0, [0], msgpack.Unpacker(open(sys.argv[1], "rb"), max_buffer_size=0)
for o in u:                                     # before, inside and after every object of the first frames
    cuts += [(at + u.tell()) // 2, u.tell()]
    at = u.tell()
print(*sorted(set(cuts[:9] + cuts[-8:]) - {at}))
X
}

# killed CUT STREAM STAGE...: the stage passes on what it makes of the first CUT bytes and dies when it waits for more.
killed() {
	cut=$1 stream=$2
	shift 2
	rm -f pid
	sh -c 'echo $$ > pid; exec "$@"' stage "$@" < feed &
	exec 3> feed
	head -c "$cut" "$stream" >&3
	sleep 0.1
	while [ ! -s pid ]; do sleep 0.1; done
	kill -9 "$(cat pid)"
	exec 3>&-
	wait
}
# every STAGE...: kills it at every point, before every last stage; a line in `runs` for each.
every() {
	case $1 in average-probs) stream=$top/members.frames ;; *) stream=$top/normed.frames ;; esac
	mkfifo feed
	for cut in $(values "$stream" | cut -d ' ' -f "$([ "$1" = frames ] && echo 1- || echo 1,4,8-)"); do
		for last in 'score -o table.tsv' 'encode -o files' 'render -o pictures --overlay' frames; do
			[ "$1" = frames ] || [ "$last" != 'render -o pictures --overlay' ] || continue
			rm -rf table.tsv files pictures
			status=0
			killed "$cut" "$stream" "$@" 2> /dev/null | \
				{ $last > out 2> err || status=$?; [ "$status" -eq 3 ]; } || status=$?
			wrong="'$*' killed at byte $cut of $stream: '$last'"
			[ "$status" -eq 0 ] || { echo "$wrong did not end with 3: $(cat err)"; exit 1; }
			[ "$(wc -l < err)" -eq 1 ] || { echo "$wrong said: $(cat err)"; exit 1; }
			[ ! -e table.tsv ] || { echo "$wrong left a table"; exit 1; }
			if find . -name '*.part' | grep .; then exit 1; fi
			for f in files/*.png pictures/*.png; do
				[ ! -e "$f" ] || tail -c 8 "$f" | grep -aq IEND
			done
			echo "$wrong" >> runs
		done
	done
}
# All stages at the same time, for most of it is waiting.
top=$PWD pids=''
in_folder() { mkdir "$1"; cd "$1" || exit; shift; every "$@"; }
(in_folder a frames -c '*') & pids="$pids $!"
(in_folder b segment) & pids="$pids $!"
(in_folder c entropy) & pids="$pids $!"
(in_folder d contour-norm) & pids="$pids $!"
(in_folder e average-probs) & pids="$pids $!"
for pid in $pids; do wait "$pid"; done
n=$(cat [a-e]/runs | wc -l)
[ "$n" -gt 150 ]
echo "note: $n pipelines with a killed stage, none of them passed for whole"

mkfifo feed
# The last stage itself: killed while it waits, it leaves nothing under the name of its file.
for last in 'score -o table.tsv' 'render -o pictures' 'encode -o files'; do
	rm -rf table.tsv files pictures
	size=$(wc -c < normed.frames)
	# shellcheck disable=SC2086 # words
	killed $((size - 3)) normed.frames $last 2> /dev/null
	[ ! -e table.tsv ]
	if find . -name '*.part' | grep .; then exit 1; fi
done
