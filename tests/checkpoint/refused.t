# infer-checkpoint ends with status 3 and one line naming the file and the cause; nothing in the file is executed.
model=$SHARED/golden/models/phantom_2d
[ -d "$model" ] || { echo "no golden models (../shared is not there)"; exit 77; }
mkdir -p MODEL/fold_0
cp "$model"/plans.json "$model"/dataset.json MODEL
cp "$model"/fold_0/checkpoint_59.pth MODEL/fold_0
chmod -R u+w MODEL
/usr/bin/python3 "$TESTS/checkpoint/files.py"
set -- "$SHARED"/golden/phantom/imagesTs/*.png
decode "$1" | normalize MODEL > case.frames
infer-checkpoint MODEL/fold_0/checkpoint_59.pth < case.frames > out.frames

refuse() {      # FILE CAUSE
	mv "$1" MODEL/fold_0/
	status=0
	infer-checkpoint "MODEL/fold_0/$1" < case.frames > out.frames 2> err || status=$?
	[ $status -eq 3 ] || { echo "$1: status $status"; cat err; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "$1: not one line:"; cat err; exit 1; }
	grep -qF "$1" err || { echo "$1: not named:"; cat err; exit 1; }
	grep -qF "$2" err || { echo "$1: expected '$2':"; cat err; exit 1; }
	[ ! -e executed ] || { echo "$1: was executed"; exit 1; }
}
refuse bad-system-2.pth posix.system
refuse bad-system-4.pth posix.system
refuse bad-legacy-eval-4.pth builtins.eval
refuse bad-inst.pth INST
refuse bad-unknown-opcode.pth 0xff
refuse bad-past-the-end.pth encoder.a.bias
refuse bad-no-weights.pth network_weights
head -c 500000 "$model/fold_0/checkpoint_59.pth" > cut.pth
refuse cut.pth zip
# Were the first one loaded by Python, it would run: the test's own check.
/usr/bin/python3 -c 'import pickle, zipfile
try: pickle.loads(zipfile.ZipFile("MODEL/fold_0/bad-system-4.pth").read("archive/data.pkl"))
except Exception: pass'
[ -e executed ] || { echo "the malicious file does nothing even in Python"; exit 1; }
