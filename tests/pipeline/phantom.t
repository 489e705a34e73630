# From images to scores as nnU-Net and the reference scores computed them, on the built-in example.
set -- "$TESTS"/phantom/imagesTs/*
[ "$FLAVOR" = release ] || set -- "$TESTS"/phantom/imagesTs/phantom_00[01]_0000.png
decode "$@" | normalize "$TESTS/phantom/model" | infer-checkpoint --parity "$TESTS"/phantom/model/fold_0/checkpoint_[0-9]*.pth |
	average-probs -n 9 -m total_entropy,t_test | entropy | contour-norm | score -r "$TESTS/phantom/labelsTs" > scores.tsv
[ $(($(wc -l < scores.tsv) - 1)) -eq $# ]
exec /usr/bin/python3 "$TESTS/pipeline/compare.py" scores.tsv "$TESTS/phantom/documented.tsv"
