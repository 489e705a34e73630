# The Makefile from a raw data set to the report: two folds, members of both, the test images scored; done is done, and what a
# stopped training has kept stays.
# release only: what it runs, other tests run under the sanitizers
make-training
set=raw/Dataset506_Phantom
mkdir $set/imagesTs $set/labelsTs
cp imagesTs/* $set/imagesTs
cp labelsTs/* $set/labelsTs
run() {
	make -s -f "$TOP/scripts/experiment.mk" RAW=$set PLANS=pre/nnUNetPlans.json FOLDS='0 1' OUT=out \
		TRAINING='--epochs 4 --cycles 2 --late 1 --iterations 2 --val-iterations 1 --save-every 1 --no-val' "$@"
}
run -j2 out/report.html out/plots/training_1.svg > said 2>&1 || { cat said; exit 1; }
find out/model -type f | sed 's|out/model/||' | sort | tr '\n' ' ' > files
{
	printf 'dataset.json dataset_fingerprint.json '
	for f in 0 1; do
		for c in 1 3 best final; do printf 'fold_%d/checkpoint_%s.pth ' $f $c; done
		printf 'fold_%d/training_log.tsv ' $f
	done
	printf 'plans.json '
} | diff - files
[ "$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "members") c = i } NR == 2 { print $c }' out/scores.tsv)" -eq 4 ]
for case in out/scores/*.tsv; do grep -q "$(basename "$case" .tsv)" out/report.html; done
[ -s out/plots/scatter.svg ]
grep -q '>pseudo-Dice' out/plots/training_1.svg
run -q out/report.html

# A training that had been stopped after its second epoch makes what is missing, and nothing else of that folder.
before=$(cksum < out/model/fold_1/checkpoint_1.pth)
rm out/model/fold_1/checkpoint_3.pth out/model/fold_1/checkpoint_final.pth
cp out/model/fold_1/checkpoint_1.pth out/model/fold_1/checkpoint_latest.pth
run out/model/fold_1/checkpoint_3.pth > said 2>&1 || { cat said; exit 1; }
[ -f out/model/fold_1/checkpoint_3.pth ]
[ "$(cksum < out/model/fold_1/checkpoint_1.pth)" = "$before" ]

if run TRAINING='--epochs 5 --cycles 2' out/report.html > said 2>&1; then exit 1; fi
grep -q "keeps no checkpoint" said
