# The Makefile gives the results of the script, one by one by name; done is done, and what changed is made again.
# release only: what it runs many times, other tests run under the sanitizers
model=$TESTS/phantom/model
mkdir images
cp "$TESTS"/phantom/imagesTs/phantom_00[0-2]_0000.png images
run() { make -s -f "$TOP/scripts/experiment.mk" MODEL="$model" IMAGES=images LABELS="$TESTS/phantom/labelsTs" OUT=out -j 2 "$@"; }
run out/labels/phantom_001.png
[ "$(find out -type f | sort | tr '\n' ' ')" = 'out/labels/phantom_001.png out/mean/phantom_001.frames ' ]
run out/scores.tsv labels out/correlation.tsv out/pictures/phantom_002_panel.png
uncertainty -r "$TESTS/phantom/labelsTs" "$model" images script
cmp out/scores.tsv script/scores.tsv
diff -r out/labels script/labels
[ -s out/pictures/phantom_002_overlay.png ]
[ -s out/pictures/phantom_002_panel.png ]
[ "$(head -n 1 out/correlation.tsv | cut -f 1)" = score ]

run -q out/scores.tsv labels
touch images/phantom_000_0000.png
if run -q out/scores.tsv; then echo "a changed image changes nothing"; exit 1; fi
rm out/labels/phantom_000.png
run out/labels/phantom_000.png
cmp out/labels/phantom_000.png script/labels/phantom_000.png

# A damaged image fails its own results and leaves nothing under their names.
head -c 3000 images/phantom_001_0000.png > images/phantom_003_0000.png
if run -k out/scores.tsv 2> err; then exit 1; fi
[ ! -e out/scores/phantom_003.tsv ]
[ ! -e out/mean/phantom_003.frames ]
if make -s -f "$TOP/scripts/experiment.mk" IMAGES=images 2> err; then exit 1; fi
grep -q 'MODEL=FOLDER is needed' err
