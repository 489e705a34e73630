# Figures against the number of members: each row is what the same members alone give; the whole input or nothing.
# release only: what it runs, other tests run under the sanitizers
make-scratch 4
infer() { normalize MODEL < cases.frames | infer-checkpoint "$@"; }
infer MODEL/fold_0/checkpoint_*[0-9].pth > all.frames
member-curve -m mean,aurc,augrc labelsTs curves < all.frames
for f in by-checkpoint.svg by-cycle.svg subsets.tsv; do [ -s curves/$f ]; done

set -- MODEL/fold_0/checkpoint_*[0-9].pth
n=$#
[ "$(cut -f 1 curves/by-checkpoint.tsv | uniq | tr '\n' ' ')" = "members $(seq -s ' ' "$n") " ]
infer "$1" "$2" | average-probs | entropy | contour-norm | score -r labelsTs | correlate -m mean,aurc,augrc -x class_entropy > two.tsv
awk -F '\t' '$1 == 2' curves/by-checkpoint.tsv | cut -f 2- > two.curve
sed 1d two.tsv | diff - two.curve
# the last cycle is all members, as the last checkpoint is
tail -n 3 curves/by-cycle.tsv > a
tail -n 3 curves/by-checkpoint.tsv | diff a -

head -c 100000 all.frames > cut.frames
if member-curve labelsTs broken < cut.frames 2> err; then exit 1; fi
[ ! -e broken/by-cycle.tsv ]
[ ! -e broken/subsets.tsv ]
[ -s err ]
for options in '' 'labelsTs' '-z labelsTs x' '-x'; do
	status=0
	# shellcheck disable=SC2086 # words
	member-curve $options < all.frames 2> err || status=$?
	[ "$status" -eq 2 ]
done
