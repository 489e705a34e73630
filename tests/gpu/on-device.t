# Kernels on a GPU give what plain loops give (gpu/kernels and gpu/tail show it on the processor).
# release only: the sanitizers do not look into a GPU
# shellcheck disable=SC2034,SC2154 # for and of device.sh
needs=gpu
. "$TESTS/gpu/device.sh"
[ "$device" = gpu ] || { echo 'nvcc has made these kernels: they run on a GPU alone'; exit 77; }
for t in kernels tail; do
	"$BUILD/on-device/$t" > out 2>&1 || { echo "$t:"; cat out; exit 1; }
	grep '^note: ' out || echo "note: $t"
done
