# Subsets of the members from one pass equal those members averaged alone; choose finds the fold that a loop in Python finds.
/usr/bin/python3 "$TESTS/uncertainty/members-subsets.py"

# The files of each subset go into a folder of their own.
decode "$TESTS/phantom/imagesTs/phantom_000_0000.png" | normalize "$TESTS/phantom/model" |
	infer-checkpoint "$TESTS"/phantom/model/fold_0/checkpoint_1[78].pth | average-probs --subsets members | entropy | segment |
	encode -p -o labels | render --overlay -o pictures
[ "$(cd labels && find . -type f | sort | tr '\n' ' ')" = './checkpoint_17/phantom_000.png ./checkpoint_18/phantom_000.png ./phantom_000.png ' ]
[ "$(cd pictures && find . -type f | wc -l)" -eq 3 ]
