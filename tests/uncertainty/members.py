"""Members in every form and order, with every size of slab, give the same bytes; what is wrong with them is said by name."""
import itertools

from lib import *

r = np.random.default_rng(3)
LABELS = {"labels": {"background": 0, "LV": 1, "myocardium": 2}, "plan": {"hash": "1a2b", "configuration": "3d"}, "spacing_mm": [4.0, 1.5, 1.25]}
MAPS = "-m total_entropy,t_test,expected_entropy"


def softmax(members, shape, classes=3):
    e = np.exp(r.normal(0, 3, (members, classes, *shape)))
    return (e / e.sum(1, keepdims=True)).astype("<f4")


CASES = {"a": softmax(5, (5, 8, 7)), "b": softmax(5, (1, 9, 4)), "c": softmax(5, (3, 4, 4))}
IMAGE = {c: r.normal(0, 1, (1, *P.shape[2:])).astype("<f4") for c, P in CASES.items()}


def frame(c, which, of, slab=None, rows=None, own=False, **more):
    """Members `which` (from 0) of a case as layers of a frame, after an image; own: each made by a process of its own."""
    layers = [({"kind": "image"}, IMAGE[c])]
    for i in which:
        layers.append(member(CASES[c][i], f"m{i}", 1 if own else i + 1, 1 if own else of, weights=f"w{i}"))
    return {"case": c, **LABELS, "layers": layers, "slab": slab or CASES[c].shape[2], **({"rows": rows} if rows else {}), **more}


def result(command, expect=0):
    run(f"{command} > out.frames", expect)
    return [{kind: (f["spacing_mm"], l[0][1].tobytes()) for kind, l in f["data"].items()} for f in read("out.frames")]


save("one.frames", [frame(c, range(5), 5) for c in CASES])
want = result(f"average-probs {MAPS} < one.frames")
assert [list(w) for w in want] == [["image", "probs", "total_entropy", "t_test", "expected_entropy"]] * 3
assert want[0]["image"][1] == IMAGE["a"].tobytes()
run("average-probs < one.frames | frames > mean.tsv")

# layers of one frame: any order, any slab, planes and rows
for slab, rows, order in ((1, None, [4, 2, 0, 1, 3]), (2, None, [0, 1, 2, 3, 4]), (1, 3, [3, 4, 1, 0, 2]), (1, 1, [1, 0, 3, 2, 4])):
    save("in.frames", [frame(c, order, 5, min(slab, CASES[c].shape[2]), rows) for c in CASES])
    assert result(f"average-probs {MAPS} < in.frames") == want, (slab, rows, order)

# consecutive frames of one stream
for order, slab in (([0, 1, 2, 3, 4], 1), ([2, 0, 4, 3, 1], 2), ([4, 3, 2, 1, 0], 5)):
    save("in.frames", [frame(c, [i], 5, min(slab, CASES[c].shape[2])) for c in CASES for i in order])
    assert result(f"average-probs {MAPS} < in.frames") == want, order
    assert result(f"average-probs -n 5 {MAPS} < in.frames") == want, order
save("in.frames", [frame(c, which, 5) for c in CASES for which in ([0, 3], [1], [4, 2])])
assert result(f"average-probs {MAPS} in.frames") == want
save("own.frames", [frame(c, [i], 1, own=True) for c in CASES for i in range(5)])
assert result(f"average-probs -n 5 {MAPS} < own.frames") == want
said = run("average-probs < own.frames > out.frames", 3)
assert "case a comes again after its 1 members; -n tells how many to expect" in said, said

# frames at the same place of several streams: one or more members each, equal or different slabs
for i in range(5):
    save(f"m{i}.frames", [frame(c, [i], 1, min(2, CASES[c].shape[2]), own=True) for c in CASES])
for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 17):
    files = " ".join(f"m{i}.frames" for i in order)
    assert result(f"average-probs -n 5 {MAPS} {files}") == want, order
run("mkfifo f1 f2; cat m1.frames > f1 & cat m2.frames > f2 & average-probs m0.frames f1 f2 m3.frames - < m4.frames > fifo.frames")
assert {k: v[0][1].tobytes() for k, v in read("fifo.frames")[0]["data"].items()}["probs"] == want[0]["probs"][1]
save("m3.frames", [frame(c, [3], 1, 1, own=True) for c in CASES])
assert result(f"average-probs -n 5 {MAPS} m0.frames m1.frames m2.frames m3.frames m4.frames") == want
save("x.frames", [frame(c, [0, 2], 5) for c in CASES])
save("y.frames", [frame(c, [0, 1, 2], 3) for c in CASES])
save("z.frames", [frame(c, [3, 4], 2, rows=1, slab=1) for c in CASES])
assert result(f"average-probs -n 5 {MAPS} z.frames y.frames") == want

for path, which in ("v.frames", [0, 3]), ("w.frames", [4, 1, 2]):       # each stream counts its own from 1
    frames = [frame(c, which, len(which)) for c in CASES]
    for f in frames:
        for i, (meta, _) in enumerate(f["layers"][1:]):
            meta["member"]["index"] = i + 1
    save(path, frames)
assert result(f"average-probs -n 5 {MAPS} v.frames w.frames") == want

# the rest of a frame passes; a stream's flags are those of the result
save("p.frames", [frame("a", [0], 1, own=True, extra={"k": 1}, closing={"scores": {"s": 1.5}, "flags": ["odd"], "other": 2})])
save("q.frames", [frame("a", [1], 1, own=True, closing={"flags": ["strange"]})])
run("average-probs p.frames q.frames > out.frames")
f = read("out.frames")[0]
assert f["extra"] == {"k": 1} and f["closing"]["other"] == 2 and f["scores"] == {"s": 1.5} and f["flags"] == ["odd", "strange"] and f["members"] == 2

# a case that failed in one stream, or in one of consecutive frames, is a failed case of the average; the others are whole
bad = {"case": "b", "failed": {"stage": "infer-checkpoint", "reason": "not a number"}}
save("m3.frames", [frame("a", [3], 1, 2, own=True), bad, frame("c", [3], 1, 2, own=True)])
said = run("average-probs -n 5 m0.frames m1.frames m2.frames m3.frames m4.frames > out.frames", 3)
a, b, c = read("out.frames")
assert b["failed"]["reason"] == "member stream m3.frames: infer-checkpoint: not a number", b
assert a["data"]["probs"][0][1].tobytes() == want[0]["probs"][1] and c["data"]["probs"][0][1].tobytes() == want[2]["probs"][1] and not said
for place in range(5):
    frames = [frame(c, [i], 5) for c in CASES for i in range(5)]
    frames[5 + place] = bad
    save("in.frames", frames)
    run("average-probs < in.frames > out.frames", 3)
    a, b, c = read("out.frames")
    assert "infer-checkpoint: not a number" in ": ".join(b["failed"].values()), b
    assert a["data"]["probs"][0][1].tobytes() == want[0]["probs"][1] and c["data"]["probs"][0][1].tobytes() == want[2]["probs"][1]

for place in range(5):                              # a case may fail as late as in its closing map
    frames = [frame(c, [i], 5) for c in CASES for i in range(5)]
    frames[5 + place]["closing"] = {"failed": {"stage": "infer-checkpoint", "reason": "too late"}}
    save("in.frames", frames)
    data = open("in.frames", "rb").read().replace(b"\xa6failed\x00", b"\xa6failed\x01")
    open("in.frames", "wb").write(data)
    run("average-probs < in.frames > out.frames", 3)
    a, b, c = read("out.frames")
    assert "too late" in b["failed"]["reason"], b
    assert a["data"]["probs"][0][1].tobytes() == want[0]["probs"][1] and c["data"]["probs"][0][1].tobytes() == want[2]["probs"][1]

# as coded: the order counts, the form does not
save("in.frames", [frame(c, [i], 5) for c in CASES for i in range(5)])
save("m3.frames", [frame(c, [3], 1, min(2, CASES[c].shape[2]), own=True) for c in CASES])
coded = result("average-probs --as-coded -m total_entropy,t_test < one.frames")
assert coded != want and coded == result("average-probs --as-coded -m total_entropy,t_test < in.frames")
assert coded == result("average-probs --as-coded -m total_entropy,t_test m0.frames m1.frames m2.frames m3.frames m4.frames")
mean = np.zeros_like(CASES["a"][0])
for p in CASES["a"]:
    mean = mean + p
assert coded[0]["probs"][1] == (mean / np.float32(5)).tobytes()

# what is wrong with members
P = CASES["a"]


def pair(**change):
    """Two streams that differ in one thing."""
    save("l.frames", [frame("a", [0], 1, own=True)])
    second = frame("a", [1], 1, own=True)
    second.update(change)
    save("r.frames", [second])
    return "average-probs l.frames r.frames"


def layers(*which, more=()):
    f = frame("a", which, 5)
    save("in.frames", [{**f, "layers": f["layers"] + list(more)}])
    return "average-probs < in.frames"


def changed(p, **keys):
    meta, a = member(p, "m1", 1, 1, weights="w1")
    return [({**meta, **keys}, a)]


BOTH = "a: members m0 of l.frames and m1 of r.frames disagree about the "
first = P[0].copy()
first[1, 2, 3, 4] = np.nan
for words, make in (
        ("a: of 5 members of standard input, 1 did not come: index 4", lambda: layers(0, 1, 2, 4)),
        ("a: of 5 members of standard input, 2 did not come: index 2, 3", lambda: layers(0, 3, 4)),
        ("a: members m1 and m1 have the same index: one came twice", lambda: layers(0, 1, 1, 2, 3)),
        ("a: 6 members came from standard input, which says that it has 5", lambda: layers(*range(5), more=[member(P[0], "m9", 9, 5)])),
        ("a: 5 members came where -n asks for 6", lambda: layers(*range(5)) + " -n 6"),
        ("a: 5 members came where -n asks for 4", lambda: layers(*range(5)) + " -n 4"),
        ("a: 2 members came where -n asks for 3", lambda: pair().replace("probs", "probs -n 3")),
        ("a: of 5 members of x.frames, 3 did not come: index 2, 4, 5", lambda: "average-probs x.frames z.frames"),
        (BOTH + "shape: 5x8x7 against 5x7x8", lambda: pair(layers=changed(np.swapaxes(P[1], 2, 3)))),
        (BOTH + "spacing: 4x1.5x1.25 against 4x1.5x1.3 mm", lambda: pair(spacing_mm=[4.0, 1.5, 1.3])),
        (BOTH + "number of classes: 3 against 2", lambda: pair(layers=changed(P[1][:2]))),
        (BOTH + "labels", lambda: pair(labels={"background": 0, "LV": 2, "myocardium": 1})),
        (BOTH + "labels", lambda: pair(ignore=3)),
        (BOTH + "plan: hash 1a2b against 9f", lambda: pair(plan={"hash": "9f"})),
        (BOTH + "activation: softmax against sigmoid", lambda: pair(layers=changed(P[1], activation="sigmoid"))),
        ("a: members m0 of l.frames and m1 of r.frames have equal weights", lambda: pair(layers=changed(P[1], member={"name": "m1", "index": 1, "of": 1, "weights": "w0"}))),
        ("a: the probabilities of member m1 are of type <f2", lambda: pair(layers=[(changed(P[1])[0][0], P[1].astype("<f2"))])),
        ("a: member m1 of r.frames: its probabilities hold a value that is not in 0 to 1", lambda: pair(layers=changed(P[1] * 3))),
        ("a: member m1 of r.frames: its probabilities hold a value that is not in 0 to 1", lambda: pair(layers=changed(first))),
        ("a: r.frames holds no member's probabilities", lambda: pair(layers=[({"kind": "image"}, IMAGE["a"])])),
        ("a: standard input holds no member's probabilities; they are averaged already", lambda: layers(*range(5)) + " | average-probs")):
    command = make()
    said = run(f"{command} > out.frames", 3)
    assert words in said and said.count("\n") == 1, (words, said)
    said = run(f"{command.replace('average-probs', 'average-probs -k')} > out.frames", 3)
    assert read("out.frames")[0]["failed"]["stage"] == "average-probs", words
pair(layers=changed(P[1], member={"name": "m1", "index": 1, "of": 1, "weights": "w0"}))
run("average-probs --allow-equal l.frames r.frames > out.frames")

# streams out of step end the program whatever -k says
for words, second in (
        ("case a of l.frames stands where case b of r.frames does", [frame("b", [1], 1, own=True), frame("c", [1], 1, own=True)]),
        ("r.frames has ended where l.frames goes on with case b", [frame("a", [1], 1, own=True)]),
        ("l.frames has ended where r.frames goes on with case c", [frame(c, [1], 1, own=True) for c in CASES])):
    save("l.frames", [frame(c, [0], 1, own=True) for c in "ab"])
    save("r.frames", second)
    said = run("average-probs -k l.frames r.frames > out.frames", 3)
    assert words in said and said.count("\n") == 1, said
data = open("m1.frames", "rb").read()
open("cut.frames", "wb").write(data[:-20])
assert "cut.frames ended" in run("average-probs m0.frames cut.frames > out.frames", 3)

# consecutive frames that would need too much memory: the figure and the remedy, which works
big = softmax(2, (16, 64, 64), 2)
parts = [{"case": "big", "layers": [member(p, f"m{i}", i + 1, 2)], "slab": 1} for i, p in enumerate(big)]
save("big.frames", parts)
said = run("average-probs --memory 2M < big.frames > out.frames", 3)
assert "big: its members do not come side by side, so the whole case must be held: 2.5 MiB, over the limit of 2.0 MiB; give the members as several streams" in said, said
for i, part in enumerate(parts):
    part["layers"][0][0]["member"] |= {"index": 1, "of": 1}
    save(f"big{i}.frames", [part])
assert result("average-probs --memory 2M big0.frames big1.frames") == result("average-probs < big.frames")

# usage
for words, options in (("there is no 'variances' of members", "-m t_test,variances"), ("there is no 'class_entropy' of members", "-m class_entropy"),
                       ("'256' is not a whole number from 1 to 255", "-n 256"), ("has the maps total_entropy and t_test alone", "--as-coded -m expected_entropy")):
    said = run(f"average-probs {options} < one.frames", 2)
    assert words in said, said
