# Streams and folders that do not fit end the training with one line and status 3, and leave no half-written file.
make-training
refused() {     # WORDS ARGUMENT ...: standard input is refused with these words
	words=$1
	shift
	status=0
	rm -rf model
	mkdir model
	train-checkpoints -c 2d --epochs 6 --cycles 2 --keep none -o model "$@" pre 2> err > out || status=$?
	[ "$status" -eq 3 ] || { echo "$words: status $status"; cat err; exit 1; }
	grep -q -e "$words" err || { echo "not '$words': $(cat err)"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ]
	[ ! -s out ]
	find model -name '.*' -o -name '*.tmp*' > left
	[ ! -s left ]
}
size=$(wc -c < train.frames)
for keep in 0 1 300 $((size / 2)) $((size - 1)); do head -c "$keep" train.frames | refused ''; done
refused 'no patch of sample-patches' < cases.frames
sample-patches -c 2d -i 1 -o pre raw/Dataset506_Phantom | refused 'augment cuts them down'
sample-patches --validation -c 2d -e 3 -i 1 -o pre raw/Dataset506_Phantom | refused 'epoch 0 is due'
sample-patches --validation -c 2d -i 1 -o pre raw/Dataset506_Phantom > two.frames
refused 'has no patches of epoch 1' --validation two.frames < train.frames
sample-patches --validation -c 2d --epochs 6 -i 1 -b 3 -o pre raw/Dataset506_Phantom > three.frames
refused '3 patches for validation, but 2 for training' --validation three.frames < train.frames
head -c $((size / 2)) check.frames > cut.frames
refused '' --validation cut.frames < train.frames
refused 'another shape than in this network' --pretrained MODEL/fold_0/checkpoint_17.pth < train.frames
