# golden: what the tests of the two golden data sets share; from images to scores, compared with what nnU-Net and the
# reference scores computed.  Sourced.
[ -d "$SHARED/golden/uncertainty" ] || { echo "no $(basename "$SHARED")/golden"; exit 77; }

# table MODEL DATA COMMAND OPTION ...: COMMAND passes the members on
table() {
	model=$1 data=$2 command=$3
	shift 3
	decode "$data/imagesTs" | normalize "$model" | infer-checkpoint "$@" "$model"/fold_0/checkpoint_[0-9]*.pth | $command |
		average-probs -m total_entropy,t_test | entropy | contour-norm | score -r "$data/labelsTs"
}
# correlates TABLE CASES FINITE PEARSON SPEARMAN
correlates() {
	[ $(($(wc -l < "$1") - 1)) -eq "$2" ]
	correlate < "$1" | awk -F '\t' -v name="$1" -v finite="$3" -v pearson="$4" -v spearman="$5" '
		function off(a, b) { return a - b > 0.005 || b - a > 0.005 }
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "class_entropy" {
			found = 1
			printf "note: %s: n %d, Pearson %.4f, Spearman %.4f\n", name, $at["n"], $at["pearson"], $at["spearman"]
			if ($at["n"] != finite || off($at["pearson"], pearson) || off($at["spearman"], spearman)) exit 1
		}
		END { if (!found) exit 1 }'
}
