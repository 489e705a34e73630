"""calibrate --merge: parts in any order, of parts of parts, with failed cases; damaged sums; cases that are refused."""
from brute import *

r = np.random.default_rng(9)
OUT = "--per-case --reliability {0}.rel --fit {0}.fit --sums {0}.sums"


def table_of(name, status=0):
    return [open(f"{name}.{x}", "rb").read() for x in ("tsv", "rel", "fit", "sums")]


for regions in False, True:
    folder = "refs_regions" if regions else "refs"
    cases = {}
    for k in range(7):
        p, y = random_case(r, (1, 17, 13) if k % 2 else (3, 9, 11), None if regions else 5, sharp=2)
        cases[f"case{k}"] = p, y
        reference(folder, f"case{k}", y)

    def part(name, which, slab=1, extra="", expect=0, **more):
        save(f"{name}.frames", [frame(c, *cases[c][:1], regions=regions, slab=slab, **more) for c in which])
        return run(f"calibrate -r {folder} {extra} {OUT.format(name)} < {name}.frames > {name}.tsv", expect)

    def merge(name, parts, expect=0):
        return run(f"calibrate --merge {OUT.format(name)} {' '.join(p + '.sums' for p in parts)} > {name}.tsv", expect)

    names = sorted(cases)
    part("whole", names)
    want = table_of("whole")
    part("turned", names[::-1], slab=3)
    assert table_of("turned") == want, "another order and other slabs"
    part("a", names[4:])
    part("b", [names[2]], slab=2)
    part("c", [names[3], names[0], names[1]])
    for parts in ["a", "b", "c"], ["c", "a", "b"]:
        merge("merged", parts)
        assert table_of("merged") == want, parts
    merge("ab", ["b", "a"])
    merge("merged", ["c", "ab"])
    assert table_of("merged") == want, "parts of parts"
    assert "case case2 occurs twice" in merge("x", ["a", "b", "b"], 3)

# A case that fails is told of in every table that it is missing from
os.remove("refs_regions/case3.png")
said = part("k_whole", names, extra="-k", expect=3)
assert said.count("\n") == 1 and "case3" in said
part("k_a", names[:2], extra="-k")
assert "case3" in part("k_b", [names[3]], extra="-k", expect=3)
part("k_c", [names[2]] + names[4:], extra="-k")
assert "case3" in merge("k_merged", ["k_b", "k_a", "k_c"], 3)
assert table_of("k_merged") == table_of("k_whole")
row = [t for t in tsv("k_whole.tsv") if t["case"] == "case3"]
assert len(row) == 1 and row[0]["of"] == "failed" and "case3" in row[0]["reason"] and row[0]["ece"] == "nan", row
assert {t["cases"] for t in tsv("k_whole.tsv") if t["scope"] == "pooled"} == {"6"}
assert "case3" in part("x", names, expect=3)

# Damaged sums: cut anywhere, or with a digit changed, they end in one line and never in a crash
text = open("b.sums", "rb").read()
lines = text.split(b"\n")
for keep in 0, 1, 40, len(text) // 2, len(text) - 5, len(text) - 1:
    open("cut.sums", "wb").write(text[:keep])
    assert "cut.sums" in run("calibrate --merge cut.sums > x.tsv", 3), keep
for k in r.choice(len(lines) - 1, 10, replace=False).tolist() + list(range(8)):
    for word in b"-1", b"x", b"99999999999999999999", b"18446744073709551615", b"":
        cells = lines[k].split(b"\t")
        cells[r.integers(0, len(cells))] = word
        open("bad.sums", "wb").write(b"\n".join(lines[:k] + [b"\t".join(cells)] + lines[k + 1:]))
        from subprocess import run as start
        done = start(["calibrate", "--merge", "bad.sums"], capture_output=True, text=True, timeout=20)
        assert done.returncode in (0, 3) and done.stderr.count("\n") == (done.returncode == 3), (lines[k], word, done)
open("bad.sums", "wb").write(text + b"end\n")
assert "bad.sums" in run("calibrate --merge bad.sums > x.tsv", 3)

# Sums that do not belong together
part("bins", [names[0]], extra="--bins 7")
part("fore", [names[0]], extra="--foreground")
save("plain.frames", [frame(names[0], cases[names[0]][0], regions=True)])
run("calibrate -r refs_regions --sums plain.sums < plain.frames > x.tsv")
for other in "bins", "fore", "plain":
    assert "other options" in merge("x", ["b", other], 3), other
assert "made without --fit" in run("calibrate --merge plain.sums --fit x.fit > x.tsv", 3)
save("five.frames", [frame("five", *random_case(r, (1, 5, 5), 5)[:1])])
reference("refs", "five", np.zeros((1, 5, 5), int))
run("calibrate -r refs --fit x.fit --sums five.sums < five.frames > x.tsv")
assert "five.sums: there are 6 classes or regions where cases before have 3" in merge("x", ["b", "five"], 3)

# Cases that are refused, each with its reason
p, y = random_case(r, (1, 6, 6), 2)
reference("refs", "one", y)
for what, q, reason in (("NaN", np.where(np.arange(36).reshape(1, 6, 6) == 7, np.nan, p), "not in 0 to 1"), ("negative", p - 0.9, "not in 0 to 1"),
                        ("logits", p * 9, "not in 0 to 1"), ("half", p / 2, "sum to 0.5"), ("shape", p[..., :5], "shape")):
    save("one.frames", [frame("one", q)])
    assert "one: " in run("calibrate -r refs < one.frames > x.tsv", 3) and reason in run("calibrate -r refs < one.frames > x.tsv", 3), what
save("one.frames", [frame("one", p), frame("one", p)])
assert "case one occurs twice" in run("calibrate -r refs < one.frames > x.tsv", 3)
save("one.frames", [{"case": "one", "slab": 1, "labels": NAMES[2], "layers": [member(p, "a", 1, 2), member(p, "b", 2, 2)]}])
assert "average-probs comes before" in run("calibrate -r refs < one.frames > x.tsv", 3)
save("one.frames", [{"case": "one", "slab": 1, "layers": [({"kind": "strange"}, p)]}])
assert "holds no probabilities" in run("calibrate -r refs < one.frames > x.tsv", 3)
save("none.frames", [])
run("calibrate -r refs --fit none.fit --reliability none.rel --sums none.sums < none.frames > none.tsv")
run("calibrate --merge none.sums five.sums --fit x.fit > x.tsv")
assert len(open("none.tsv").readlines()) == 1
assert "--memory" in run("calibrate --memory 1M -r refs < five.frames > x.tsv", 3)
for wrong in "", "-r refs x.sums", "--merge", "--merge -r refs b.sums", "--merge --bins 7 b.sums", "-r refs --bins 0", "-r refs --bins 1001":
    run(f"calibrate {wrong} < five.frames > x.tsv", 2)
