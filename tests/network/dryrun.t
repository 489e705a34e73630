# What a run would do and need is told without doing it, and what would make it fail fails.
model=$TESTS/network/model.py
for i in 1 2; do /usr/bin/python3 "$model" small/a seed=$i file=fold_$i/checkpoint_final.pth; done
decode small/a/images | normalize small/a > in.frames
infer-checkpoint --dry-run small/a/fold_*/*.pth < in.frames > report 2> err
[ ! -s err ]
[ "$(cut -f 1 report | tr '\n' ' ')" = 'configuration network patch backend checkpoint checkpoint window memory case case ' ]
grep -q '^network	PlainConvUNet, 3 stages of 4 to 8 features' report
grep -qE '^case	case_1	[1-9][0-9]* windows	[1-9][0-9]* MiB	[0-9.e+-]+ s$' report
# As many windows as a patch of 16x24 takes.
windows=$(sed -n 's/^case	case_0	\([0-9]*\) windows.*/\1/p' report)
narrow=$(infer-checkpoint --dry-run --step-size 0.25 small/a/fold_1/*.pth < in.frames | sed -n 's/^case	case_0	\([0-9]*\) windows.*/\1/p')
[ "$windows" -gt 1 ]
[ "$narrow" -gt "$windows" ]

status=0
infer-checkpoint --dry-run --memory 20K small/a/fold_1/*.pth < in.frames > report 2> err || status=$?
[ "$status" -eq 3 ]
grep -q -- '--memory' err
decode small/a/images > raw.frames
status=0
infer-checkpoint -k --dry-run small/a/fold_1/*.pth < raw.frames > report 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(grep -c 'not normalised' err)" -eq 2 ]
status=0
infer-checkpoint --dry-run small/a/fold_1/*.pth < in.frames > /dev/full 2> err || status=$?
[ "$status" -eq 4 ]

# check: a folder of one configuration, one of several, and what is wrong with a checkpoint.
check small/a > one
[ "$(grep -c '^checkpoint' one)" -eq 2 ]
[ "$(grep -c '^network' one)" -eq 1 ]
cp -r small/a small/b
check small > both
[ "$(grep -c '^model' both)" -eq 2 ]
[ "$(grep -c '^checkpoint' both)" -eq 4 ]
/usr/bin/python3 "$model" small/b drop=encoder.stages.1.0.convs.0.conv.weight file=fold_2/checkpoint_final.pth
status=0
check small > both 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(grep -c '^checkpoint' both)" -eq 3 ]
grep -q 'small/b/fold_2/checkpoint_final.pth: weight .* is missing' err
for nothing in small/a/images nowhere; do
	status=0
	check $nothing > out 2> err || status=$?
	[ "$status" -eq 3 ]
	grep -q "$nothing" err
done
rm -r small/a/fold_*
status=0
check small/a > out 2> err || status=$?
[ "$status" -eq 3 ]
grep -q 'there is no fold' err
status=0
check > out 2> err || status=$?
[ "$status" -eq 2 ]
