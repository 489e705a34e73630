# Predictions on volumes are nnU-Net's: 3D networks, and a 2D one slice by slice; steps, mirroring, regions, cascade,
# resamplers, transposed axes, two channels, residual encoder.
golden=$SHARED/golden models=$SHARED/golden/models
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }

# $1: folder of the prediction, $2: model, $3: checkpoint, $4: options of normalize, $5: of infer-checkpoint, rest: images
compare() {
	predicted=$1 model=$models/$2 checkpoint=$models/$3 prepare=$4 options=$5
	shift 5
	decode "$@" | normalize $prepare "$model" | infer-checkpoint -m "$model" $options "$checkpoint" > got.frames
	/usr/bin/python3 "$TESTS/network/compare.py" got.frames "$golden/predict/$predicted" $labels $probs $margin
}
hippocampus=$SHARED/data/msd-hippocampus/imagesTr
heart=$SHARED/data/sunnybrook-nifti/imagesTr/SC-HF-I-5_ED_0000.nii.gz
one=$hippocampus/hippocampus_084_0000.nii.gz two=$hippocampus/hippocampus_087_0000.nii.gz
full=hippocampus_3d_fullres/fold_0/checkpoint_final.pth

labels=99.99 probs=99.9 margin=1
if [ "${BUILD%asan}" != "$BUILD" ]; then                # the sanitizers take their time
	compare hippocampus_3d_fullres_fold_0_disable_tta hippocampus_3d_fullres $full '' '--parity --disable-tta' "$one"
	exit 0
fi
compare hippocampus_3d_fullres_fold_0 hippocampus_3d_fullres $full '' --parity "$one" "$two"
compare hippocampus_3d_fullres_fold_0_disable_tta hippocampus_3d_fullres $full '' '--parity --disable-tta' "$one"
compare hippocampus_3d_fullres_fold_0_step_size_0.8 hippocampus_3d_fullres $full '' '--parity --disable-tta --step-size 0.8' "$one"
compare hippocampus_3d_lowres hippocampus_3d_lowres hippocampus_3d_lowres/fold_all/checkpoint_final.pth '' --parity "$one" "$two"
compare hippocampus_3d_cascade_fullres hippocampus_3d_cascade_fullres hippocampus_3d_cascade_fullres/fold_0/checkpoint_final.pth \
	"--previous $golden/predict/hippocampus_3d_lowres" --parity "$one" "$two"
compare hippocampus_regions hippocampus_regions hippocampus_regions/fold_all/checkpoint_final.pth '' --parity "$one" "$two"
compare hippocampus_torch_resampler hippocampus_torch_resampler $full '-c 3d_fullres' --parity "$one" "$two"
compare hippocampus_legacy_plans hippocampus_legacy_plans $full '-c 3d_fullres' --parity "$one"
compare sunnybrook_2d_on_volumes sunnybrook_2d_on_volumes sunnybrook_2d/fold_0/checkpoint_44.pth '-c 2d' --parity "$heart"
compare sunnybrook_resenc_3d sunnybrook_resenc_3d sunnybrook_resenc_3d/fold_all/checkpoint_final.pth '' --parity "$heart"
compare sunnybrook_resenc_3d_transposed sunnybrook_resenc_3d_transposed sunnybrook_resenc_3d/fold_all/checkpoint_final.pth \
	'-c 3d_fullres' --parity "$golden/images/SC-HF-I-5_ED_permuted_0000.nii.gz"
compare ct_2ch_3d ct_2ch_3d ct_2ch_3d/fold_all/checkpoint_final.pth '' --parity "$golden"/raw/Dataset505_CT/imagesTr/ct_1_000[01].nii.gz

labels=99.9 probs=0 margin=0.03
compare hippocampus_3d_fullres_fold_0 hippocampus_3d_fullres $full '' '' "$one" "$two"
compare hippocampus_3d_lowres hippocampus_3d_lowres hippocampus_3d_lowres/fold_all/checkpoint_final.pth '' '-d ref' "$one"
compare hippocampus_3d_cascade_fullres hippocampus_3d_cascade_fullres hippocampus_3d_cascade_fullres/fold_0/checkpoint_final.pth \
	"--previous $golden/predict/hippocampus_3d_lowres" '' "$one" "$two"
compare hippocampus_regions hippocampus_regions hippocampus_regions/fold_all/checkpoint_final.pth '' '' "$one" "$two"
compare hippocampus_torch_resampler hippocampus_torch_resampler $full '-c 3d_fullres' '' "$one" "$two"
compare sunnybrook_2d_on_volumes sunnybrook_2d_on_volumes sunnybrook_2d/fold_0/checkpoint_44.pth '-c 2d' '' "$heart"
compare sunnybrook_resenc_3d sunnybrook_resenc_3d sunnybrook_resenc_3d/fold_all/checkpoint_final.pth '' '' "$heart"
compare sunnybrook_resenc_3d_transposed sunnybrook_resenc_3d_transposed sunnybrook_resenc_3d/fold_all/checkpoint_final.pth \
	'-c 3d_fullres' '' "$golden/images/SC-HF-I-5_ED_permuted_0000.nii.gz"
compare ct_2ch_3d ct_2ch_3d ct_2ch_3d/fold_all/checkpoint_final.pth '' '' "$golden"/raw/Dataset505_CT/imagesTr/ct_1_000[01].nii.gz
