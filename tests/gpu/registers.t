# No kernel keeps registers in memory, none needs more than 64 of them.
for f in kernels tail; do
	log=$BUILD/obj/filters/infer-checkpoint/cuda/$f.ptxas
	[ -s "$log" ] || { echo 'the kernels were not compiled: nvcc is not here'; exit 77; }
	# Of each kernel and capability: "N bytes stack frame, N bytes spill stores, N bytes spill loads", "Used N registers, ..."
	awk '
	/bytes stack frame/ { frames++; if ($1 || $5 || $9) { print; bad = 1 } }
	/Used [0-9]+ registers/ { for (i = 1; i < NF; i++) if ($i == "Used") { used++; if ($(i + 1) > 64) { print; bad = 1 } } }
	END { print FILENAME ": " used " kernels"; exit bad || !used || used != frames }' "$log"
done
