#!/usr/bin/python3
"""Points of the SVG that plot draws against the numbers of the tables."""
import os
import re
import subprocess
import xml.etree.ElementTree as xml

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"


def plot(kind, table, *options):
    subprocess.run(["plot", *options, kind, table, "out.svg", "out.png"], check=True)
    assert open("out.png", "rb").read(4) == b"\x89PNG" and os.path.getsize("out.png") > 3000
    return xml.parse("out.svg").getroot()


def points(svg, mark):
    """x and y, upwards, of a kind of mark; the first of a series stands for it in the legend, if there is one."""
    found = [re.search(r"translate\(([-.\d]+),([-.\d]+)\)", u.get("transform")) for u in svg.iter(SVG + "use") if u.get(HREF) == mark and u.get("transform")]
    return np.array([[float(m[1]), -float(m[2])] for m in found])


def proportional(drawn, wanted):
    """The same but for scale and place."""
    for axis in (0, 1):
        a, b = drawn[:, axis], np.asarray(wanted)[:, axis]
        scale, place = np.polyfit(b, a, 1)
        assert scale > 0 and np.abs(a - scale * b - place).max() < 0.2, (axis, np.abs(a - scale * b - place).max())


def words(svg):
    return " ".join("".join(t.itertext()) for t in svg.iter(SVG + "text"))


# Scatter: finite rows only; names that mean something to gnuplot.
rows = [("a", 0.9, 1.5), ("b", 0.5, 3.25), ("c", 0.75, 2.0), ("d", 0.25, 7.0)]
with open("scores.tsv", "w") as f:
    f.write("case\tdice\tit's_{x}\n" + "".join("%s\t%s\t%s\n" % r for r in rows) + "e\t0.1\tinf\nf\tnan\t3\n")
svg = plot("scatter", "scores.tsv", "-x", "it's_{x}")
proportional(points(svg, "#gpPt6"), [(x, y) for _, y, x in rows])
assert "it's_{x}" in words(svg) and "4 cases" in words(svg) and "Pearson -0.9" in words(svg), words(svg)

# Risk and coverage: the mean of 1 - Dice over the k surest, an infinite score being the least sure.
svg = plot("risk-coverage", "scores.tsv", "-x", "it's_{x}")
risk = np.cumsum([0.1, 0.25, 0.5, 0.75, 0.9]) / np.arange(1, 6)
drawn = points(svg, "#gpPt6")
proportional(np.array(sorted(drawn[:5].tolist())), [(k / 5, r) for k, r in zip(range(1, 6), risk)])
assert "5 cases" in words(svg) and "best possible order" in words(svg)

# Reliability: bins with voxels, no background.
with open("bins.tsv", "w") as f:
    f.write("of\tname\tbin\tlow\thigh\tvoxels\tconfidence\tfrequency\n")
    for line in ("class background 0 0 1 9 0.5 0.5", "class LV 0 0 0.3 0 nan nan", "class LV 1 0.3 0.6 5 0.5 0.25", "class LV 2 0.6 0.8 5 0.75 0.5",
                 "class LV 3 0.8 1 5 0.9 0.95"):
        f.write(line.replace(" ", "\t") + "\n")
svg = plot("reliability", "bins.tsv")
drawn = points(svg, "#gpPt4")
proportional(drawn[:3], [(0.5, 0.25), (0.75, 0.5), (0.9, 0.95)])
assert "LV" in words(svg) and "background" not in words(svg)

# Members: a panel a metric, a place a value of the column.
with open("members.tsv", "w") as f:
    f.write("subset\tscore\tmetric\tat\tvalue\tlow\thigh\tn\n")
    for i, (dice, aurc) in enumerate(((0.7, 0.3), (0.8, 0.2), (0.82, 0.19))):
        f.write("first_%d\tclass_entropy\tmean\t-\t%s\t%s\t%s\t9\n" % (i + 1, dice, dice - 0.1, dice + 0.05))
        f.write("first_%d\tclass_entropy\taurc\t-\t%s\tnan\tnan\t9\n" % (i + 1, aurc))
        f.write("first_%d\tt_test\taurc\t-\t9\t9\t9\t9\n" % (i + 1))
svg = plot("members", "members.tsv")
drawn = points(svg, "#gpPt6")
assert len(drawn) == 6, drawn
proportional(drawn[:3], [(1, 0.7), (2, 0.8), (3, 0.82)])
proportional(drawn[3:], [(1, 0.3), (2, 0.2), (3, 0.19)])
assert "mean Dice" in words(svg) and "first_2" in words(svg) and "subset" in words(svg), words(svg)
