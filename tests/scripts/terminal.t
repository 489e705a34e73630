# On a terminal nothing stands on the line of progress: not the rows of a table, nor a message, nor, after Ctrl-C, the shell's prompt.
# release only: it looks at what is written, nothing else
make-training
mkdir maps
cp labelsTs/* maps
cp MODEL/dataset.json maps
lines() { script -qec "$1" /dev/null < /dev/null | tr '\r' '\n' > shown || true; }
lines 'evaluate -l labelsTs maps'
grep -q 'cases, .* left' shown
for case in labelsTs/*; do grep -q "^$(basename "$case" .png)	1" shown; done
head -c 100 maps/phantom_001.png > part && mv part maps/phantom_001.png
lines 'evaluate -k -l labelsTs maps'
grep -q '^evaluate: phantom_001' shown
lines 'sample-patches -c 2d -o pre raw/Dataset506_Phantom'     # refused before the work, not after it
grep -q '^sample-patches: standard output is a terminal' shown
if grep -q ' cases, ' shown; then exit 1; fi
lines 'train raw/Dataset506_Phantom 2d 0 --preprocessed pre -o model --epochs 900 --iterations 2 --val-iterations 0 &
	until [ -f model/fold_0/training_log.tsv ]; do sleep 0.05; done; sleep 0.2; kill $!; wait'
grep -q 'iterations, .*epoch [0-9]* of 900, rate' shown
[ -z "$(tail -n 1 shown)" ]
