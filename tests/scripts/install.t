# make install, staged: qualm finds the programs and the pages where they will be, in a PREFIX of its own and in /usr/local.
make -s -C "$TOP" FLAVOR="$FLAVOR" PREFIX="$PWD/opt" install
PATH=/usr/local/bin:/usr/bin:/bin
qualm=$PWD/opt/bin/qualm
[ "$($qualm --exec-path)" = "$PWD/opt/libexec/qualm" ]
$qualm -h > list
for f in "$TOP"/filters/*; do
	name=$(basename "$f" .c)
	grep -qE "^  $name +[a-zA-Z]" list || { echo "qualm -h does not list $name"; exit 1; }
	$qualm "$name" -h > /dev/null
done
$qualm uncertainty -h > /dev/null
$qualm -V | grep -q '^qualm '
for page in "$TOP"/man/*; do
	name=$(basename "$page")
	n=0
	for found in opt/share/man/man"${name##*.}"/"$name" opt/share/man/man"${name##*.}"/qualm-"$name"; do [ ! -f "$found" ] || n=$((n + 1)); done
	[ "$n" -eq 1 ] || { echo "$name is installed $n times"; exit 1; }
done
# References between pages lead somewhere.
sed -n 's/^\.Xr \(qualm[^ ]*\) \([1-9]\).*/\2 \1/p' opt/share/man/man*/* | sort -u | while read -r section name; do
	[ -f "opt/share/man/man$section/$name.$section" ] || { echo "a page refers to $name($section), which is not there"; exit 1; }
done
mandoc -T lint -W error opt/share/man/man*/* > lint || { cat lint; exit 1; }

# The whole pipeline from there, with an empty PATH but for the system's.
images=$TESTS/phantom/imagesTs/phantom_000_0000.png
$qualm decode "$images" | $qualm normalize "$TESTS/phantom/model" | $qualm infer-checkpoint "$TESTS"/phantom/model/fold_0/checkpoint_1[78].pth |
	$qualm average-probs | $qualm entropy | $qualm contour-norm | $qualm score > scores.tsv
[ "$(wc -l < scores.tsv)" -eq 2 ]
for wrong in no-such-program ../bin/qualm qualm --no-such-option; do
	status=0
	$qualm $wrong > out 2> err || status=$?
	[ "$status" -eq 2 ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || { echo "qualm $wrong: status $status, $(cat err)"; exit 1; }
done

make -s -C "$TOP" FLAVOR="$FLAVOR" DESTDIR="$PWD/stage" PREFIX=/usr/local install
[ "$(stage/usr/local/bin/qualm --exec-path)" = /usr/local/libexec/qualm ]
make -s -C "$TOP" FLAVOR="$FLAVOR" DESTDIR="$PWD/stage" PREFIX=/usr/local uninstall
[ "$(find stage -type f)" = '' ]
