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
mkfifo feed
killed() {
	cut=$1 stream=$2
	shift 2
	sh -c 'echo $$ > pid; exec "$@"' stage "$@" < feed &
	exec 3> feed
	head -c "$cut" "$stream" >&3
	sleep 0.1
	kill -9 "$(cat pid)"
	exec 3>&-
	wait
}
n=0
for stage in 'frames -c *' segment entropy contour-norm average-probs; do
	case $stage in average-probs) stream=members.frames ;; *) stream=normed.frames ;; esac
	set -f
	# shellcheck disable=SC2086 # words
	set -- $stage
	set +f
	for cut in $(values $stream | cut -d ' ' -f "$([ "$1" = frames ] && echo 1- || echo 1,4,8-)"); do
		for last in 'score -o table.tsv' 'encode -o files' 'render -o pictures --overlay' frames; do
			[ "$1" = frames ] || [ "$last" != 'render -o pictures --overlay' ] || continue
			rm -rf table.tsv files pictures
			status=0
			killed "$cut" $stream "$@" 2> /dev/null | \
				{ $last > out 2> err || status=$?; [ "$status" -eq 3 ]; } || status=$?
			wrong="'$stage' killed at byte $cut of $stream: '$last'"
			[ "$status" -eq 0 ] || { echo "$wrong did not end with 3: $(cat err)"; exit 1; }
			[ "$(wc -l < err)" -eq 1 ] || { echo "$wrong said: $(cat err)"; exit 1; }
			[ ! -e table.tsv ] || { echo "$wrong left a table"; exit 1; }
			find . -name '*.part' | grep . && exit 1
			for f in files/*.png pictures/*.png; do
				[ ! -e "$f" ] || tail -c 8 "$f" | grep -aq IEND
			done
			n=$((n + 1))
		done
	done
done
echo "note: $n pipelines with a killed stage, none of them passed for whole"

# The last stage itself: killed while it waits, it leaves nothing under the name of its file.
for last in 'score -o table.tsv' 'render -o pictures' 'encode -o files'; do
	rm -rf table.tsv files pictures
	size=$(wc -c < normed.frames)
	# shellcheck disable=SC2086 # words
	killed $((size - 3)) normed.frames $last 2> /dev/null
	[ ! -e table.tsv ]
	find . -name '*.part' | grep . && exit 1
	:
done
