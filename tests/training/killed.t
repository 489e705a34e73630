# Killed at any moment, a training leaves whole checkpoints and a whole table, no half-written file, and goes on.
# release only: the sanitizers make it slow and learn nothing from it
make-training
train() { exec train-checkpoints --validation check.frames --save-every 1 --keep both --late 2 -c 2d --epochs 6 --cycles 2 -o model "$@" pre < train.frames; }
for delay in 0.01 0.03 0.05 0.07 0.09 0.11 0.13 0.15; do
	train --clean 2> /dev/null &
	sleep $delay
	kill -9 $! 2> /dev/null || true
	wait $! 2> /dev/null || true
	[ -d model/fold_0 ] || continue
	checkpoints list model > table 2> said || grep -q 'holds no checkpoint' said
	find model -name '*.tmp*' -o -name '.*' -type f > left
	[ ! -s left ] || { cat left; exit 1; }
	if [ -f model/fold_0/training_log.tsv ]; then
		awk -F '\t' 'NR == 1 { n = NF } NF != n { exit 1 } END { exit !(NR > 1) }' model/fold_0/training_log.tsv
	fi
done
(train --clean)
checkpoints list model/fold_0 > table
[ "$(wc -l < table)" -eq 7 ]
