# device: the plugin that a test uses.  Sourced.  $device says which: "gpu" where there is one and a plugin for it, else "imitated", on
# which small things alone are computed, and in tests with needs=gpu none unless it is asked for (DEVICE=imitated).
# $python has numpy and msgpack.
python=${PYTHON:-/usr/bin/python3}
if [ "${DEVICE:-}" != imitated ] && { [ -r /proc/driver/nvidia/version ] || [ -e /dev/nvidia0 ]; } && [ -e "$BIN/cuda.so" ]; then
	device=gpu
	export QUALM_CUDA_PLUGIN="$BIN/cuda.so"
else
	device=imitated
	export QUALM_CUDA_PLUGIN="$BUILD/imitated.so"
fi
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$PWD/cache}"           # plans are chosen once for all tests where the caller says so

[ "$device" = gpu ] || [ "${needs:-}" != gpu ] || [ "${DEVICE:-}" = imitated ] || { echo 'no GPU, or no plugin for it (cuda.so)'; exit 77; }
