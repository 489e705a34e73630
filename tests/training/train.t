# train: the files of a fold, the same network as the programs by hand, stopped and continued, the folders of nnU-Net's variables.
make-training
mkdir preprocessed
mv pre preprocessed/Dataset506_Phantom
pre=preprocessed/Dataset506_Phantom set=raw/Dataset506_Phantom
nnUNet_raw=$PWD/raw nnUNet_preprocessed=$PWD/preprocessed nnUNet_results=$PWD/models
export nnUNet_raw nnUNet_preprocessed nnUNet_results
short='--epochs 4 --cycles 2 --late 1 --iterations 2 --val-iterations 1 --save-every 1'
# shellcheck disable=SC2086 # words
train 506 2d 0 $short > said
model=models/Dataset506_Phantom/nnUNetTrainer__nnUNetPlans__2d
ls $model/fold_0 | tr '\n' ' ' | grep -qx 'checkpoint_1.pth checkpoint_3.pth checkpoint_best.pth checkpoint_final.pth training_log.tsv validation '
for case in $(/usr/bin/python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))[0]["val"])' $pre/splits_final.json); do
	[ -f "$model/fold_0/validation/$case.png" ]
	grep -q "/$case.png" $model/fold_0/validation/summary.json
done
[ "$(grep -c '^phantom_' said)" -eq 3 ]

# By hand.
sample-patches --validation -c 2d -i 1 --epochs 4 -o $pre $set > checks
sample-patches -c 2d -i 2 --epochs 4 -o $pre $set | augment |
	train-checkpoints --validation checks -c 2d --epochs 4 --cycles 2 --late 1 -o hand $pre
for f in 1 3 best final; do checkpoints compare $model/fold_0/checkpoint_$f.pth hand/fold_0/checkpoint_$f.pth > differences; done

# Stopped after its first epoch, and continued in two further steps.
# shellcheck disable=SC2086
train Phantom 2d 0 $short -o again --no-val 2> /dev/null &
until [ -f again/fold_0/checkpoint_latest.pth ] || [ -f again/fold_0/checkpoint_final.pth ]; do sleep 0.05; done
kill $! 2> /dev/null || true            # it may be done by now
status=0
wait $! || status=$?
[ "$status" -eq 130 ] || [ "$status" -eq 0 ]    # 0: it was too fast
# shellcheck disable=SC2086
train Dataset506_Phantom 2d 0 $short -o again --no-val --c 2> /dev/null
checkpoints compare $model/fold_0/checkpoint_final.pth again/fold_0/checkpoint_final.pth > differences
# shellcheck disable=SC2086
train ./$set 2d 0 $short -o again --c 2> /dev/null > resaid
diff said resaid

# What is missing is said in one line.
refused() {
	want=$1
	shift
	status=0
	train "$@" > out 2> err || status=$?
	[ "$status" -eq "$want" ] || { echo "$*: status $status: $(cat err)"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] || { cat err; exit 1; }
}
refused 2 506 2d
refused 2 506 2d first
refused 2 506 2d 0 --val -c
refused 3 507 2d 0
refused 3 506 2d 0 -p other
refused 3 506 2d 3 --val

# Its picture.
plot training $model/fold_0/training_log.tsv t.svg
for text in training validation 'moving average' LV myocardium kept pseudo-Dice; do grep -q ">$text" t.svg; done
head -n 2 $model/fold_0/training_log.tsv > first.tsv
plot training first.tsv first.svg       # an epoch alone: its points, beside those of the keys
[ "$(grep -o "href='#gpPt" first.svg | wc -l)" -gt 12 ]
cut -f 1-4,8- $model/fold_0/training_log.tsv > cut.tsv
status=0
plot training cut.tsv t.svg 2> err || status=$?
[ "$status" -eq 3 ]
status=0
plot training scores.tsv none.svg 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(wc -l < err)" -eq 1 ]
[ ! -e none.svg ]
