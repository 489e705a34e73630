# environment: of check-gpu and bench-gpu.  Sourced with $build set.  $python: with numpy and msgpack; $torch: with PyTorch, or empty;
# $gpu: empty where there is none; $results: where the table and the page go; what the programs find cuDNN by.
build=$(cd "$build" && pwd)
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# has PYTHON MODULE ...: whether they are installed
has() {
	command -v "$1" > /dev/null && "$1" -c 'import sys, importlib.util as u; sys.exit(None in map(u.find_spec, sys.argv[1:]))' "$2" "${3:-$2}" 2> /dev/null
}
python='' torch=''
for p in ${PYTHON:-} python3 /usr/bin/python3; do
	[ "$python" ] || ! has "$p" numpy msgpack || python=$(command -v "$p")
	[ "$torch" ] || ! has "$p" torch || torch=$(command -v "$p")
done
[ "$python" ] || { echo "$(basename "$0"): no Python with numpy and msgpack (PYTHON=FILE names one)" >&2; exit 2; }
[ ! -d "$build/../shared" ] || SHARED=$(cd "$build/../shared" && pwd)
SHARED=${SHARED:-$top/../shared}
# cuDNN of a Python package, with what it opens itself, unless the system's loader knows one.
if ! ldconfig -p 2> /dev/null | grep -q 'libcudnn\.so\.9' && [ ! -e /usr/local/cuda/lib64/libcudnn.so.9 ]; then
	folders=$("$python" -c 'import glob, nvidia; print(":".join(f for p in nvidia.__path__ for f in sorted(glob.glob(p + "/*/lib"))))' 2> /dev/null || true)
	case $folders in
	*cudnn*) LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} && export LD_LIBRARY_PATH ;;
	*) echo "$(basename "$0"): cuDNN is not found; LD_LIBRARY_PATH can name the folder of libcudnn.so.9" >&2 ;;
	esac
fi
COMPUTE_SANITIZER=${COMPUTE_SANITIZER:-$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)}
XDG_CACHE_HOME=${XDG_CACHE_HOME:-$top/build/gpu-cache}          # plans are chosen once for all programs
PYTHON=$python
export PYTHON SHARED COMPUTE_SANITIZER XDG_CACHE_HOME
[ "${DEVICE:-}" != imitated ] || export QUALM_CUDA_PLUGIN="$build/imitated.so"
gpu=''
{ [ ! -r /proc/driver/nvidia/version ] && [ ! -e /dev/nvidia0 ]; } || gpu=yes
results=$top/tests/gpu
if [ ! "$gpu" ] || [ "${DEVICE:-}" ]; then
	results=$top/build/gpu-results
	echo "$(basename "$0"): no GPU is used: results, of what can be told without one, go to build/gpu-results" >&2
fi
mkdir -p "$results"
table() { "$python" "$top/tests/gpu/record.py" "$results" "$@"; }
