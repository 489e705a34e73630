# The page speaks the language of README: what columns mean there is what it says; commands of a stream, flags in words.
{
	printf 'case\tdice\tclass_entropy\tclass_entropy.ring\tclass_entropy.ring:LV\tunheard_of\ttotal_entropy\tt_test\tmembers\tflags\treason\n'
	printf 'a\t0.5\t1\t1\t1\t1\t1\t1\t3\tcropped,empty,no_contour\t-\n'
	printf 'b\t0.5\t2\t1\t1\t1\t1\t1\t3\tcropped\t-\n'
	printf 'c\tnan\tnan\tnan\tnan\tnan\tnan\tnan\tnan\tfailed\tdecode: broken\n'
} > table.tsv
decode "$TESTS/phantom/imagesTs/phantom_000_0000.png" | segment -k > stream.frames
echo 'made by <hand>' > commands.txt
report --history stream.frames --commands commands.txt table.tsv > page.html
for column in class_entropy total_entropy t_test; do
	words=$(sed -n "s/^| \`$column\` | \(.*\) |\$/\1/p" "$TOP/README.md" | sed "s/ It \*\*ranks.*//; s/\.$//; s/'/\&#39;/g")
	[ "$words" ]
	grep -qF "<dt>$column</dt><dd>$words" page.html || { echo "README says of $column: $words"; exit 1; }
done
grep -qF '<dt>class_entropy.ring</dt><dd>mean near the boundary, of the map class_entropy</dd>' page.html
grep -qF '<dt>unheard_of</dt><dd></dd>' page.html
[ "$(grep -c '<dt>class_entropy.ring:LV' page.html)" -eq 0 ]
grep -qF '<b>All</b> 3, but for those that failed: part of the image was cropped away' page.html
grep -qF '<b>1</b> of 3: nothing was segmented' page.html
[ "$(grep -c '<span>part of the image was cropped away</span>' page.html)" -eq 0 ]
grep -q '^<h2 id="commands-heading">Commands that made it</h2>$' page.html
grep -q '^<pre>decode .*phantom_000_0000.png$' page.html
grep -qx 'segment -k' page.html
grep -qxF 'made by &lt;hand&gt;' page.html
