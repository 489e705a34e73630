# All volumes of a data set in one call of predict: 60 hippocampi, of which 12 tell that Dice is that of nnU-Net's own labels, and
# the hearts.
# release only: whole volumes take the sanitizers long
golden=$SHARED/golden
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }

# whole OUT IMAGES: a label map for each image, on its grid
grids() { frames | awk -F '\t' 'NR > 1 { print $1 "\t" $2 "\t" $3 }' | sort; }
whole() {
	decode "$2" | grids > images.grids
	decode -l "$1"/*.nii.gz | grids > labels.grids
	cmp images.grids labels.grids
	echo "note: $(wc -l < labels.grids) volumes of $(basename "$(dirname "$2")")"
}

images=$SHARED/data/msd-hippocampus/imagesTr model=$golden/models/hippocampus_3d_fullres wanted=$golden/predict/hippocampus_3d_fullres_fold_0
predict -i "$images" -o out -m "$model" -f 0
whole out "$images"
mkdir labels tested
for file in "$wanted"/*.nii.gz; do
	ln -s "$SHARED/data/msd-hippocampus/labelsTr/${file##*/}" labels
	ln -s "$PWD/out/${file##*/}" tested
done
evaluate -l labels --dataset "$model/dataset.json" -o ours.json tested > ours
evaluate -l labels --dataset "$model/dataset.json" -o golden.json "$wanted" > golden
[ "$(wc -l < ours)" -eq 13 ]
/usr/bin/python3 - <<'X'
import json
ours, golden = (json.load(open(f))["mean"] for f in ("ours.json", "golden.json"))
assert ours.keys() == golden.keys() == {"1", "2"}, ours.keys()
for c in ours:
    print(f"note: mean Dice of class {c}: {ours[c]['Dice']:.6f}, of nnU-Net's labels {golden[c]['Dice']:.6f}")
    assert abs(ours[c]["Dice"] - golden[c]["Dice"]) <= 1e-3 and golden[c]["Dice"] > 0.7
X

images=$SHARED/data/sunnybrook-nifti/imagesTr
predict -i "$images" -o hearts -m "$golden/models/sunnybrook_resenc_3d" -f all --disable_tta
whole hearts "$images"
