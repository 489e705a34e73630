# Every command in the EXAMPLES of every program's page works as it stands there, in a folder of real files.
# release only: the examples run many networks; contract runs every program under the sanitizers
mkdir scratch
(cd scratch && make-scratch)
failed=0 n=0
for page in "$TOP"/man/*.1; do
	name=$(basename "$page")
	page-examples "$page" > examples
	[ -s examples ] || { echo "$name has no example"; failed=1; }
	rm -rf here
	cp -r scratch here              # each page begins afresh; its examples may build on each other
	while IFS= read -r command; do
		n=$((n + 1))
		(cd here && sh -euc "$command") > log 2>&1 < /dev/null || { echo "$name: status $?: $command"; tail -n 3 log; failed=1; }
	done < examples
done
echo "note: $n examples run"
[ "$n" -gt 0 ]
[ "$failed" -eq 0 ]
