# The summary that nnU-Net wrote of 12 hippocampus volumes, byte for byte but for the paths of files.
golden=$SHARED/golden images=$SHARED/data/msd-hippocampus/labelsTr
[ -d "$golden/evaluate" ] && [ -d "$images" ] || { echo 'no golden results'; exit 77; }
mkdir labels
for f in "$golden"/predict/hippocampus_3d_fullres_fold_0/*.nii.gz; do
	ln -s "$images/${f##*/}" labels
done
evaluate -l labels --dataset "$golden/models/hippocampus_3d_fullres/dataset.json" -o summary.json "$golden/predict/hippocampus_3d_fullres_fold_0" > table
[ "$(wc -l < table)" -eq 13 ]
names() { sed 's|_file": ".*/|_file": "|' "$1"; }
names "$golden/evaluate/hippocampus_3d_fullres_fold_0.json" > wanted
names summary.json | cmp - wanted
