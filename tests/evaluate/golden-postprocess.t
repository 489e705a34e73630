# The decisions that nnU-Net made, byte for byte, and its label maps, from its pickle and from its JSON.
golden=$SHARED/golden images=$SHARED/data/msd-hippocampus/labelsTr
[ -d "$golden/postprocess" ] && [ -d "$images" ] || { echo 'no golden results'; exit 77; }
mkdir labels predictions
for f in "$golden"/predict/hippocampus_3d_fullres_fold_0/*.nii.gz; do
	ln -s "$images/${f##*/}" labels
	ln -s "$f" predictions
done
postprocess determine -l labels --dataset "$golden/models/hippocampus_3d_fullres/dataset.json" predictions
cmp predictions/postprocessing.json "$golden/postprocess/postprocessing.json"
postprocess apply -p "$golden/postprocess/postprocessing.pkl" -o pickle predictions > removed
postprocess apply -p "$golden/postprocess/postprocessing.json" -o json predictions | cmp - removed
n=0
for f in "$golden"/postprocess/postprocessed/*.nii.gz; do
	decode -l "$f" > wanted.frames
	for folder in predictions/postprocessed pickle json; do
		decode -l "$folder/${f##*/}" | frames -d wanted.frames > /dev/null
	done
	n=$((n + 1))
done
[ "$n" -eq 12 ]
cut -f 2 removed | grep -qx 14          # and there was something to remove
