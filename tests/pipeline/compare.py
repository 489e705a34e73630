"""compare.py OURS GOLDEN [ALLOWED]: the table of score against that of the reference implementation.

In every case whose label map is the golden's (equal numbers of mask and contour voxels and equal Dice), each score agrees within
0.5 %; of the others there are at most ALLOWED, each printed with the voxels by which its masks differ."""
import csv
import math
import sys

rows = lambda f: {r["case"]: r for r in csv.DictReader(open(f), delimiter="\t")}
ours, golden = rows(sys.argv[1]), rows(sys.argv[2])
allowed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
assert ours and ours.keys() <= golden.keys(), "other cases than the golden ones"
columns = [c for c in ("class_entropy", "total_entropy", "t_test") if c in next(iter(ours.values()))]
assert columns
same = lambda a, b, t: a == b or math.isnan(a) and math.isnan(b) or abs(a - b) <= t * max(1e-12, abs(b))
flipped, worst, wrong = [], 0.0, 0
for case, r in ours.items():
    g = golden[case]
    if r["mask_pixels"] != g["mask_pixels"] or r["contour_pixels"] != g["contour_pixels"] or not same(float(r["dice"]), float(g["dice"]), 1e-8):
        flipped.append(case)
        print(f"note: {case}: another label map: {int(r['mask_pixels']) - int(g['mask_pixels']):+d} voxels, "
              f"{int(r['contour_pixels']) - int(g['contour_pixels']):+d} contour voxels, Dice {float(r['dice']) - float(g['dice']):+.2g}")
        continue
    for c in columns:
        a, b = float(r[c]), float(g[c])
        if not same(a, b, 0.005):
            wrong += 1
            print(f"note: {case}: {c} is {a:.9g}, not {b:.9g}")
        elif math.isfinite(a) and b:
            worst = max(worst, abs(a - b) / abs(b))
print(f"note: {len(ours)} cases, {len(columns)} scores each: largest difference {100 * worst:.3g} %, {len(flipped)} other label maps, {wrong} scores beyond 0.5 %")
sys.exit(wrong > 0 or len(flipped) > allowed)
