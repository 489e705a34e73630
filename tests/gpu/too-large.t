# A network that no GPU has memory for, 512^3 voxels at once in 8 positions (on the imitated device 128^3): status 5, and one line that says how much it takes.
# release only: what the imitated device runs is watched by the tests of its parts
# shellcheck disable=SC2034,SC2154 # for and of device.sh
. "$TESTS/gpu/device.sh"
edge=512 memory=100G
[ "$device" = gpu ] || edge=128 memory=4G
"$python" "$TESTS/network/model.py" model patch=$edge,$edge,$edge features=64,64 classes=2
status=0
infer-checkpoint --memory $memory -d cuda --precision fp32 model/fold_0/checkpoint_1.pth < /dev/null > out 2> err || status=$?
[ "$status" -eq 5 ] || { echo "status $status instead of 5:"; cat err; exit 1; }
[ "$(wc -l < err)" -eq 1 ] || { echo "not one line:"; cat err; exit 1; }
grep -qE '[0-9]+ [MG]iB' err || { echo "no amount of memory in:"; cat err; exit 1; }
echo "note: $device: $(cat err)"
