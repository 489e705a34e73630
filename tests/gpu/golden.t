# release only: emulated kernels take the sanitizers long
# Trained 3D networks on the imitated GPU give the processor's labels: several windows, regions, a cascade, residual blocks with an
# axis of thick slices.  Of single precision 99.99 % are equal, of half precision 99.9 %.
[ -d "$SHARED/golden/models" ] || { echo "no golden models (../shared is not there)"; exit 77; }
models=$SHARED/golden/models
export QUALM_CUDA_PLUGIN="$BUILD/imitated.so"
mkdir hippocampus heart
cp "$SHARED/data/msd-hippocampus/imagesTr/hippocampus_084_0000.nii.gz" hippocampus
find "$SHARED/data/sunnybrook-nifti/imagesTr" -type f | sort | tail -n 1 | xargs -I '{}' cp '{}' heart

# agree MODEL IMAGES SHARE PRECISION [OPTION ...]: labels; options are those of normalize.
agree() {
	model=$models/$1 images=$2 share=$3 precision=$4
	shift 4
	decode "$images" | normalize "$@" "$model" > in.frames
	for device in cuda cpu; do
		[ $device = cuda ] || precision=fp32
		infer-checkpoint -d $device --precision $precision --disable-tta --step-size 1 --emit label "$model"/fold_*/checkpoint_final.pth \
			< in.frames > $device.frames
	done
	/usr/bin/python3 "$TESTS/gpu/agree.py" cuda.frames cpu.frames "$share" 0
}
agree hippocampus_regions hippocampus 0.9999 fp32
agree hippocampus_3d_lowres hippocampus 0.999 fp16
agree hippocampus_3d_cascade_fullres hippocampus 0.9999 fp32 --previous "$SHARED/golden/predict/hippocampus_3d_lowres"
agree sunnybrook_resenc_3d heart 0.999 fp16
