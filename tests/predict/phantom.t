# predict on a 2D model: what it writes is what the pipeline makes; data sets by number and name; parts; going on.
# release only: what it runs many times, other tests run under the sanitizers
phantom=$TESTS/phantom model=results/Dataset506_Phantom/nnUNetTrainer__nnUNetPlans__2d
mkdir -p images "$model/fold_0" "$model/fold_1" results/Dataset507_Other_Phantom
cp "$phantom"/imagesTs/phantom_00[0-4]_0000.png images
cp "$phantom"/model/*.json "$model"
cp "$phantom/model/fold_0/checkpoint_59.pth" "$model/fold_0/checkpoint_final.pth"
cp "$phantom/model/fold_0/checkpoint_39.pth" "$model/fold_1/checkpoint_final.pth"
cp "$phantom/model/fold_0/checkpoint_38.pth" "$model/fold_1/checkpoint_best.pth"
export nnUNet_results=results

# names FOLDER: what lies in it, first what is no result of a case
names() { (cd "$1" && find . -name '*.json' | sort && find . -type f ! -name '*.json' | sort) | sed 's|^\./||' | tr '\n' ' '; }
beside='dataset.json plans.json predict_from_raw_data_args.json '
labels='phantom_000.png phantom_001.png phantom_002.png phantom_003.png phantom_004.png '

# One pipeline says what is right.
decode images | normalize "$model" > in.frames
infer-checkpoint --average-logits "$model"/fold_[01]/checkpoint_final.pth < in.frames | segment | encode -o wanted -L label,probs
rm wanted/dataset.json
predict -i images -o both -d 506 -c 2d -f 0 1 --save_probabilities > said 2>&1
[ ! -s said ]
for file in wanted/*; do cmp "$file" "both/${file##*/}"; done
cmp "$model/plans.json" both/plans.json
cmp "$model/dataset.json" both/dataset.json
[ "$(ls -A both | wc -l)" -eq $((15 + 3)) ] || { names both; exit 1; }

if [ "${BUILD%asan}" = "$BUILD" ]; then         # what the sanitizers see is the same for all options of the script
	# Other spellings of the same; a trailing slash; options that nnU-Net has and that change nothing here.
	for spelling in '-d Phantom -c 2d' '-d Dataset506_Phantom -c 2d' "-m $model" "-m $model/ -npp 1 -nps 1 --not_on_device -device cpu --disable_progress_bar"; do
		# shellcheck disable=SC2086 # words
		predict $spelling -f 0 1 -i images/ -o out
		[ "$(names out)" = "$beside$labels" ] || { names out; exit 1; }
		for file in wanted/*.png; do cmp "$file" "out/${file##*/}"; done
		rm -r out
	done
	# Options reach the network: each gives another result, that of the pipeline.
	# $1: options of infer-checkpoint, $2: its checkpoints, rest: options of predict
	differs() {
		options=$1 checkpoints=$2
		shift 2
		# shellcheck disable=SC2086 # words
		infer-checkpoint $options --average-logits $checkpoints < in.frames | encode -o wanted.npz -L probs
		predict -i images -m "$model" -o out --save_probabilities "$@"
		for file in wanted.npz/*.npz; do cmp "$file" "out/${file##*/}"; done
		if cmp -s both/phantom_000.npz out/phantom_000.npz; then echo "$* changes nothing"; exit 1; fi
		rm -r out wanted.npz
	}
	differs '' "$model/fold_0/checkpoint_final.pth" -f 0
	differs '' "$model/fold_1/checkpoint_best.pth" -f 1 -chk checkpoint_best.pth
	differs --disable-tta "$model/fold_0/checkpoint_final.pth $model/fold_1/checkpoint_final.pth" --disable_tta -f 0 1
	differs --parity "$model/fold_0/checkpoint_final.pth $model/fold_1/checkpoint_final.pth" -f 0 1 --parity
	differs '--step-size 0.3' "$model/fold_0/checkpoint_final.pth $model/fold_1/checkpoint_final.pth" -step_size 0.3 -f 0 1
	mv "$model/fold_1" "$model/fold_all"
	differs '' "$model/fold_all/checkpoint_final.pth" -f all
	mv "$model/fold_all" "$model/fold_1"
fi

# Parts are every other case; together they are the whole.
predict -m "$model" -i images -o parts -f 0 1 -num_parts 2 -part_id 1
[ "$(names parts)" = "${beside}phantom_001.png phantom_003.png " ]
predict -m "$model" -i images -o parts -f 0 1 -num_parts 2 -part_id 0
[ "$(names parts)" = "$beside$labels" ]
for file in wanted/*.png; do cmp "$file" "parts/${file##*/}"; done
predict -m "$model" -i images -o none -f 0 1 -num_parts 9 -part_id 7       # a part without a case is done
[ "$(names none)" = "$beside" ]

# Going on: what is whole is not touched, what is damaged, empty or missing is made again.
touch -d 2001-01-01 parts/*
rm parts/phantom_000.png
head -c 60 parts/phantom_001.png > short && mv short parts/phantom_001.png
: > parts/phantom_002.png
predict -m "$model" -i images -o parts -f 0 1 --continue_prediction 2> err
[ ! -s err ]
for file in wanted/*.png; do cmp "$file" "parts/${file##*/}"; done
[ "$(cd parts && find . -name '*.png' -newermt 2002-01-01 | sort | tr '\n' ' ')" = './phantom_000.png ./phantom_001.png ./phantom_002.png ' ]
touch -d 2001-01-01 parts/*
predict -m "$model" -i images -o parts -f 0 1 --c
[ -z "$(find parts -name '*.png' -newermt 2002-01-01)" ]
predict -m "$model" -i images -o parts -f 0 1                           # without the option all is made again
[ "$(find parts -name '*.png' -newermt 2002-01-01 | wc -l)" -eq 5 ]
# With probabilities, these have to be whole as well, with the .pkl beside them.
touch -d 2001-01-01 both/*
rm both/phantom_000.npz both/phantom_001.pkl
head -c 9000 both/phantom_003.npz > short && mv short both/phantom_003.npz
predict -m "$model" -i images -o both -f 0 1 --continue_prediction --save_probabilities
for file in wanted/*; do cmp "$file" "both/${file##*/}"; done
[ "$(cd both && find . -name '*.npz' -newermt 2002-01-01 | sort | tr '\n' ' ')" = './phantom_000.npz ./phantom_001.npz ./phantom_003.npz ' ]

# A case that cannot be read is named and ends in 3; the others are there, and nothing partial.
cp -r images some
head -c 3000 images/phantom_002_0000.png > some/phantom_002_0000.png
status=0
predict -m "$model" -i some -o some.out -f 0 1 2> err || status=$?
[ "$status" -eq 3 ]
[ "$(wc -l < err)" -eq 1 ]
grep -q 'phantom_002.*truncated' err
[ "$(names some.out)" = "${beside}phantom_000.png phantom_001.png phantom_003.png phantom_004.png " ]
/usr/bin/python3 -c 'import json, sys; a = json.load(open(sys.argv[1])); assert a["num_parts"] == 1 and a["overwrite"] is True and a["folder_with_segs_from_prev_stage"] is None and a["list_of_lists_or_source_folder"] == "some" and len(a) == 9' \
	some.out/predict_from_raw_data_args.json

# A trainer that nnU-Net does not ship is no obstacle.
/usr/bin/python3 "$TESTS/network/model.py" results/Dataset001_Small/nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__2d \
	file=fold_0/checkpoint_final.pth trainer=nnUNetTrainer_4000epochs_NoMirroring 2> err || { tail -n 1 err; exit 1; }
small=results/Dataset001_Small/nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__2d
predict -d 1 -c 2d -tr nnUNetTrainer_4000epochs_NoMirroring -f 0 -i "$small/images" -o small 2> err
[ ! -s err ]
[ "$(find small -name 'case_*' | wc -l)" -gt 0 ]
