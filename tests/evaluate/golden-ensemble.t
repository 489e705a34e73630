# nnU-Net's ensemble of two configurations, in the two cases whose probabilities are kept: every label, in both orders.
golden=$SHARED/golden
[ -d "$golden/ensemble" ] || { echo 'no golden results'; exit 77; }
for model in hippocampus_3d_fullres_fold_0 hippocampus_3d_cascade_fullres; do
	mkdir "$model"
	cp "$golden/models/hippocampus_3d_fullres/dataset.json" "$model"
	for npz in "$golden/predict/$model"/*.npz; do
		ln -s "$npz" "${npz%.npz}.nii.gz" "$model"
	done
done
ensemble -i hippocampus_3d_fullres_fold_0 hippocampus_3d_cascade_fullres -o forward
ensemble -o backward -i hippocampus_3d_cascade_fullres hippocampus_3d_fullres_fold_0
n=0 changed=0
for f in forward/*.nii.gz; do
	name=${f#forward/}
	decode -l "$golden/ensemble/fullres_fold_0+cascade/$name" > wanted.frames
	decode -l "$f" | frames -d wanted.frames
	decode -l "backward/$name" | frames -d wanted.frames
	decode -l "$golden/predict/hippocampus_3d_fullres_fold_0/$name" | frames -d wanted.frames --data > /dev/null || changed=1
	n=$((n + 1))
done
[ "$n" -eq 2 ]
[ "$changed" -eq 1 ]                    # the ensemble is not one of its members
