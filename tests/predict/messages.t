# What predict refuses: one line that names what is wrong and what is there, the status, and nothing written.
phantom=$TESTS/phantom model=results/Dataset506_Phantom/nnUNetTrainer__nnUNetPlans__2d
mkdir -p images empty "$model/fold_0" results/Dataset507_Heart results/Dataset508_Heart results/Dataset506_Phantom/nnUNetTrainer__big__3d_fullres
cp "$phantom"/imagesTs/phantom_000_0000.png images
cp "$phantom"/model/*.json "$model"
cp "$phantom/model/fold_0/checkpoint_59.pth" "$model/fold_0/checkpoint_final.pth"

# refused STATUS TEXT ARGUMENT ...
refused() {
	want=$1 text=$2 status=0
	shift 2
	predict "$@" > said 2> err || status=$?
	[ "$status" -eq "$want" ] || { echo "'predict $*' ended with $status, not $want: $(cat err)"; exit 1; }
	[ "$(wc -l < err)" -eq 1 ] && [ ! -s said ] || { echo "'predict $*' says: $(cat err said)"; exit 1; }
	grep -qF -- "$text" err || { echo "'predict $*' says: $(cat err), not: $text"; exit 1; }
	[ ! -e out ] || [ -z "$(find out -name '*.png')" ] || { echo "'predict $*' leaves: $(ls out)"; exit 1; }
	rm -rf out
}
refused 3 'nnUNet_results is not set' -i images -o out -d 506 -c 2d
export nnUNet_results=none
refused 3 'none is not a folder' -i images -o out -d 506 -c 2d
nnUNet_results=results
refused 3 "no data set '4' in results (there: Dataset506_Phantom Dataset507_Heart" -i images -o out -d 4 -c 2d
refused 3 "no data set '50'" -i images -o out -d 50 -c 2d
refused 3 "no data set 'hantom'" -i images -o out -d hantom -c 2d
refused 3 "no data set 'Dataset506'" -i images -o out -d Dataset506 -c 2d
refused 3 'Dataset507_Heart Dataset508_Heart' -i images -o out -d Heart -c 2d
refused 3 'nnUNetTrainer__nnUNetPlans__3d_lowres (there: nnUNetTrainer__big__3d_fullres nnUNetTrainer__nnUNetPlans__2d)' -i images -o out -d 506 -c 3d_lowres
refused 3 'lacks fold_1/checkpoint_final.pth fold_2/checkpoint_final.pth fold_3/checkpoint_final.pth fold_4/checkpoint_final.pth (there: fold_0;' \
	-i images -o out -d 506 -c 2d
refused 3 'lacks fold_all/checkpoint_final.pth' -i images -o out -m "$model" -f 0 all
refused 3 'lacks fold_0/checkpoint_best.pth' -i images -o out -m "$model" -f 0 -chk checkpoint_best.pth
refused 3 'empty holds no images CASE_0000.png' -i empty -o out -m "$model" -f 0
refused 3 'nowhere is not a folder' -i nowhere -o out -m "$model" -f 0
refused 3 'nowhere is not a folder' -i images -o out -m "$model" -f 0 -prev_stage_predictions nowhere
refused 3 'it has no plans.json' -i images -o out -m empty -f 0
refused 2 '-part_id 2 is not below -num_parts 2' -i images -o out -m "$model" -f 0 -num_parts 2 -part_id 2
refused 2 'has no previous stage' -i images -o out -m "$model" -f 0 -prev_stage_predictions images
refused 2 '--step-size' -i images -o out -m "$model" -f 0 -step_size 3
refused 2 "-step_size: 'half'" -i images -o out -m "$model" -f 0 -step_size half
refused 2 "neither a number nor all" -i images -o out -m "$model" -f first
refused 2 '-f needs a value' -i images -o out -m "$model" -f
refused 2 "none of cuda|cpu|mps" -i images -o out -m "$model" -f 0 -device tpu
refused 2 '-o OUT is missing' -i images -m "$model"
refused 2 '-i IMAGES is missing' -o out -m "$model"
refused 2 'a model is missing' -i images -o out
refused 2 'give one' -i images -o out -m "$model" -d 506 -c 2d
refused 2 '-c CONFIGURATION is missing' -i images -o out -d 506
refused 2 "unknown option '--overwrite'" -i images -o out -m "$model" --overwrite
refused 2 "'word' belongs to no option" -i images -o out -m "$model" --verbose word
head -c 5000 "$phantom/model/fold_0/checkpoint_59.pth" > "$model/fold_0/checkpoint_final.pth"
refused 3 'fold_0/checkpoint_final.pth' -i images -o out -m "$model" -f 0
predict -h | grep -q '^usage: predict'

# A full disk is status 4; an interrupt ends all processes with 130 and leaves whole files only.
cp "$phantom/model/fold_0/checkpoint_59.pth" "$model/fold_0/checkpoint_final.pth"
status=0
predict -i images -o images/phantom_000_0000.png/out -m "$model" -f 0 2> err || status=$?
[ "$status" -eq 4 ]
for copy in a b c d e f g h i j k l m n o p q r s t; do cp images/phantom_000_0000.png "images/${copy}_0000.png"; done
predict -i images -o stopped -m "$model" -f 0 -step_size 0.1 -j 1 2> err &
pid=$!
for _ in $(seq 600); do
	[ "$(find stopped -name '*.png' 2> /dev/null | wc -l)" -lt 1 ] || break
	sleep 0.1
done
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ "$status" -eq 130 ] || { echo "interrupted: $status"; cat err; exit 1; }
sleep 0.5
for process in /proc/[0-9]*; do
	[ "$(readlink "$process/cwd")" != "$PWD" ] || case $(cat "$process/comm" 2> /dev/null) in
	decode|normalize|infer-checkpoi*|segment|encode|predict) echo "a process is left: $(tr '\0' ' ' < "$process/cmdline")"; exit 1 ;;
	esac
done
[ "$(find stopped -name '*.png' | wc -l)" -lt 21 ]
decode -l stopped/*.png > whole.frames
[ -z "$(find stopped -name '.*' -type f)" ]
