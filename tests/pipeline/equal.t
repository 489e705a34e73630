# Equal bytes: any number of threads, order of members, size of slab, form of members, way of spreading the work; from the
# images, from members kept in files, and from the probabilities that the members left on disk.
# release only: the sanitizers tell the same of each way, and phantom goes it under them
make-scratch 3
rm -rf predicted ./*.frames scores.tsv
first=MODEL/fold_0/checkpoint_17.pth second=MODEL/fold_0/checkpoint_38.pth third=MODEL/fold_0/checkpoint_59.pth
maps=total_entropy,t_test,expected_entropy
decode imagesTs > cases.frames
normalize MODEL < cases.frames > normal.frames

# mean FILE: to labels and a table, which are compared with the first ones; the streams are compared layer by layer.
n=0
same() {
	what=$1 mean=$2
	entropy < "$mean" | segment -d | encode -p -o labels | contour-norm | score -r labelsTs > table.tsv
	[ -s table.tsv ]
	if [ -d wanted ]; then
		frames -d wanted/mean.frames "$mean" || { echo "$what: other probabilities or maps"; exit 1; }
		cmp table.tsv wanted/table.tsv || { echo "$what: another table"; exit 1; }
		diff -r labels wanted/labels || { echo "$what: other label maps"; exit 1; }
		rm -rf labels table.tsv
	else
		mkdir wanted
		cp "$mean" wanted/mean.frames
		mv labels table.tsv wanted
	fi
	n=$((n + 1))
}

infer-checkpoint -j 1 $first $second $third < normal.frames > members.frames
average-probs -m $maps < members.frames > mean.frames
same 'one process' mean.frames
[ "$(cut -f 1 wanted/table.tsv | tail -n 3 | tr '\n' ' ')" = 'phantom_000 phantom_001 phantom_002 ' ]

infer-checkpoint -j 2 $first $second $third < normal.frames > two.frames
frames -d members.frames two.frames
average-probs -m $maps < two.frames > mean.frames
same 'two threads' mean.frames

infer-checkpoint -j 2 $third $first $second < normal.frames | average-probs -m $maps > mean.frames
same 'another order of members' mean.frames

for slab in 1 7; do
	frames -s $slab normal.frames | infer-checkpoint $first $second $third | frames -s $slab | average-probs -m $maps > mean.frames
	same "slabs of $slab planes" mean.frames
done

# Members of processes of their own, side by side as files in any order ...
for checkpoint in $first $second $third; do
	infer-checkpoint "$checkpoint" < normal.frames > "$(basename "$checkpoint" .pth).frames"
done
average-probs -n 3 -m $maps checkpoint_59.frames checkpoint_17.frames checkpoint_38.frames > mean.frames
same 'a stream a member' mean.frames

# ... through FIFOs while they run ...
mkfifo a b c
for checkpoint in $first:a $second:b $third:c; do
	infer-checkpoint -j 1 "${checkpoint%:*}" < normal.frames > "${checkpoint#*:}" &
done
average-probs -n 3 -m $maps a b c > mean.frames
wait
same FIFOs mean.frames

# ... and one after the other in a stream.
/usr/bin/python3 - checkpoint_*.frames > consecutive.frames <<'X'
import sys
import msgpack
streams = [list(msgpack.Unpacker(open(f, "rb"), max_buffer_size=0)) for f in sys.argv[1:]]
out, n = [streams[0][0]], 0
at = [1] * len(streams)
while "end" not in streams[0][at[0]]:
    for i, s in enumerate(streams):         # header, one slab of the one layer that goes on, closing map
        out += s[at[i]:at[i] + 2 + len(s[at[i]]["layers"])]
        at[i] += 2 + len(s[at[i]]["layers"])
        n += 1
out[0].pop("cases", None)
for o in out + [{"end": True, "frames": n, "failed": 0}]:
    sys.stdout.buffer.write(msgpack.packb(o))
X
average-probs -n 3 -m $maps < consecutive.frames > mean.frames
same 'consecutive frames' mean.frames

# Over members, as in qualm(1); and over cases, each process with all members.
mkdir members
parallel --will-cite -j 2 'infer-checkpoint -j 1 {} < normal.frames > members/{/.}.frames' ::: $first $second $third
average-probs -m $maps members/*.frames > mean.frames
same 'parallel over checkpoints' mean.frames
parallel --will-cite -k -j 2 "decode {} | normalize MODEL | infer-checkpoint -j 1 $first $second $third | average-probs -m $maps | entropy | segment -d | contour-norm | score -r labelsTs" \
	::: imagesTs/* | awk 'NR == 1 || $1 != "case"' > rows
cmp rows wanted/table.tsv

# Members that left their probabilities on disk.
encode -L probs -t npz -o predicted < members.frames
for member in predicted/*; do cp wanted/labels/*.png "$member"; done
decode --probs predicted/* | average-probs -m $maps > mean.frames
frames --data -d wanted/mean.frames mean.frames
entropy < mean.frames | segment -d | contour-norm | score -r labelsTs | cmp - wanted/table.tsv
echo "note: $((n + 2)) ways to the same bytes"
