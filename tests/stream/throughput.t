# A stream of large slabs goes through a filter whole, at a speed that the note tells.
/usr/bin/python3 - > large.frames <<'X'
import os
import sys
import numpy as np
sys.path.insert(0, os.environ["TESTS"] + "/stream")
import make
a = np.arange(4 * 16 * 512 * 512, dtype="<f4").reshape(4, 16, 512, 512)     # 64 MiB
make.write(sys.stdout.buffer, [{"case": "large%d" % i, "slab": 4, "layers": [({"kind": "probs"}, a)]} for i in range(4)])
X
cat large.frames > /dev/null
now() { date +%s%N; }
begin=$(now)
# shellcheck disable=SC2002 # through a pipe on purpose
cat large.frames | frames -c '*' | cat > passed.frames
end=$(now)
echo "note: $(/usr/bin/python3 -c "print('%.2f' % (0.268435456 / (($end - $begin) / 1e9)))") GB/s from pipe to pipe, with other work beside it"
frames -d large.frames --memory 80M passed.frames
status=0
frames -d large.frames --memory 60M passed.frames 2> err || status=$?
[ "$status" -eq 3 ]
grep -q 'over the limit' err
