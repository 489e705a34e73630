# make demo-train, with a shorter training: an ensemble that segments the test slices, the training's plot and the report.
# release only: what it runs, other tests run under the sanitizers
sh "$TOP/scripts/demo-train" "$BIN" OUT=out \
	TRAINING='--epochs 2 --cycles 1 --late 2 --iterations 60 --val-iterations 0 --no-val -b 4 --rate 0.1' > said 2> err || { cat err; exit 1; }
[ "$(tail -n 1 said)" = 'Report: out/report.html' ]
[ "$(grep -c '^  phantom_' said)" -eq 8 ]
awk '/^  phantom_/ { n++; sum += $3 } END { exit !(sum / n > 0.1) }' said
[ "$(ls out/model/fold_0/checkpoint_[0-9].pth | wc -l)" -eq 2 ]
for case in out/scores/*.tsv; do grep -q "$(basename "$case" .tsv)" out/report.html; done
[ -s out/plots/training_0.svg ]

status=0
sh "$TOP/scripts/demo-train" "$BIN" EPOCHS=3 2> err || status=$?
[ "$status" -eq 2 ]
[ "$(wc -l < err)" -eq 1 ]
