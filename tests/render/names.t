# Names as long as those of training patches are seen whole: pictures of one image under two such names differ.
name=e0000_i0000_s000_phantom_02
mkdir images
for k in 1 2; do cp "$TESTS/phantom/imagesTs/phantom_000_0000.png" images/$name${k}_0000.png; done
model=$TESTS/phantom/model
decode images | normalize "$model" | infer-checkpoint "$(find "$model/fold_0" -name 'checkpoint_[0-9]*.pth' | sort | head -n 1)" |
	average-probs | segment | render -o pictures
for kind in overlay panel; do
	if cmp -s pictures/${name}1_$kind.png pictures/${name}2_$kind.png; then echo "$kind: the names are cut"; exit 1; fi
done
