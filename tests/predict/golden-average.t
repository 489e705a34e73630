# Two folds of a 3D network, their logits averaged, are what nnU-Net predicted with both.
# release only: whole volumes take the sanitizers long
golden=$SHARED/golden
[ -d "$golden/predict" ] || { echo "no golden predictions (../shared is not there)"; exit 77; }
images=$SHARED/data/msd-hippocampus/imagesTr model=$golden/models/hippocampus_3d_fullres
decode "$images"/hippocampus_08[478]_0000.nii.gz | normalize "$model" > in.frames
infer-checkpoint --parity --average-logits "$model"/fold_[01]/checkpoint_final.pth < in.frames > got.frames
/usr/bin/python3 "$TESTS/network/compare.py" got.frames "$golden/predict/hippocampus_3d_fullres_folds_0_1" 100 100
