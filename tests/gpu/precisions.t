# Label maps of the trained models on a GPU: in fp32 those of the processor, in half precision and tf32 nearly so, and each structure
# the same as in fp32.
# release only: the sanitizers do not look into a GPU
# shellcheck disable=SC2034,SC2154 # for and of device.sh
[ -d "$SHARED/golden/models" ] || { echo "no golden models (../shared is not there)"; exit 77; }
needs=gpu
. "$TESTS/gpu/device.sh"
models=$SHARED/golden/models golden=$SHARED/golden data=$SHARED/data
precisions='fp32 tf32 fp16 bf16'

# prepare NAME MODEL CHECKPOINT COUNT IMAGE ...: NAME.frames of the first so many images, and the labels that the processor gives.
prepare() {
	name=$1 model=$models/$2 checkpoint=$models/$2/$3 count=$4
	shift 4
	mkdir "images-$name"
	printf '%s\n' "$@" | sort | head -n "$count" | while read -r f; do ln -s "$f" "images-$name"; done
	decode "images-$name" | normalize "$model" > "$name.frames"
	infer-checkpoint -d cpu --emit label -m "$model" "$checkpoint" < "$name.frames" > "$name.cpu"
	for p in $precisions; do
		infer-checkpoint -d cuda --precision "$p" --emit label -m "$model" "$checkpoint" < "$name.frames" > "$name.$p"
	done
	names="$names $name"
}
names=''
if [ "$device" = gpu ]; then
	prepare sunnybrook sunnybrook_2d fold_0/checkpoint_44.pth 20 "$data"/sunnybrook-png/imagesTs/*_0000.png
	prepare hippocampus hippocampus_3d_fullres fold_0/checkpoint_final.pth 4 "$data"/msd-hippocampus/imagesTr/hippocampus_08[4-9]_0000.nii.gz
	prepare heart sunnybrook_resenc_3d fold_all/checkpoint_final.pth 1 "$data"/sunnybrook-nifti/imagesTr/SC-HF-I-5_ED_0000.nii.gz
	prepare ct ct_2ch_3d fold_all/checkpoint_final.pth 2 "$golden"/raw/Dataset505_CT/imagesTr/ct_1_000[01].nii.gz
else
	prepare phantom phantom_2d fold_0/checkpoint_59.pth 1 "$golden"/phantom/imagesTs/*_0000.png
fi

# compare WHAT LEAST_SHARE LEAST_DICE A B: streams NAME.A beside NAME.B
failed=''
compare() {
	what=$1 share=$2 dice=$3 a=$4 b=$5 pairs=''
	for name in $names; do pairs="$pairs $name.$a $name.$b"; done
	# shellcheck disable=SC2086 # names without spaces
	"$python" "$TESTS/gpu/labels.py" "$share" "$dice" $pairs > line || failed="$failed, $what"
	echo "note: $what: $(cat line)"
}
compare 'fp32 beside the processor' 99.99 0.999 cpu fp32
compare 'tf32 beside fp32' 99.9 0.999 fp32 tf32
compare 'fp16 beside fp32' 99.9 0.999 fp32 fp16
compare 'bf16 beside fp32' 99.5 0.99 fp32 bf16
[ -z "$failed" ] || { echo "too many labels differ$failed"; exit 1; }
