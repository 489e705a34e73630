# compute-sanitizer finds neither a fault of memory nor a race in the kernels, which run here without cuDNN's.
# release only: the sanitizers do not look into a GPU
# shellcheck disable=SC2034,SC2154 # for and of device.sh
needs=gpu
. "$TESTS/gpu/device.sh"
[ "$device" = gpu ] || { echo 'compute-sanitizer looks into a GPU alone'; exit 77; }
sanitizer=${COMPUTE_SANITIZER:-$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)}
[ -x "$sanitizer" ] || { echo 'no compute-sanitizer'; exit 77; }
for tool in memcheck racecheck; do
	for t in tail kernels; do
		status=0
		timeout 15 "$sanitizer" --tool "$tool" --error-exitcode 9 "$BUILD/on-device/$t" > out 2>&1 || status=$?
		if grep -qi 'device not supported' out; then
			echo "compute-sanitizer does not know this machine: $(grep -i -m 1 'device not supported' out)"
			exit 77
		fi
		case $status in
		0) echo "note: $tool of $t: $(grep -i 'summary' out | tail -n 1 | tr -d =)" ;;
		124) echo "note: $tool of $t: nothing found in 15 s, in which it did not end" ;;
		*) echo "$tool of $t, status $status:"; head -n 40 out; exit 1 ;;
		esac
	done
done
