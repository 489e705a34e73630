# The plugin for CUDA: the program links nothing of it, one symbol leaves it, and the program has what it asks for; what cannot work
# is status 5 with one line, and with "auto" the processor computes.
phantom=$TESTS/phantom
checkpoint=$(find "$phantom/model" -name 'checkpoint_*.pth' | sort | tail -n 1)
mkdir images
find "$phantom/imagesTs" -name '*.png' | sort | head -n 1 | xargs -I '{}' cp '{}' images
decode images | normalize "$phantom/model" > in.frames

# refused PATTERN OPTION ...
refused() {
	pattern=$1 status=0
	shift
	infer-checkpoint "$@" "$checkpoint" < in.frames > out.frames 2> err || status=$?
	[ "$status" -eq 5 ] || { echo "$*: status $status instead of 5"; cat err; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "$*: not one line:"; cat err; exit 1; }
	grep -q "$pattern" err || { echo "$*: no '$pattern' in:"; cat err; exit 1; }
	[ ! -s out.frames ] || { echo "$*: something was written"; exit 1; }
}

# fallback PATTERN: auto takes cpu and says why with -v.
fallback() {
	infer-checkpoint -v -d auto "$checkpoint" < in.frames 2> err > auto.frames
	grep -q "$1" err || { echo "auto: no '$1' in:"; cat err; exit 1; }
	grep -q 'backend cpu' err
	/usr/bin/python3 "$TESTS/gpu/agree.py" auto.frames cpu.frames 1 0
}

if ldd "$BIN/infer-checkpoint" | grep -iE 'cuda|cudnn|nvidia'; then
	echo 'the program links CUDA'
	exit 1
fi
infer-checkpoint -d cpu "$checkpoint" < in.frames > cpu.frames

# exports FILE
exports() {
	nm -D --defined-only "$1" | awk '{ print $3 }' > exported
	echo qualm_plugin | cmp - exported
	nm -D --undefined-only "$1" | awk '$1 == "U" && $2 !~ /@/ { print $2 }' | sort > wanted    # sanitizers take the place of the library
	nm -D --defined-only "$BIN/infer-checkpoint" | awk '{ print $3 }' | sort > offered
	comm -23 wanted offered > missing
	[ "$FLAVOR" != release ] || [ ! -s missing ] || { echo "$1 asks for what the program has not:"; cat missing; exit 1; }
	grep -qx fail wanted
}
exports "$BUILD/imitated.so"
if [ -e "$BIN/cuda.so" ]; then
	exports "$BIN/cuda.so"
	if ldd "$BIN/cuda.so" | grep -iE 'cudnn|libcuda'; then
		echo 'the plugin does not look for cuDNN, it links it'
		exit 1
	fi
	if [ ! -e /proc/driver/nvidia/version ]; then
		QUALM_CUDA_PLUGIN=$BIN/cuda.so refused 'cuda: there is no NVIDIA driver' -d cuda
	fi
else
	echo 'note: cuda.so is not built here'
fi

export QUALM_CUDA_PLUGIN="$PWD/nothing.so"
refused 'there is no plugin for CUDA, .*/nothing.so' -d cuda
fallback 'there is no plugin for CUDA'
echo text > nothing.so
refused 'cannot load the plugin' -d cuda
sed 's/qualm_plugin/qualm_plugix/g' "$BUILD/imitated.so" > nothing.so
refused 'belongs to another build of this program (unknown, this is ' -d cuda
version=$(strings "$BUILD/imitated.so" | grep -E '^[0-9]+\.[0-9]+\.[0-9]+-[0-9]+$')
sed "s/$version/$(echo "$version" | tr 0-9 1-90)/g" "$BUILD/imitated.so" > nothing.so
refused 'belongs to another build of this program' -d cuda
fallback 'belongs to another build'

export QUALM_CUDA_PLUGIN="$BUILD/imitated.so"
refused 'there is one imitated GPU, 0' -d cuda:1
EMULATED_CUDNN='cuDNN is not there' refused 'cuda: cuDNN is not there' -d cuda
EMULATED_MEMORY=12288 refused 'the network needs [0-9]* MiB on imitated GPU for 8 images at a time, of which 12 MiB are free' -d cuda
EMULATED_MEMORY=12288 fallback 'of which 12 MiB are free'
refused 'cpu: it computes in fp32 and bf16' -d cpu --precision fp16
status=0
infer-checkpoint -d cuda:x "$checkpoint" < in.frames > out.frames 2> err || status=$?
[ "$status" -eq 2 ]
grep -q 'auto, cuda, cuda:N, cpu and ref are possible' err
