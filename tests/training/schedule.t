# Learning rates and kept epochs: nnU-Net's decay, documented cycles, UnnUNet's code; the contract's examples and the rates of the
# golden models.
rates() { train-checkpoints -n --keep none "$@" | cut -f 3 | tail -n +2; }
at() { printf '%s\n' "$(sed -n "$(($1 + 1))p")"; }
kept() { train-checkpoints -n "$@" | awk -F '\t' 'NR > 1 && $4 != "" { print $4 }' | tr '\n' ' '; }
close_to() { awk -v a="$1" -v b="$2" 'BEGIN { d = a / b - 1; exit !(d < 1e-5 && d > -1e-5) }' || { echo "rate $1, not $2: $3"; exit 1; }; }
equals() { [ "$1" = "$2" ] || { echo "kept $1, not $2: $3"; exit 1; }; }

# nnU-Net: 0.01 (1 - t / 1000)^0.9
rates --epochs 1000 --cycles 1 > poly
close_to "$(at 0 < poly)" 0.01 'poly, epoch 0'
close_to "$(at 500 < poly)" 0.00535887 'poly, epoch 500'
close_to "$(at 999 < poly)" 1.99526e-05 'poly, epoch 999'

# As coded, several cycles and one.
rates --epochs 1200 --cycles 3 --as-coded > three
for pair in 0:0.1 1:0.0099925 200:0.00848674 320:0.00756435 399:0.00756435 400:0.1 401:0.0099925 800:0.1; do
	close_to "$(at "${pair%:*}" < three)" "${pair#*:}" "as coded, 3 cycles, epoch ${pair%:*}"
done
rates --epochs 1200 --cycles 1 --as-coded > one
for pair in 0:0.1 600:0.0535887 1199:1.69330e-4; do
	close_to "$(at "${pair%:*}" < one)" "${pair#*:}" "as coded, 1 cycle, epoch ${pair%:*}"
done

# Documented: a cycle decays by its own length and stays from gamma of it on.
rates --epochs 1200 --cycles 3 > three
for pair in 0:0.1 1:0.00997750 200:0.00535887 320:0.00234924 399:0.00234924 400:0.1 720:0.00234924; do
	close_to "$(at "${pair%:*}" < three)" "${pair#*:}" "3 cycles, epoch ${pair%:*}"
done
rates --epochs 1200 --cycles 3 --gamma 0.5 --rate 0.02 --restart-rate 0.2 > other
for pair in 0:0.2 1:0.0199550 200:0.0107177 399:0.0107177 800:0.2; do
	close_to "$(at "${pair%:*}" < other)" "${pair#*:}" "other options, epoch ${pair%:*}"
done

# Kept epochs.
list() { for e; do printf 'checkpoint_%d.pth ' "$e"; done; }
equals "$(kept --epochs 1200 --cycles 3)" "$(list $(seq 390 399) $(seq 790 799) $(seq 1190 1199))" late
equals "$(kept --epochs 60 --cycles 3 --late 3)" "$(list 17 18 19 37 38 39 57 58 59)" 'late 3'
equals "$(kept --epochs 1200 --cycles 3 --keep sparse)" \
	"$(list 280 303 327 351 375 399 680 703 727 751 775 799 1080 1103 1127 1151 1175 1199)" sparse
equals "$(kept --epochs 400 --cycles 1 --keep both)" "$(list 280 303 327 351 375 $(seq 390 399))" both
equals "$(kept --epochs 8 --cycles 2)" "$(list 0 1 2 3 4 5 6 7)" 'cycles shorter than late'
equals "$(kept --epochs 8 --cycles 2 --keep none)" '' none
equals "$(kept --epochs 1200 --cycles 3 --as-coded)" "$(list $(seq 389 398) $(seq 789 798) $(seq 1189 1198))" 'late as coded'
equals "$(kept --epochs 30 --cycles 3 --as-coded)" "$(list $(seq 0 29))" 'late as coded, short cycles'
apart() { kept --as-coded --keep both "$@" | tr ' ,' '\n\n' | sed -n 's/^e_checkpoint_\([0-9]*\).pth/\1/p' | tr '\n' ' '; }
equals "$(apart --epochs 1200 --cycles 3)" '272 672 1072 ' 'both as coded, 3 cycles'
equals "$(apart --epochs 1200 --cycles 4)" '202 502 802 1102 ' 'both as coded, 4 cycles'
equals "$(apart --epochs 1000 --cycles 1)" '692 743 794 846 897 948 ' 'both as coded, 1 cycle'

for model in phantom_2d:60:3 sunnybrook_2d:45:3; do
	file=$SHARED/golden/models/${model%%:*}/fold_0/learning_rates.txt
	[ -f "$file" ] || continue
	epochs=${model#*:} cycles=${model##*:}
	rates --epochs "${epochs%:*}" --cycles "$cycles" | awk '{ printf "%.5f\n", $1 }' > ours
	awk '{ printf "%.5f\n", $1 }' "$file" | diff - ours
done

# What cannot be.
for wrong in '--epochs 10 --cycles 3' '--as-coded --keep sparse' '--keep some' '--gamma 2' '--cycles 0'; do
	status=0
	# shellcheck disable=SC2086 # words
	train-checkpoints -n $wrong > out 2> err || status=$?
	[ "$status" -eq 2 ] || { echo "$wrong: status $status"; exit 1; }
	[ ! -s out ]
	[ "$(wc -l < err)" -eq 1 ]
done
