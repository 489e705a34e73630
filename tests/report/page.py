#!/usr/bin/python3
"""What people can do with the page of report, done in a browser."""
import csv
import math
import os
import random
import subprocess
import sys

sys.path.insert(0, os.environ["TESTS"] + "/report")
from browser import Browser

PHANTOM = os.environ["TESTS"] + "/phantom/documented.tsv"


def report(out, *options):
    subprocess.run(["report", "-o", out, *options], check=True)


def write_table(path, rows):
    with open(path, "wb") as f:
        for row in rows:
            f.write(b"\t".join(c if isinstance(c, bytes) else str(c).encode() for c in row) + b"\n")


NAMES = "Array.from(table.tBodies[0].rows).filter(r => !r.hidden).map(r => r.querySelector('th').textContent)"
CLICK = "document.querySelector('th[data-column=\"%s\"] button').click()"
browser = Browser("profile")

# ---- the phantom: 24 cases, two of them with pictures ----

with open(PHANTOM) as f:
    table = list(csv.DictReader(f, delimiter="\t"))
by = lambda column, down: [r["case"] for r in sorted(table, key=lambda r: float(r[column]), reverse=down)]
report("phantom.html", "--pictures", "pictures", PHANTOM)
browser.open("phantom.html")
assert browser.js(NAMES) == by("class_entropy", True), "the most doubtful first"
assert browser.js("document.querySelector('th[aria-sort]').dataset.column") == "rank"

# Sorted by the names above the columns, one way and the other, and by a column that was not there.
browser.js(CLICK % "dice")
assert browser.js(NAMES) == by("dice", True)
assert browser.js("document.querySelector('th[data-column=dice]').getAttribute('aria-sort')") == "descending"
browser.js(CLICK % "dice")
assert browser.js(NAMES) == by("dice", False)
assert browser.js("document.querySelectorAll('th[aria-sort]').length") == 1
assert browser.js("document.querySelector('th[data-column=t_test]')") is None
browser.js("element('sort').value = 't_test'; element('sort').dispatchEvent(new Event('change'))")
assert browser.js(NAMES) == by("t_test", False)
shown = browser.js("Array.from(table.tBodies[0].rows, r => r.lastElementChild.textContent)")
assert [float(s) for s in shown] == [float("%.4g" % float(r["t_test"])) for r in sorted(table, key=lambda r: float(r["t_test"]))]
browser.js("document.querySelector('#columns input[value=t_test]').click()")
assert browser.js("document.querySelector('th[data-column=t_test]')") is None
assert browser.js(NAMES) == by("class_entropy", True)

# The filter, typed.
browser.js("element('find').focus()")
browser.call("Input.insertText", text="_01")
wanted = [n for n in by("class_entropy", True) if "_01" in n]
assert wanted and browser.comes(NAMES, wanted)
assert browser.js("element('status').textContent") == "%d of 24 cases, sorted by doubt, most doubtful first." % len(wanted)
assert browser.js("element('status').getAttribute('role')") == "status"
browser.js("element('find').value = ''; element('find').dispatchEvent(new Event('input'))")
browser.js("element('flagged').click()")
assert browser.js(NAMES) == []
browser.js("element('flagged').click()")

# By keyboard: from the filter through the tools to the first column; Enter sorts; Enter on a picture shows it large, arrows
# go on, Escape comes back to it.
browser.js("element('find').focus()")
stops = ["flagged", "sort", "direction", "more", "rank", "case"]
for stop in stops:
    browser.key("Tab", 9)
    assert browser.comes("(e => e.id || e.closest('th')?.dataset.column || e.parentNode.id)(document.activeElement)", stop), stop
browser.key("Enter", 13, "\r")
assert browser.comes(NAMES, sorted(r["case"] for r in table))
browser.js("document.querySelector('.picture button').focus()")
browser.key("Enter", 13, "\r")
assert browser.comes("element('large').open && element('large-name').textContent", "phantom_000")
assert browser.js("element('large-picture').decode().then(() => element('large-picture').naturalWidth)") > 200
browser.key("ArrowRight", 39)
assert browser.comes("element('large-name').textContent", "phantom_001")
browser.key("Escape", 27)
assert browser.comes("element('large').open", False)
assert browser.comes("document.activeElement.closest('tr')?.querySelector('th').textContent", "phantom_001")

# For those who do not see it, it is a table.
roles = [n["role"]["value"] for n in browser.call("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
assert roles.count("row") >= 25 and roles.count("rowheader") >= 24 and roles.count("columnheader") == 7, {r: roles.count(r) for r in roles}

# On paper: all cases and pictures, none of the tools, what is filtered out said.
browser.js("element('find').value = '00'; element('find').dispatchEvent(new Event('input'))")
browser.js("dispatchEvent(new Event('beforeprint'))")
browser.call("Emulation.setEmulatedMedia", media="print")
assert browser.js("getComputedStyle(element('tools')).display") == "none"
assert browser.js("getComputedStyle(table.tHead).display") == "table-header-group"
head = "getComputedStyle(document.querySelector('th[data-column=%s]'), '::before').content"
assert browser.js(head % "rank") == '"#"' and browser.js(head % "dice") == '"dice"', "said without the buttons, on each page"
assert browser.js("element('status').checkVisibility() && element('status').textContent").startswith("%d of 24 cases" % sum("00" in r["case"] for r in table))
assert browser.js("document.querySelectorAll('.picture img[src^=\"data:image/png\"]').length") == 2
browser.call("Emulation.setEmulatedMedia", media="")
assert browser.complaints() == []

# ---- names that could break it, flags, failed cases, no labels ----

odd = ["a<b>&amp;\"c'", "</script><script>throw 1</script>", "<!--<script>", "</script x", "<!--<script x", "Ärzte 日本 𝔸", "{{cases}}", "\\u003c\\n", "x" * 200]
rows = [["case", "mask_pixels", "class_entropy", "members", "flags", "reason"]]
rows += [[name, 10, 5 - i / 10, 3, "one_member", "-"] for i, name in enumerate(odd)]
rows += [[b"bad \xff\xc3 bytes", 10, 1, 3, "one_member,some_new_flag", "-"], ["none", 0, "inf", 3, "one_member,empty,no_contour", "-"],
         ["lost", "nan", "nan", "nan", "failed,one_member", "decode: <it> & \"more\""], ["unscored", 5, "nan", 3, "one_member", "-"]]
write_table("odd.tsv", rows)
report("odd.html", "--title", "A <b>title</b>", "--commands", "odd.tsv", "odd.tsv")
browser.open("odd.html")
expected = ["lost", "none"] + odd + ["bad \ufffd\ufffd bytes", "unscored"]
assert browser.js(NAMES) == expected, browser.js(NAMES)
assert browser.js("caseNames") == expected
assert browser.js("document.title") == "A <b>title</b>" and browser.js("document.querySelector('h1').textContent") == "A <b>title</b>"
remarks = browser.js("Array.from(table.tBodies[0].rows, r => r.querySelector('.remarks').textContent.trim())")
assert remarks[0] == "failed decode: <it> & \"more\"", remarks
assert remarks[1] == "nothing was segmented no contour, so no score" and remarks[-2] == "some new flag" and remarks[-1] == "", remarks
browser.js("element('flagged').click()")
assert browser.js(NAMES) == expected[:2] + expected[-2:-1]
browser.js("element('flagged').click()")
browser.js(CLICK % "class_entropy")
assert browser.js(NAMES) == ["none"] + odd + expected[-2:-1] + ["lost", "unscored"], "what is not there comes last"
browser.js(CLICK % "class_entropy")
assert browser.js(NAMES)[-3:] == ["none", "lost", "unscored"]
assert "What this page cannot know" in browser.js("document.body.innerText")
assert browser.js("document.querySelector('pre').textContent").startswith("case\tmask_pixels")
assert browser.complaints() == []

# ---- 2,000 cases with pictures and forty columns ----

numbers = random.Random(1)
columns = ["class_entropy", "dice"] + ["score_%d" % i for i in range(38)]
rows = [["case", *columns, "members", "flags", "reason"]]
os.mkdir("many")
thumbnails = sorted(os.listdir("pictures"))
for i in range(2000):
    rows.append(["patient_%04d" % i] + ["%.9g" % numbers.random() for _ in columns] + [9, "cropped" if i % 3 else "-", "-"])
    os.link("pictures/" + thumbnails[i % len(thumbnails)], "many/patient_%04d_thumbnail.png" % i)
write_table("many.tsv", rows)
report("many.html", "--pictures", "many", "many.tsv")
before = browser.work()
elapsed = browser.open("many.html")
work = browser.work() - before
print("note: 2,000 cases, %.0f MB: open after %.2f s, %.2f s of processor time" % (os.path.getsize("many.html") / 1e6, elapsed, work))
assert work < 2, work
assert len(browser.js(NAMES)) == 2000 and browser.js("document.querySelectorAll('.picture img[src]').length") < 200
took = browser.js("(() => { const t = performance.now(); " + CLICK % "dice" + "; table.offsetHeight; return performance.now() - t })()")
assert browser.js(NAMES) == [r[0] for r in sorted(rows[1:], key=lambda r: -float(r[2]))]
print("note: sorted in %.2f s" % (took / 1000))
assert browser.complaints() == []
browser.close()
