# The CPU kernels and the engine are right on other processors: one with aarch64's instructions and, where this is x86-64, older
# ones that have those of the first level only, and of the third.
# release only: what an emulator runs is not what the sanitizers watch
skip() { echo "$1"; exit 77; }
emulator() { command -v "qemu-$1-static" || command -v "qemu-$1"; }

# right SETS FOLDER EMULATOR ...: the tests of FOLDER pass and use these instruction sets.
right() {
	sets=$1 folder=$2
	shift 2
	for t in kernels pointwise 'cpu 4'; do
		# shellcheck disable=SC2086 # a test and its argument
		"$@" "$folder"/$t > out 2> err || { echo "$t under $*:"; cat out err; exit 1; }
		[ "$(sed -n 's/^note: \([a-z0-9]*\): .*/\1/p' out | tr '\n' ' ')" = "$sets " ] || { echo "$t under $*: not $sets:"; cat out; exit 1; }
	done
}

if [ "$(uname -m)" = x86_64 ]; then
	qemu=$(emulator x86_64) || skip 'no emulator of x86-64 (qemu-user-static)'
	right base "$BUILD/tests/network" "$qemu" -cpu Nehalem
	right 'base v3' "$BUILD/tests/network" "$qemu" -cpu Haswell
fi
qemu=$(emulator aarch64) || skip 'no emulator of aarch64 (qemu-user-static)'
command -v aarch64-linux-gnu-gcc > cc || skip 'no compiler for aarch64 (gcc-aarch64-linux-gnu)'
env -u MAKEFLAGS make -s -C "$TOP" CC=aarch64-linux-gnu-gcc CPPFLAGS='' CFLAGS='' LDFLAGS='' LDLIBS='' B="$BUILD-aarch64" bare
right base "$BUILD-aarch64/bare" "$qemu"
