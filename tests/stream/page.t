# frame(5) is true: its dump is what the programs write, its filter compiles and filters, its Python reader reads.
part() { sed -n "/^\.\\\\\" begin $1\$/,/^\.\\\\\" end $1\$/p" "$TOP/man/frame.5" | sed '/^\./d; s/\\e/\\/g'; }
make() { /usr/bin/python3 "$TESTS/stream/make.py" "$@"; }

part dump > dump
[ -s dump ]
make page | frames -c '*' | /usr/bin/python3 "$TESTS/stream/annotate.py" | diff dump -

part filter > doubtful.c
case $BUILD in *asan) sanitize=-fsanitize=address,undefined ;; *) sanitize= ;; esac
# shellcheck disable=SC2086 # empty or one word
${CC:-cc} -std=c11 -Wall -Wextra -Werror $sanitize -D_XOPEN_SOURCE=700 -I"$TOP" -o doubtful doubtful.c \
	"$BUILD/libcommon.a" -lmsgpackc -lm
make small > small.frames
./doubtful -t 0.5 < small.frames > marked.frames
frames -L probs,label marked.frames | frames -d small.frames --data
{ part reader; cat <<'X'
import sys
import numpy as np
for header, layers, closing in frames(sys.stdin.buffer):
    kinds = [l["kind"] for l in header["layers"]]
    assert kinds == ["probs", "label", "doubtful"], kinds
    p, d = layers[0], layers[2]
    assert d.dtype == np.uint8 and (d[0] == (p.max(0) < 0.5)).all() and 0 < d.sum() < d.size
    assert closing["scores"] == {"class_entropy": 0.25, "doubtful": d.sum()}, closing
    assert closing["flags"] == ["empty_mask"] and closing["other"] == {"k": "v"}
    assert header["unknown"] == [1, None, -3, 2.5, b"\0\1"]
X
} > check.py
/usr/bin/python3 check.py < marked.frames
./doubtful -t 1.5 < small.frames > /dev/null 2>&1 && { echo 'a wrong option passes'; exit 1; }

# The reader and its use, on every type, slabs of planes and of rows, failed cases, and a stream that lost its trailer.
{ part reader; part use; } > read.py
for cut in slab=1 slab=2 slab=4 rows=2; do
	make types "$cut" | /usr/bin/python3 read.py > "read.$cut"
	[ "$(wc -l < "read.$cut")" -eq 6 ]
	cmp "read.$cut" read.slab=1
	make types "$cut" | frames | cut -f 4-6,8-11 > "list.$cut"
	cmp "list.$cut" list.slab=1
done
make failing | /usr/bin/python3 read.py > failing
[ "$(wc -l < failing)" -eq 4 ]
make small | head -c -20 | /usr/bin/python3 read.py > /dev/null 2> err && exit 1
grep -q 'ended without a trailer' err
