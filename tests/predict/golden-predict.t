# predict gives nnU-Net's own results of 3D models: one fold, two folds, and a cascade on the labels of its first stage.
# release only: whole volumes take the sanitizers long
golden=$SHARED/golden
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }
results=results/Dataset502_Hippocampus models=$golden/models
mkdir -p images $results
for configuration in 3d_fullres 3d_lowres 3d_cascade_fullres; do
	ln -s "$models/hippocampus_$configuration" $results/nnUNetTrainer__nnUNetPlans__$configuration
done
cp "$SHARED"/data/msd-hippocampus/imagesTr/hippocampus_08[47]_0000.nii.gz images
export nnUNet_results=results

# check OUT GOLDEN: label maps equal to 99.99 %, probabilities to 1e-3 where there are some, geometry of the files as the images'
check() {
	/usr/bin/python3 - "$1" "$golden/predict/$2" <<'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/network")
import numpy as np
from compare import label
out, golden = sys.argv[1:]
cases = sorted(f[:-7] for f in os.listdir(out) if f.endswith(".nii.gz"))
assert cases == ["hippocampus_084", "hippocampus_087"], cases
for case in cases:
    a, b = (label(f"{d}/{case}.nii.gz") for d in (out, golden))
    assert a.shape == b.shape and (a != b).mean() <= 1e-4, (case, (a != b).sum())
    if os.path.exists(f"{out}/{case}.npz"):
        p, q = (np.load(f"{d}/{case}.npz")["probabilities"] for d in (out, golden))
        assert p.shape == q.shape and p.dtype == q.dtype and (np.abs(p - q) <= 1e-3).mean() >= 0.999, case
PYTHON
}
predict -i images -o one -d 502 -c 3d_fullres -f 0 --parity --save_probabilities
check one hippocampus_3d_fullres_fold_0
predict -i images -o two -d 502 -c 3d_fullres -f 0 1 --parity --save_probabilities
check two hippocampus_3d_fullres_folds_0_1
predict -i images -o low -d 502 -c 3d_lowres -f all --parity
check low hippocampus_3d_lowres
predict -i images -o cascade -d 502 -c 3d_cascade_fullres -f 0 --parity -prev_stage_predictions low
check cascade hippocampus_3d_cascade_fullres
status=0
predict -i images -o refused -d 502 -c 3d_cascade_fullres -f 0 2> err || status=$?
[ "$status" -eq 2 ]
[ "$(wc -l < err)" -eq 1 ]
grep -q -- '-prev_stage_predictions FOLDER$' err
# nnU-Net's ensembling takes what predict leaves.
decode --probs one two | average-probs | segment > both.frames
frames both.frames > /dev/null
