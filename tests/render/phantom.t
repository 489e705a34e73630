# Pictures of the built-in example: images, references and figures are in them, and -p changes nothing in the stream.
make-scratch
segment < mean.frames | entropy | contour-norm | score -r labelsTs -o table.tsv -p > scored.frames
render -i imagesTs -r labelsTs -o with -p < scored.frames > passed.frames
frames -d scored.frames passed.frames
render -o without < scored.frames
for picture in overlay panel; do
	for image in imagesTs/*_0000.png; do
		name=$(basename "$image" _0000.png)_$picture.png
		[ "$(wc -c < "with/$name")" -gt 20000 ]
		if cmp -s "with/$name" "without/$name"; then echo "$name lacks image or reference"; exit 1; fi
	done
done
for name in phantom_000 phantom_001; do
	[ "$(wc -c < "with/${name}_thumbnail.png")" -gt 5000 ]
	if cmp -s "with/${name}_thumbnail.png" "without/${name}_thumbnail.png"; then exit 1; fi
done
[ "$(find with without -type f | wc -l)" -eq 12 ]
render --overlay -o only < scored.frames
[ "$(find only -name '*_overlay.png' | wc -l)" -eq 2 ]
[ "$(find only -type f | wc -l)" -eq 2 ]
render --thumbnail -o small < scored.frames
[ "$(find small -name '*_thumbnail.png' | wc -l)" -eq 2 ]
[ "$(find small -type f | wc -l)" -eq 2 ]
render --panel -o panels < mean.frames          # the segmentation from the probabilities; no map yet
[ "$(find panels -name '*_panel.png' | wc -l)" -eq 2 ]

# The probabilities of one member are no segmentation, and an image of another size is not that of the case.
status=0
render -o none < members.frames 2> err || status=$?
[ "$status" -eq 3 ]
grep -q average-probs err
mkdir other
for image in imagesTs/*; do cp with/"$(basename "$image" _0000.png)_overlay.png" "other/$(basename "$image")"; done
status=0
render -i other -o none < scored.frames 2> err || status=$?
[ "$status" -eq 3 ]
grep -q 'voxels, the case' err
[ "$(wc -l < err)" -eq 1 ]
[ -z "$(find none -type f)" ]
